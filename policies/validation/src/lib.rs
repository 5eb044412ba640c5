//! Refuses or mends what no handset would take
