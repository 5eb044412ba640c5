//! A guest that spins, hoards, panics or overflows on request
