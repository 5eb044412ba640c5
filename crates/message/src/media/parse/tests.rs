use proptest::prelude::*;

use super::*;
use crate::facts::{MediaRules, media_faults};

/// The verdict of reading and judging by the reference profile: a fault's code, or the normalised URL.
fn verdict(raw: &str) -> Result<String, String> {
    let (url, facts) = MediaUrl::parse(raw, "/media_urls/0").map_err(|fault| fault.code)?;
    match media_faults(&facts, "/media_urls/0", &MediaRules::default()) {
        Some(fault) => Err(fault.code),
        None => Ok(url.as_str().to_owned()),
    }
}

fn assert_refused(code: &str, urls: &[&str]) {
    for raw in urls {
        assert_eq!(verdict(raw), Err(code.to_owned()), "{raw:?}");
    }
}

#[test]
fn public_urls_pass_as_they_are() {
    for raw in [
        "https://cdn.example.com/a.jpg",
        "http://cdn.example.com/a.jpg",
        "https://cdn.example.com:8443/a",
        "https://cdn.example.com/a.jpg?X-Amz-Signature=abc&X-Amz-Expires=60",
        "https://cdn.example.com/a%20b.jpg?to=http://10.0.0.1/&u=x@y",
        "https://xn--bcher-kva.example.com/a.jpg",
        "https://cdn.example.com/@me/a.jpg",
    ] {
        assert_eq!(verdict(raw).as_deref(), Ok(raw));
    }
}

#[test]
fn spellings_that_all_parsers_read_alike_are_normalised() {
    for (raw, normal) in [
        ("https://cdn.example.com/a.jpg#x", "https://cdn.example.com/a.jpg"),
        ("https://bücher.example.com/a.jpg", "https://xn--bcher-kva.example.com/a.jpg"),
        ("HtTpS://CDN.Example.COM/A.jpg", "https://cdn.example.com/A.jpg"),
        ("https://cdn.example.com./a.jpg", "https://cdn.example.com/a.jpg"),
        ("https://cdn.example.com.:8443/a.jpg", "https://cdn.example.com:8443/a.jpg"),
        ("https://cdn.example.com", "https://cdn.example.com/"),
        ("https://cdn.example.com:/a.jpg", "https://cdn.example.com/a.jpg"),
        ("https://cdn.example.com:00443/a.jpg", "https://cdn.example.com/a.jpg"),
        ("http://cdn.example.com:0000000080/a.jpg", "http://cdn.example.com/a.jpg"),
        ("https://ｃｄｎ.example。com/a.jpg", "https://cdn.example.com/a.jpg"),
        ("https://%63dn.example.com/a.jpg", "https://cdn.example.com/a.jpg"),
        ("https://cdn.example.com/x/../a.jpg", "https://cdn.example.com/a.jpg"),
        ("https://cdn.example.com/ü.jpg", "https://cdn.example.com/%C3%BC.jpg"),
    ] {
        assert_eq!(verdict(raw).as_deref(), Ok(normal), "{raw}");
    }
}

#[test]
fn other_schemes_are_refused_as_such() {
    assert_refused(
        "url.scheme",
        &[
            "ftp://cdn.example.com/a.jpg",
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "data:image/png;base64,AA==",
            "file:///etc/passwd",
            "gopher://cdn.example.com/",
            "httpss://cdn.example.com/",
            "ws://cdn.example.com/",
            "blob:https://cdn.example.com/1",
            "mailto:a@example.com",
        ],
    );
}

#[test]
fn what_parsers_would_repair_is_malformed() {
    assert_refused(
        "url.malformed",
        &[
            "",
            "https",
            "https:",
            "https:/",
            "https://",
            "https:cdn.example.com/a.jpg",
            "https:/cdn.example.com/a.jpg",
            "https:///cdn.example.com/a.jpg",
            "https:////cdn.example.com/a.jpg",
            "//cdn.example.com/a.jpg",
            "cdn.example.com/a.jpg",
            "cdn.example.com:443/a.jpg",
            "/a.jpg",
            ":",
            "://cdn.example.com",
            "1http://a.example.com/",
            "https://?x",
            "https://#x",
            "https://:443/a.jpg",
            "https://cdn.example.com:99999/a.jpg",
            "https://cdn.example.com:65536/",
            "https://cdn.example.com:-1/",
            "https://cdn.example.com:4x/",
            "https://cdn.example.com:443:443/",
            "https://256.256.256.256/a.jpg",
            "https://1.2.3.4.5/a.jpg",
            "https://cdn..example.com/a.jpg",
            "https://.example.com/a.jpg",
            "https://cdn.example.com../a.jpg",
            "https://./a.jpg",
            "http://[::1/a.jpg",
            "http://[]/a.jpg",
            "http://[fe80::1%25eth0]/a.jpg",
            "http://[fe80::1%eth0]/a.jpg",
            "http://[1.2.3.4]/",
            "http://::1/a.jpg",
            "https://cdn.exa|mple.com/",
            "https://cdn.exa<mple.com/",
            "https://xn--a.example.com/",
            "https://%00.example.com/",
            "https://cdn.example%2fcom/a.jpg",
            "https://cdn%40example.com/a.jpg",
        ],
    );
    assert_refused("url.malformed", &[&format!("https://{}.example.com/a.jpg", "a".repeat(64))]);
    assert_refused("url.malformed", &[&format!("https://{}com/a.jpg", "abcdefg.".repeat(32))]);
}

