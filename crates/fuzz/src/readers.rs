//! The readers of the crates below the sidecar, and what holds of all that they read.

use std::sync::{Arc, LazyLock};

use message::{E164, Encoding, MediaUrl, Segments, Sender, facts};
use plivo_client::AuthToken;
use plivo_client::signature::{Callback, verify};
use policy_host::{PolicyName, PolicyRuntime, PolicySource, RuntimeOptions};
use store::MemoryLedger;
use tokio::runtime::{Builder, Runtime};

/// Of SMS: most septets and UTF-16 units of one part, alone and among others (3GPP TS 23.040, 9.2.3.24.1).
const GSM7: (u32, u32) = (160, 153);
const UCS2: (u32, u32) = (70, 67);

/// A phone number, read strictly and leniently, and a sender. What is read once is read again as the same.
pub(crate) fn number(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(number) = E164::parse(text, "/to") {
        assert_eq!(number.as_str(), text, "a strict number is another");
        drop(facts::number(&number));
    }
    if let Ok((number, _)) = E164::parse_lenient(text, "/to") {
        assert_eq!(E164::parse(number.as_str(), "/to").as_ref(), Ok(&number), "it is no number");
    }
    if let Ok(sender) = Sender::parse(text, "/from") {
        assert_eq!(sender.as_str(), text, "a sender is another");
    }
}

/// A text in parts. Their number follows from its length.
pub(crate) fn text(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Segments { encoding, units, count, ucs2_offsets } = Segments::of(text);
    let (alone, among) = match encoding {
        Encoding::Gsm7 => GSM7,
        Encoding::Ucs2 => UCS2,
    };
    assert_eq!(count == 1, units <= alone, "{units} units in {count} parts");
    // A character of two units is not cut, so that parts may be one short.
    let (most, least) = (units.div_ceil(among - 1), units.div_ceil(among));
    assert!(count == 1 || (least..=most).contains(&count), "{units} units in {count} parts");
    assert_eq!(encoding == Encoding::Ucs2, !ucs2_offsets.is_empty(), "what forced it is not told");
    for at in ucs2_offsets {
        assert!(text.is_char_boundary(at as usize), "{at} is within a character");
    }
}

/// A media URL. As it is kept it is read as the same, with the same facts.
pub(crate) fn url(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok((url, facts)) = MediaUrl::parse(text, "/media_urls/0") else { return };
    let again = MediaUrl::parse(url.as_str(), "/media_urls/0");
    assert_eq!(again, Ok((url, facts)), "as it is kept it is another");
}

/// A callback: lines with its URL, its headers and its parameters, `name=value`. Nobody who has not the token signs.
pub(crate) fn signature(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (url, v3, v2, nonce) = (line(), line(), line(), line());
    let param = |line: &str| line.split_once('=').map(|(name, value)| (name.into(), value.into()));
    let params: Vec<(String, String)> = lines.filter_map(param).collect();
    let tokens = [AuthToken::parse("a-token-that-nobody-knows").expect("it is one")];
    for method in ["POST", "GET"] {
        let callback = Callback {
            method,
            url,
            params: &params,
            v3: Some(v3),
            ma_v3: None,
            v3_nonce: Some(nonce),
            v2: Some(v2),
            ma_v2: None,
            v2_nonce: Some(nonce),
        };
        assert!(verify(&tokens, &callback, true).is_err(), "signed by whoever wrote this");
    }
}

/// A module: a component, or a core module that is made one, to its manifest.
pub(crate) fn module(bytes: &[u8]) {
    static HOST: LazyLock<(Runtime, PolicyRuntime)> = LazyLock::new(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let host = PolicyRuntime::new(RuntimeOptions::new(Arc::new(MemoryLedger::default())));
        (runtime, host.expect("a host"))
    });
    let (runtime, host) = &*HOST;
    let source = PolicySource::new(PolicyName::new("it"), bytes);
    if let Err(error) = runtime.block_on(host.load(&source)) {
        assert!(!error.to_string().is_empty(), "refused for nothing");
    }
}

/// Cases of a policy, TOML or JSON Lines.
pub(crate) fn cases(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Err(error) = policy_cases::parse(text) {
        assert!(!error.to_string().is_empty(), "refused for nothing");
    }
}
