//! The policy that README.md shows.

include!(concat!(env!("OUT_DIR"), "/readme.rs"));