#[test]
fn hidden_characters_and_backslashes_are_refused_in_the_raw_text() {
    assert_refused(
        "url.control_char",
        &[
            " https://cdn.example.com/a.jpg",
            "https://cdn.example.com/a.jpg ",
            "https://cdn.exa\nmple.com/a.jpg",
            "https://cdn.example.com/a\tb.jpg",
            "ht\rtps://cdn.example.com/",
            "\0https://cdn.example.com/",
            "https://cdn.example.com/a b.jpg",
            "https://cdn.example.com/\u{7f}",
            "https://cdn.example.com/\u{85}",
            "https://cdn.exa\u{ad}mple.com/a.jpg",
            "https://cdn.exa\u{200b}mple.com/",
            "https://cdn.example.com/\u{a0}",
            "\u{feff}https://cdn.example.com/",
            "https://cdn.example.com/\u{202e}gpj.a",
            " ",
            "java\nscript:alert(1)",
            "http:\\\\127.0.0.1\\ a.jpg",
        ],
    );
    assert_refused(
        "url.backslash",
        &[
            "http:\\\\127.0.0.1\\a.jpg",
            "https:\\\\cdn.example.com/",
            "https://cdn.example.com\\@127.0.0.1/",
            "https://cdn.example.com/a\\b.jpg",
        ],
    );
}

#[test]
fn userinfo_is_refused_even_where_parsers_drop_it() {
    assert_refused(
        "url.userinfo",
        &[
            "https://good.com@127.0.0.1/a.jpg",
            "https://user:pass@cdn.example.com/a.jpg",
            "https://@cdn.example.com/",
            "https://:@cdn.example.com/",
            "https://a@b@cdn.example.com/",
            "https://user@[::1]/",
        ],
    );
}

#[test]
fn two_thousand_and_forty_eight_bytes_are_the_most() {
    let of_bytes = |bytes: usize| format!("https://cdn.example.com/{}", "a".repeat(bytes - 24));
    assert_eq!(verdict(&of_bytes(2048)), Ok(of_bytes(2048)));
    assert_refused("url.too_long", &[&of_bytes(2049)]);
    let grows = format!("https://cdn.example.com/{}", "ü".repeat(600));
    assert!(grows.len() < 2048);
    assert_refused("url.too_long", &[&grows]);
}

#[test]
fn literals_are_judged_by_their_value_in_every_spelling() {
    assert_refused(
        "url.ip_private",
        &[
            "http://127.0.0.1/a.jpg",
            "http://127.0.0.1./a.jpg",
            "http://2130706433/a.jpg",
            "http://0x7f000001/a.jpg",
            "http://0X7F.1/a.jpg",
            "http://0177.0.0.1/a.jpg",
            "http://127.1/a.jpg",
            "http://①②⑦.⓪.⓪.①/a.jpg",
            "http://127。0。0。1/a.jpg",
            "https://%31%32%37.0.0.1/a.jpg",
            "http://0300.0250.1.1/a.jpg",
            "http://192.168.257/a.jpg",
            "http://10.0.0.5/a.jpg",
            "http://172.16.0.1/a.jpg",
            "http://0/a.jpg",
            "http://0x/a.jpg",
            "http://169.254.169.254/latest/meta-data",
            "http://198.18.0.1/a.jpg",
            "http://[::1]/a.jpg",
            "http://[::]/a.jpg",
            "http://[::ffff:127.0.0.1]/a.jpg",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/a.jpg",
            "http://[2002:7f00:1::]/",
            "http://[2001::1]/",
            "http://[FC00::1]/a.jpg",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://[2001:db8::1]/",
            "http://127.0.0.1#@good.com/a.jpg",
            "http://127.0.0.1?@good.com",
            "http://127.0.0.1:22/index.html",
            "http://１２７.0.0.1/",
            "http://127.0.0.1%2e/",
        ],
    );
    assert_refused(
        "url.ip_literal",
        &[
            "https://93.184.216.34/a.jpg",
            "https://1572395042/",
            "https://[2606:4700::1111]/",
            "https://[::ffff:93.184.216.34]/",
        ],
    );
}

