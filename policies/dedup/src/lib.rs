//! Refuses the same content to the same handset within a window
