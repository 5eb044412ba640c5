//! Write a policy in Rust: a trait, a macro, native fakes for tests
