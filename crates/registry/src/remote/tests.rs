use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oci_client::secrets::RegistryAuth;

use super::{MANIFEST_BYTES, Remote};
use crate::registry::Options;
use crate::{Digest, Reference, RegistryError};

/// What it would send if it were all read; and most of it that may be on its way when somebody has stopped reading.
const WHOLE: usize = 128 << 20;
const ON_ITS_WAY: usize = 32 << 20;

/// A registry that answers every GET with `status` and far too much; how much of it was taken.
fn endless(status: &'static str) -> (Remote, Reference, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = listener.local_addr().expect("an address").to_string();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || drop(answer(&stream, status, &counted)));
        }
    });
    let options = Options {
        plain_http: vec![host.clone()],
        credentials: Default::default(),
        timeout: Duration::from_secs(60),
        most_bytes: 1_000,
        keys: Vec::new(),
        cache: None,
    };
    let reference = Reference::parse(&format!("oci://{host}/words:1")).expect("a reference");
    (Remote::new(&options).expect("a client"), reference, sent)
}

fn answer(mut stream: &TcpStream, status: &str, sent: &AtomicUsize) -> std::io::Result<()> {
    let head = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
    let is_head = head.first().is_some_and(|first| first.starts_with("HEAD"));
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n\r\n")?;
    let some = vec![b' '; 1 << 16];
    while !is_head && sent.load(Ordering::Relaxed) < WHOLE {
        stream.write_all(&some)?;
        sent.fetch_add(some.len(), Ordering::Relaxed);
    }
    Ok(())
}

fn assert_stopped(sent: &AtomicUsize, found: &RegistryError) {
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < MANIFEST_BYTES + ON_ITS_WAY, "{sent} bytes were taken: {found}");
}

#[tokio::test]
async fn a_manifest_is_read_to_its_bound_and_no_further() {
    let (remote, reference, sent) = endless("200 OK");
    let found = remote.manifest(&reference.inner, &RegistryAuth::Anonymous).await;
    let found = found.expect_err("it is too large");
    assert!(matches!(found, RegistryError::NotAModule(_)), "{found}");
    assert_stopped(&sent, &found);
}

#[tokio::test]
async fn a_tag_whose_digest_is_not_said_is_read_to_the_bound_of_a_manifest() {
    let (remote, reference, sent) = endless("200 OK");
    let found = remote.digest(&reference.inner, &RegistryAuth::Anonymous).await;
    assert_stopped(&sent, &found.expect_err("it is too large"));
}

#[tokio::test]
async fn a_module_is_read_to_its_bound_and_no_further() {
    let (remote, reference, sent) = endless("200 OK");
    let (digest, auth) = (Digest::of(b""), RegistryAuth::Anonymous);
    let found = remote.blob(&reference.inner, &auth, digest, 1_000).await;
    let found = found.expect_err("it is too large");
    assert!(matches!(found, RegistryError::TooLarge { most: 1_000 }), "{found}");
    assert_stopped(&sent, &found);
}

#[tokio::test]
async fn what_a_registry_says_to_refuse_is_read_to_its_bound_and_no_further() {
    let (remote, reference, sent) = endless("500 Broken");
    let found = remote.manifest(&reference.inner, &RegistryAuth::Anonymous).await;
    let found = found.expect_err("it refuses");
    assert!(matches!(&found, RegistryError::Refused { why, .. } if why == "status 500"), "{found}");
    assert_stopped(&sent, &found);
}
