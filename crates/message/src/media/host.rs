//! Whether a host can be public, judged on its value, never on its spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::HostClass;

/// Suffixes that public resolvers do not serve.
///
/// Sources: IANA's special-use domain names; ICANN's reservation of `internal` and its refusal to delegate `corp`,
/// `home` and `mail`; names that home and office networks use for themselves.
const PRIVATE_SUFFIXES: [&str; 17] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "lan",
    "home",
    "corp",
    "mail",
    "arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "alt",
    "workgroup",
];

/// IPv4 ranges that are not somebody's public host, as (network, prefix length).
///
/// Source: IANA's IPv4 special-purpose address registry (RFC 6890 and its successors), multicast and class E.
const PRIVATE_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Whether an address can be somebody's public host: it is in no private, reserved or documentation range, and carries
/// no address that is.
pub fn is_public(address: IpAddr) -> bool {
    let class = match address {
        IpAddr::V4(address) => class_of_v4(address),
        IpAddr::V6(address) => class_of_v6(address),
    };
    class == HostClass::PublicAddress
}

/// The class of a name, given in lower case without its root dot.
pub(crate) fn class_of_name(name: &str) -> HostClass {
    let Some((_, last)) = name.rsplit_once('.') else { return HostClass::PrivateName };
    if PRIVATE_SUFFIXES.contains(&last) { HostClass::PrivateName } else { HostClass::Public }
}

/// The class of an IPv4 literal.
pub(crate) fn class_of_v4(address: Ipv4Addr) -> HostClass {
    let within = |(network, prefix): &(Ipv4Addr, u32)| {
        (address.to_bits() ^ network.to_bits()).leading_zeros() >= *prefix
    };
    if PRIVATE_V4.iter().any(within) { HostClass::PrivateAddress } else { HostClass::PublicAddress }
}

/// The class of an IPv6 literal: that of the IPv4 address it carries, or whether it is global unicast.
///
/// Sources: IANA's IPv6 address space (only `2000::/3` is global unicast) and its special-purpose address registry.
pub(crate) fn class_of_v6(address: Ipv6Addr) -> HostClass {
    if let Some(carried) = carried_v4(address) {
        return class_of_v4(carried);
    }
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocol_assignment = first == 0x2001 && second < 0x0200; // Teredo, benchmarks, ORCHID: 2001::/23
    let documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000); // RFC 3849, RFC 9637
    if global && !protocol_assignment && !documentation {
        HostClass::PublicAddress
    } else {
        HostClass::PrivateAddress
    }
}

/// The IPv4 address that a transition mechanism would reach: mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056).
///
/// Compatible addresses (`::/96`) and NAT64's local prefix (RFC 8215) are private whatever they carry.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => {
            Some(low(a, b))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_special_ranges_are_private_to_their_edges() {
        let private = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ];
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "93.184.216.34",
        ];
        for text in private {
            assert_eq!(class_of_v4(text.parse().unwrap()), HostClass::PrivateAddress, "{text}");
        }
        for text in public {
            assert_eq!(class_of_v4(text.parse().unwrap()), HostClass::PublicAddress, "{text}");
        }
    }

    #[test]
    fn ipv6_is_judged_by_what_it_reaches() {
        let private = [
            "::",
            "::1",
            "::7f00:1",
            "::5db8:d822",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.5",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::5db8:d822",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
            "4000::1",
        ];
        let public = [
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2001:4860:4860::8888",
            "::ffff:93.184.216.34",
            "64:ff9b::5db8:d822",
            "2002:5db8:d822::1",
            "2001:200::1",
            "3ffe::1",
        ];
        for text in private {
            assert_eq!(class_of_v6(text.parse().unwrap()), HostClass::PrivateAddress, "{text}");
        }
        for text in public {
            assert_eq!(class_of_v6(text.parse().unwrap()), HostClass::PublicAddress, "{text}");
        }
    }

    #[test]
    fn names_of_private_networks_are_told_by_their_last_label() {
        for name in [
            "localhost",
            "example",
            "foo.localhost",
            "printer.local",
            "metadata.google.internal",
            "a.home.arpa",
        ] {
            assert_eq!(class_of_name(name), HostClass::PrivateName, "{name}");
        }
        for name in [
            "cdn.example.com",
            "local.example.com",
            "internal.de",
            "localhost.example.org",
            "notlocal.net",
        ] {
            assert_eq!(class_of_name(name), HostClass::Public, "{name}");
        }
    }
}