#[test]
fn private_names_are_refused_in_every_spelling() {
    assert_refused(
        "url.host_private",
        &[
            "http://localhost/a.jpg",
            "http://localhost./a.jpg",
            "http://LOCALHOST:8080/",
            "http://foo.localhost/a.jpg",
            "https://example/a.jpg",
            "https://printer.local/a.jpg",
            "https://printer.local./a.jpg",
            "https://metadata.google.internal/a.jpg",
            "https://ｌｏｃａｌｈｏｓｔ/",
            "https://%6cocalhost/",
            "https://a.home.arpa/",
            "https://x.onion/",
            "https://x.test/",
            "https://x.invalid/",
            "https://nas.lan/",
            "https://x.corp/",
            "https://x.home/",
        ],
    );
}

#[test]
fn ports_and_pages_are_judged_after_the_host() {
    assert_refused(
        "url.port",
        &[
            "https://cdn.example.com:22/a.jpg",
            "https://cdn.example.com:0/a.jpg",
            "https://cdn.example.com:65535/a.html",
        ],
    );
    assert_refused(
        "url.not_media",
        &[
            "https://cdn.example.com/index.html",
            "https://cdn.example.com/INDEX.HTM",
            "https://cdn.example.com/a.php?x=a.jpg",
            "https://cdn.example.com/a.asp",
            "https://cdn.example.com/index.%68tml",
            "https://cdn.example.com/a.jsp;id=a.jpg",
            "https://cdn.example.com/index.html.",
            "https://cdn.example.com/a.jpg.html#a.jpg",
        ],
    );
}

#[test]
fn extensions_are_those_of_the_last_segment() {
    for (path, extension) in [
        ("a.jpg", "jpg"),
        ("A.JPeG", "jpeg"),
        ("a", ""),
        ("", ""),
        ("x.html/", ""),
        ("x.html/a.png", "png"),
        (".png", "png"),
        ("a.tar.gz", "gz"),
        ("a.", ""),
        ("a.p-q", ""),
        ("a.%6ap%67", "jpg"),
        ("a%2ejpg", "jpg"),
        ("a.%", ""),
        ("a.jpg%00.html", "html"),
    ] {
        let (_, facts) = MediaUrl::parse(&format!("https://cdn.example.com/{path}"), "").unwrap();
        assert_eq!(facts.extension, extension, "{path}");
    }
}

proptest! {
    #[test]
    fn a_normalised_url_reads_the_same_again(
        host in "[a-zA-Z0-9ü.。%-]{1,30}", path in "[a-zA-Z0-9/.%;@:é?&=#]{0,40}", port in "(:[0-9]{0,6})?",
    ) {
        if let Ok((url, facts)) = MediaUrl::parse(&format!("https://{host}{port}/{path}"), "") {
            let again = MediaUrl::parse(url.as_str(), "");
            prop_assert_eq!(again, Ok((url, facts)));
        }
    }

    #[test]
    fn no_text_whatever_panics(raw in "\\PC{0,60}|https?:\\PC{0,60}|https?://[0-9a-fx.:\\[\\]%@]{0,40}") {
        drop(MediaUrl::parse(&raw, ""));
    }

    #[test]
    fn no_ipv4_spelling_hides_a_private_address(a in any::<u8>(), b in any::<u8>(), low in any::<u16>()) {
        let whole = u32::from(a) << 24 | u32::from(b) << 16 | u32::from(low);
        let plain = verdict(&format!("http://{}/", std::net::Ipv4Addr::from_bits(whole)));
        for spelling in [
            format!("{whole}"), format!("{whole:#x}"), format!("0{whole:o}"), format!("{a}.{}", whole & 0xff_ffff),
            format!("{a}.{b}.{low}"), format!("{a:#x}.0{b:o}.{low}"),
            format!("[::ffff:{}]", std::net::Ipv4Addr::from_bits(whole)), format!("[64:ff9b::{:x}:{low:x}]", whole >> 16),
        ] {
            prop_assert_eq!(&verdict(&format!("http://{spelling}/")), &plain, "{}", spelling);
        }
    }
}
