//! What the rules make of media.

use super::{HostClass, MediaFacts};
use crate::{Fault, limits};

/// Which media URLs may be sent. The default is what Plivo can fetch and a carrier can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRules {
    /// Ports that may be fetched from: the two of the web and their usual stand-ins.
    pub ports: Vec<u16>,
    /// Refuse plain `http`.
    pub https_only: bool,
    /// Take public address literals. Names can be checked and revoked; literals cannot.
    pub allow_public_literals: bool,
    /// File extensions of pages, in lower case: Plivo wants the file itself.
    pub denied_extensions: Vec<String>,
}

impl Default for MediaRules {
    fn default() -> Self {
        let pages = [
            "html", "htm", "xhtml", "shtml", "mhtml", "php", "phtml", "asp", "aspx", "jsp", "jspx",
            "cfm", "cgi",
        ];
        Self {
            ports: vec![80, 443, 8080, 8443],
            https_only: false,
            allow_public_literals: false,
            denied_extensions: pages.map(str::to_owned).to_vec(),
        }
    }
}

/// The first thing that `rules` hold against a media URL: `url.scheme`, `url.ip_private`, `url.ip_literal`,
/// `url.host_private`, `url.port` or `url.not_media`.
pub fn media_faults(media: &MediaFacts, pointer: &str, rules: &MediaRules) -> Option<Fault> {
    let (code, detail) = match media.host_class {
        _ if rules.https_only && media.scheme != "https" => {
            ("url.scheme", "is not https, which is required here")
        }
        HostClass::PrivateAddress => {
            ("url.ip_private", "names a private or reserved address; Plivo needs a public host")
        }
        HostClass::PublicAddress if !rules.allow_public_literals => {
            ("url.ip_literal", "names an address; give a public host name")
        }
        HostClass::PrivateName => (
            "url.host_private",
            "names a host that only a private network knows; Plivo needs a public one",
        ),
        _ if !rules.ports.contains(&media.port) => {
            ("url.port", "names a port that media may not be fetched from")
        }
        _ if rules.denied_extensions.contains(&media.extension) => {
            ("url.not_media", "names a page; link to the file itself")
        }
        HostClass::Public | HostClass::PublicAddress => return None,
    };
    Some(Fault::new(pointer, code, detail))
}

/// `media.too_many` above Plivo's ten, URLs and ids together; it points at the list that went over.
pub fn media_count_fault(urls: usize, ids: usize) -> Option<Fault> {
    let (count, most) = (urls + ids, limits::MEDIA);
    (count > most).then(|| {
        let pointer = if urls > most || ids == 0 { "/media_urls" } else { "/media_ids" };
        let detail = format!(
            "brings the media to {count}; Plivo takes at most {most}, URLs and ids together"
        );
        Fault::new(pointer, "media.too_many", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(host_class: HostClass) -> MediaFacts {
        let host = "cdn.example.com".to_owned();
        MediaFacts {
            scheme: "http".into(),
            host,
            port: 80,
            extension: "jpg".into(),
            host_class,
            probe: None,
        }
    }

    fn code(media: &MediaFacts, rules: &MediaRules) -> Option<String> {
        media_faults(media, "/media_urls/3", rules).map(|fault| {
            assert_eq!(fault.pointer, "/media_urls/3");
            fault.code
        })
    }

    #[test]
    fn the_default_takes_public_names_on_web_ports() {
        let rules = MediaRules::default();
        for (class, expected) in [
            (HostClass::Public, None),
            (HostClass::PrivateName, Some("url.host_private")),
            (HostClass::PrivateAddress, Some("url.ip_private")),
            (HostClass::PublicAddress, Some("url.ip_literal")),
        ] {
            assert_eq!(code(&media(class), &rules).as_deref(), expected, "{class:?}");
        }
        for (port, expected) in
            [(80, None), (443, None), (8080, None), (8443, None), (22, Some("url.port"))]
        {
            assert_eq!(
                code(&MediaFacts { port, ..media(HostClass::Public) }, &rules).as_deref(),
                expected
            );
        }
        let page = MediaFacts { extension: "html".into(), ..media(HostClass::Public) };
        assert_eq!(code(&page, &rules).as_deref(), Some("url.not_media"));
    }

    #[test]
    fn an_operator_can_widen_and_narrow_but_never_let_private_hosts_in() {
        let wide = MediaRules {
            allow_public_literals: true,
            ports: (0..=u16::MAX).collect(),
            ..Default::default()
        };
        assert_eq!(code(&media(HostClass::PublicAddress), &wide), None);
        assert_eq!(
            code(&media(HostClass::PrivateAddress), &wide).as_deref(),
            Some("url.ip_private")
        );
        assert_eq!(
            code(&media(HostClass::PrivateName), &wide).as_deref(),
            Some("url.host_private")
        );
        let narrow = MediaRules { https_only: true, ..Default::default() };
        assert_eq!(code(&media(HostClass::Public), &narrow).as_deref(), Some("url.scheme"));
        let https = MediaFacts { scheme: "https".into(), ..media(HostClass::Public) };
        assert_eq!(code(&https, &narrow), None);
    }

    #[test]
    fn a_public_literal_that_is_allowed_still_needs_a_port_and_a_file() {
        let rules = MediaRules { allow_public_literals: true, ..Default::default() };
        let odd_port = MediaFacts { port: 22, ..media(HostClass::PublicAddress) };
        assert_eq!(code(&odd_port, &rules).as_deref(), Some("url.port"));
    }

    #[test]
    fn ten_media_are_the_most_urls_and_ids_together() {
        assert_eq!(media_count_fault(10, 0), None);
        assert_eq!(media_count_fault(5, 5), None);
        assert_eq!(media_count_fault(11, 0).unwrap().pointer, "/media_urls");
        assert_eq!(media_count_fault(6, 5).unwrap().pointer, "/media_ids");
        assert_eq!(media_count_fault(6, 5).unwrap().code, "media.too_many");
    }
}
