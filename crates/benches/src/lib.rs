//! What each part of a request costs by itself: its reading and its answer, its facts, the chain, and the store. See
//! `benches/parts.rs`; `cargo xtask bench parts` runs it. What the whole costs is measured by `cargo xtask bench`.
