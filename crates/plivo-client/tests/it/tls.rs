//! TLS, with a certificate made for these tests and trusted by nobody else.

use std::net::SocketAddr;
use std::sync::Arc;

use plivo_client::{ClientConfig, ClientError, NotSentKind, Outcome, PlivoClient};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::peers::{accept, peer, request};
use crate::{PATIENCE, client, not_sent, send};

/// For 127.0.0.1, from 2020 to 2120.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
/// The key of nobody but this test's peer.
const KEY: &[u8] = include_bytes!("tls/key.pem");

async fn tls_peer() -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    peer(|stream| async move {
        // A client that does not trust this peer ends the handshake.
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        request(&mut stream).await;
        accept(&mut stream).await;
    })
    .await
}

fn trusting(address: SocketAddr, pem: &[u8]) -> Result<PlivoClient, ClientError> {
    PlivoClient::new(ClientConfig {
        base_url: format!("https://{address}"),
        call_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        extra_root_pem: Some(pem.to_vec()),
        ..ClientConfig::default()
    })
}

#[tokio::test]
async fn a_certificate_that_is_given_is_trusted() {
    let client = trusting(tls_peer().await, CERTIFICATE).unwrap();
    let outcome = send(&client).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_sends_nothing_and_is_not_tried_again() {
    let outcome = send(&client(&format!("https://{}", tls_peer().await))).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Certificate);
    assert!(!outcome.may_have_been_sent() && outcome.may_retry().is_none(), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_good() {
    let address = tls_peer().await;
    let config = ClientConfig {
        base_url: format!("https://localhost:{}", address.port()),
        extra_root_pem: Some(CERTIFICATE.to_vec()),
        ..ClientConfig::default()
    };
    let outcome = send(&PlivoClient::new(config).unwrap()).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Certificate);
}

#[tokio::test]
async fn a_peer_without_tls_sends_nothing() {
    let plain = peer(|mut stream| async move {
        // The client's own words are of no interest to this one.
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = send(&client(&format!("https://{plain}"))).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Tls);
    assert!(outcome.may_retry().is_some(), "{outcome:?}");
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_sends_nothing() {
    let cut = peer(|mut stream| async move {
        // Read first: closing a socket with unread bytes would reset it.
        let mut hello = Vec::with_capacity(64 * 1024);
        let _ = tokio::io::AsyncReadExt::read_buf(&mut stream, &mut hello).await;
    })
    .await;
    let outcome = send(&client(&format!("https://{cut}"))).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Tls);
}

#[test]
fn a_root_that_is_no_certificate_is_refused() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for pem in [b"".as_slice(), b"not PEM", KEY] {
        assert!(matches!(trusting(address, pem), Err(ClientError::ExtraRoot)));
    }
}
