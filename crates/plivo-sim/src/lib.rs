//! A scriptable Plivo for tests, demos and development
