//! The policy contract in WIT, and its version.

/// The contract as text: WIT package `sendgate:policy`.
pub const WIT: &str = include_str!("../wit/policy.wit");

/// The contract's version, as the WIT package declares it.
pub const VERSION: &str = "0.1.0";

#[cfg(test)]
mod tests {
    use super::{VERSION, WIT};

    #[test]
    fn the_version_is_the_one_the_wit_package_declares() {
        let declared = WIT
            .lines()
            .find_map(|line| line.strip_prefix("package sendgate:policy@")?.strip_suffix(';'));
        assert_eq!(declared, Some(VERSION));
    }
}
