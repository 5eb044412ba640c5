//! Bodies as the official SDKs put them on the wire, with what they ask for.

/// What Plivo is to receive of one recipient's message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sent<'a> {
    pub(super) src: &'a str,
    pub(super) pool: &'a str,
    pub(super) dst: &'a [&'a str],
    pub(super) text: &'a str,
    pub(super) kind: &'a str,
    pub(super) media_urls: &'a [&'a str],
    /// Whether it has a lifetime, which is a minute.
    pub(super) expiry: bool,
}

const TEXT: Sent<'_> = Sent {
    src: "14150000001",
    pool: "",
    dst: &["14150000002"],
    text: "Hello é €",
    kind: "sms",
    media_urls: &[],
    expiry: false,
};
const JPG: &[&str] = &["https://example.com/a.jpg"];
const TWO: &[&str] = &["14150000002", "14150000003"];
const POOL: &str = "86bbb125-97bb-4d72-89fd-81d5c515b015";

/// Bodies as they stand on the wire, with what they ask for.
pub(super) fn bodies() -> Vec<(&'static str, &'static str, Sent<'static>)> {
    let bulk = Sent { dst: TWO, text: "p", kind: "mms", media_urls: JPG, ..TEXT };
    vec![
        (
            "Python, text",
            r#"{"dst": "+14150000002", "text": "Hello \u00e9 \u20ac", "src": "+14150000001", "type": "sms", "method": "POST", "log": "true", "trackable": false}"#,
            TEXT,
        ),
        (
            "Python, everything",
            r#"{"dst": "+14150000002", "text": "x", "src": "+14150000001", "type": "sms", "url": "https://example.com/cb/", "method": "GET", "log": "false", "trackable": true, "message_expiry": 60}"#,
            Sent { text: "x", expiry: true, ..TEXT },
        ),
        (
            "Python, media",
            r#"{"dst": "+14150000002", "text": "pic", "src": "+14150000001", "type": "mms", "method": "POST", "log": "true", "trackable": false, "media_urls": ["https://example.com/a.jpg", "https://example.com/b.png"], "media_ids": ["801c2056-33ab-499c-80ef-58b574a462a2"]}"#,
            Sent {
                text: "pic",
                kind: "mms",
                media_urls: &["https://example.com/a.jpg", "https://example.com/b.png"],
                ..TEXT
            },
        ),
        (
            "Python, bulk",
            r#"{"dst": "14150000002<14150000003", "text": "b", "src": "14150000001", "type": "sms", "method": "POST", "log": "true", "trackable": false}"#,
            Sent { dst: TWO, text: "b", ..TEXT },
        ),
        (
            "Python, pool",
            r#"{"dst": "14150000002", "text": "x", "type": "sms", "method": "POST", "log": "true", "trackable": false, "powerpack_uuid": "86bbb125-97bb-4d72-89fd-81d5c515b015"}"#,
            Sent { src: "", pool: POOL, text: "x", ..TEXT },
        ),
        (
            "Node, text",
            "{\"src\":\"+14150000001\",\"dst\":\"+14150000002\",\"text\":\"Hello é €\"}",
            TEXT,
        ),
        (
            "Node, everything",
            r#"{"url":"https://example.com/cb/","method":"GET","log":"false","trackable":true,"message_expiry":60,"src":"+14150000001","dst":"+14150000002","text":"x"}"#,
            Sent { text: "x", expiry: true, ..TEXT },
        ),
        (
            "Node, media",
            r#"{"type":"mms","media_urls":["https://example.com/a.jpg"],"media_ids":["801c2056-33ab-499c-80ef-58b574a462a2"],"src":"+14150000001","dst":"+14150000002","text":"pic"}"#,
            Sent { text: "pic", kind: "mms", media_urls: JPG, ..TEXT },
        ),
        (
            "Node, pool",
            r#"{"dst":"14150000002","text":"x","powerpack_uuid":"86bbb125-97bb-4d72-89fd-81d5c515b015"}"#,
            Sent { src: "", pool: POOL, text: "x", ..TEXT },
        ),
        (
            "Go, text",
            "{\"src\":\"+14150000001\",\"dst\":\"+14150000002\",\"text\":\"Hello é € \\u003cb\\u003e\\u0026\"}\n",
            Sent { text: "Hello é € <b>&", ..TEXT },
        ),
        (
            "Go, media",
            "{\"src\":\"+14150000001\",\"dst\":\"+14150000002\",\"text\":\"p\",\"type\":\"mms\",\"url\":\"https://example.com/cb/\",\"method\":\"GET\",\"trackable\":true,\"log\":false,\"media_urls\":[\"https://example.com/a.jpg\"],\"message_expiry\":60}\n",
            Sent { text: "p", kind: "mms", media_urls: JPG, expiry: true, ..TEXT },
        ),
        (
            "Ruby, text",
            "{\"src\":\"+14150000001\",\"text\":\"Hello é €\",\"powerpack_uuid\":null,\"dst\":\"+14150000002\"}",
            TEXT,
        ),
        (
            "Ruby, bulk",
            r#"{"src":"14150000001","text":"p","powerpack_uuid":null,"dst":"14150000002<14150000003","type":"mms","url":"https://example.com/cb/","method":"POST","log":"false","message_expiry":60,"trackable":true,"media_urls":["https://example.com/a.jpg"]}"#,
            Sent { expiry: true, ..bulk },
        ),
        (
            "PHP, text",
            r#"{"dst":"+14150000002","src":"+14150000001","text":"Hello \u00e9 \u20ac"}"#,
            TEXT,
        ),
        (
            "PHP, bulk",
            r#"{"dst":"14150000002<14150000003","type":"mms","media_urls":["https:\/\/example.com\/a.jpg"],"url":"https:\/\/example.com\/cb\/","log":false,"src":"14150000001","text":"p"}"#,
            bulk,
        ),
        (
            "PHP, pool",
            r#"{"dst":"14150000002","powerpackUUID":"86bbb125-97bb-4d72-89fd-81d5c515b015","powerpack_uuid":"86bbb125-97bb-4d72-89fd-81d5c515b015","text":"x"}"#,
            Sent { src: "", pool: POOL, text: "x", ..TEXT },
        ),
        (
            "Java, text",
            "{\"text\":\"Hello é \
             €\",\"method\":\"POST\",\"log\":\"true\",\"src\":\"+14150000001\",\"dst\":\"+14150000002\"}",
            TEXT,
        ),
        (
            "Java, bulk",
            r#"{"text":"p","type":"MMS","url":"https://example.com/cb/","method":"POST","log":"false","media_urls":["https://example.com/a.jpg"],"src":"14150000001","dst":"14150000002<14150000003"}"#,
            bulk,
        ),
        (
            ".NET, text",
            "{\"src\":\"+14150000001\",\"dst\":\"+14150000002\",\"text\":\"Hello é €\",\"log\":\"\"}",
            TEXT,
        ),
        (
            ".NET, bulk",
            r#"{"src":"14150000001","dst":"14150000002<14150000003","text":"p","type":"mms","url":"https://example.com/cb/","log":"false","trackable":true,"media_urls":["https://example.com/a.jpg"]}"#,
            bulk,
        ),
    ]
}
