//! Sends marketing in office hours only
