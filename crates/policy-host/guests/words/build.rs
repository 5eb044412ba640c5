//! Takes the code of the policy out of README.md, so that what stands there is what is built and tested.

use std::path::Path;
use std::{env, fs};

fn main() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../README.md");
    println!("cargo:rerun-if-changed={}", readme.display());
    let text = fs::read_to_string(&readme).expect("README.md at the top");
    let (_, policy) = text.split_once("\n## A policy in ten lines\n").expect("its section");
    let (_, code) = policy.split_once("\n```rust\n").expect("a block of Rust in it");
    let (code, _) = code.split_once("```").expect("the block's end");
    let out = env::var_os("OUT_DIR").expect("cargo's own folder");
    fs::write(Path::new(&out).join("readme.rs"), code).expect("room for a copy");
}
