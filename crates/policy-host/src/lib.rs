//! Load policies from bytes, ask them, replace them
