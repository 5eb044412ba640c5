use crate::config::testing::{assert_faults, config_of, warnings_of};

#[test]
fn without_the_section_the_documented_defaults_hold() {
    let listen = config_of("").fixed.listen;
    let apps: Vec<String> = listen.apps.iter().map(ToString::to_string).collect();
    assert_eq!(apps, ["127.0.0.1:8787"]);
    assert_eq!(listen.admin.to_string(), "127.0.0.1:8788");
    assert_eq!((listen.callbacks, listen.hosts), (None, Vec::new()));
    assert_eq!((listen.max_body_bytes, listen.max_header_bytes), (65_536, 16_384));
    assert_eq!(
        (listen.header_timeout.as_millis(), listen.body_timeout.as_millis()),
        (5_000, 10_000)
    );
    assert_eq!((listen.max_connections, listen.drain.as_secs()), (1_024, 25));
}

#[test]
fn a_list_of_addresses_is_taken_and_sockets_lie_beside_the_file() {
    let toml = "[listen]\napps = [\"[::1]:0\", \"127.0.0.1:0\", \"unix:run/apps.sock\"]\n\
                callbacks = \"0.0.0.0:8789\"\ncallbacks_url = \"https://sms.example.com/\"\ncallbacks_v2 = true\n\
                hosts = \"SMS.internal:8787\"\nmax_body_bytes = 65_537";
    let listen = config_of(toml).fixed.listen;
    let [_, _, socket] = &listen.apps[..] else { panic!("three addresses: {:?}", listen.apps) };
    let socket = socket.to_string();
    assert!(socket.starts_with("unix:/") && socket.ends_with("/run/apps.sock"), "{socket}");
    let callbacks = listen.callbacks.unwrap();
    assert_eq!((callbacks.url.as_str(), callbacks.v2_alone), ("https://sms.example.com", true));
    assert_eq!((listen.hosts, listen.max_body_bytes), (vec!["sms.internal:8787".into()], 65_537));
}

#[test]
fn addresses_that_cannot_be_listened_on_are_faults() {
    let long = format!("[listen]\napps = \"unix:{}\"", "x".repeat(108));
    assert_faults(&[
        (
            "[listen]\napps = \"localhost:1\"",
            &["sidecar.toml:2:8: listen.apps: is not an address; write IP:PORT"],
        ),
        (
            "[listen]\napps = []",
            &["sidecar.toml:2:8: listen.apps: is empty; leave the key out instead"],
        ),
        (
            "[listen]\napps = [\"127.0.0.1:1\", 8]",
            &["sidecar.toml:2:24: listen.apps[1]: is an integer; give a string"],
        ),
        (
            "[listen]\nadmin = \"127.0.0.1:8787:\"",
            &["sidecar.toml:2:9: listen.admin: is not an address"],
        ),
        ("[listen]\nadmin = \"unix:\"", &["sidecar.toml:2:9: listen.admin: needs a path"]),
        (&long, &["sidecar.toml:2:8: listen.apps: needs a path of 1 to 107 bytes"]),
        (
            "[listen]\napps = \"127.0.0.1:9\"\nadmin = \"127.0.0.1:9\"",
            &["sidecar.toml:3:9: listen.admin: is the address of listen.apps too"],
        ),
        (
            "[listen]\napps = \"127.0.0.1:9\"\nadmin = \"0.0.0.0:9\"",
            &["sidecar.toml:3:9: listen.admin: takes in the address of listen.apps too"],
        ),
        (
            "[listen]\napps = [\"[::]:9\", \"127.0.0.1:9\"]",
            &["sidecar.toml:2:19: listen.apps[1]: takes in the address of listen.apps[0] too"],
        ),
        // What nobody wrote is listened on as well.
        (
            "[listen]\nadmin = \"127.0.0.1:8787\"",
            &["sidecar.toml:2:9: listen.admin: is the address of listen.apps too"],
        ),
        (
            "[listen]\napps = \"0.0.0.0:8788\"",
            &[
                "sidecar.toml:2:8: listen.apps: takes in 127.0.0.1:8788, where listen.admin is by default",
            ],
        ),
        (
            "[listen]\ncallbacks = \"0.0.0.0:8788\"\ncallbacks_url = \"https://a.b\"",
            &["sidecar.toml:2:13: listen.callbacks: takes in the address of listen.admin too"],
        ),
    ]);
}

