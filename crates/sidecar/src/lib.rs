//! The program: configuration, gateway, delivery, reload, admin, life cycle