#[test]
fn callbacks_need_their_address_and_their_url() {
    assert_faults(&[
        (
            "[listen]\ncallbacks = \"127.0.0.1:1\"",
            &["sidecar.toml:2:13: listen.callbacks: needs `callbacks_url`"],
        ),
        (
            "[listen]\ncallbacks_url = \"https://a.b\"",
            &["sidecar.toml:2:17: listen.callbacks_url: needs `callbacks`"],
        ),
        (
            "[listen]\ncallbacks = \"127.0.0.1:1\"\ncallbacks_url = \"a.b\"",
            &["sidecar.toml:3:17: listen.callbacks_url: is not an absolute http or https URL"],
        ),
        (
            "[listen]\ncallbacks = \"127.0.0.1\"",
            &[
                "sidecar.toml:2:13: listen.callbacks: is not an address",
                "sidecar.toml:2:13: listen.callbacks: needs `callbacks_url`",
            ],
        ),
        (
            "[listen]\ncallbacks_url = \"a.b\"",
            &[
                "sidecar.toml:2:17: listen.callbacks_url: is not an absolute http or https URL",
                "sidecar.toml:2:17: listen.callbacks_url: needs `callbacks`",
            ],
        ),
    ]);
}

#[test]
fn limits_out_of_range_are_faults() {
    assert_faults(&[
        (
            "[listen]\nmax_body_bytes = 0",
            &[
                "sidecar.toml:2:18: listen.max_body_bytes: is 0; give a whole number from 1 to 16777216",
            ],
        ),
        (
            "[listen]\nmax_header_bytes = 100",
            &["sidecar.toml:2:20: listen.max_header_bytes: is 100; give"],
        ),
        (
            "[listen]\nheader_timeout_ms = -5",
            &["sidecar.toml:2:21: listen.header_timeout_ms: is -5; give"],
        ),
        (
            "[listen]\nbody_timeout_ms = 1.5",
            &["sidecar.toml:2:19: listen.body_timeout_ms: is a float; give"],
        ),
        (
            "[listen]\nmax_connections = 99999999999999999999",
            &["sidecar.toml:2:19: listen.max_connections: is 9999"],
        ),
        (
            "[listen]\nsocket_mode = \"rw\"",
            &["sidecar.toml:2:15: listen.socket_mode: is no mode of a file"],
        ),
        (
            "[listen]\nsocket_mode = \"1777\"",
            &["sidecar.toml:2:15: listen.socket_mode: is no mode of a file"],
        ),
        (
            "[listen]\ndrain_s = \"25\"",
            &["sidecar.toml:2:11: listen.drain_s: is a string; give a whole number"],
        ),
        (
            "[listen]\nhosts = [\"a b\", \"u@h\", \"*.internal\", \"a:99999\"]",
            &[
                "sidecar.toml:2:10: listen.hosts[0]: is not a host",
                "sidecar.toml:2:17: listen.hosts[1]: is not a host",
                "sidecar.toml:2:24: listen.hosts[2]: is not a host",
                "sidecar.toml:2:38: listen.hosts[3]: is not a host",
            ],
        ),
    ]);
}

#[test]
fn what_other_machines_can_reach_or_read_is_a_warning() {
    let toml = "[listen]\napps = \"0.0.0.0:1\"\nadmin = \"10.0.0.1:2\"\ncallbacks = \"[::]:3\"\n\
                callbacks_url = \"http://a.b\"";
    let warnings = warnings_of(toml);
    let wanted = [
        "2:8: listen.apps: can be reached",
        "3:9: listen.admin: can be reached",
        "4:13: listen.callbacks: can be reached",
        "5:17: listen.callbacks_url: is plain http",
    ];
    assert_eq!(warnings.len(), wanted.len(), "{warnings:#?}");
    for (warning, wanted) in warnings.iter().zip(wanted) {
        assert!(warning.starts_with(&format!("sidecar.toml:{wanted}")), "{wanted}: {warnings:#?}");
    }
}

#[test]
fn callbacks_over_https_or_from_this_machine_are_no_warning_and_v2_without_them_is() {
    for url in ["https://a.b", "http://127.0.0.1:3"] {
        let toml = format!("[listen]\ncallbacks = \"127.0.0.1:3\"\ncallbacks_url = \"{url}\"");
        assert_eq!(warnings_of(&toml), Vec::<String>::new(), "for {url}");
    }
    let warnings = warnings_of("[listen]\ncallbacks_v2 = true");
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("sidecar.toml:2:16: listen.callbacks_v2: is of no use"),
        "{warnings:#?}"
    );
}

#[test]
fn the_operators_token_is_read_and_may_change_by_a_reload() {
    let (none, one) = (config_of(""), config_of("[listen]\nadmin_token = \"operator\""));
    assert_eq!(none.reloadable.admin_token, None);
    assert!(one.reloadable.admin_token.is_some_and(|token| token.matches(b"operator")));
    assert_eq!(none.fixed.differences(&one.fixed), [""; 0]);
}
