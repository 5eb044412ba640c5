//! Connections are reused, and one that went away harms nobody.

use plivo_client::Outcome;
use tokio::sync::oneshot;

use crate::peers::{accept, request, silent};
use crate::{client, plivo, send};

#[tokio::test]
async fn sends_share_a_connection() {
    let (sim, client) = plivo().await;
    for _ in 0..3 {
        assert!(matches!(send(&client).await, Outcome::Accepted(_)));
    }
    assert!(sim.requests().iter().all(|seen| seen.connection == 1), "{:?}", sim.requests());
    sim.stop().await;
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_while_idle_is_not_used_again() {
    let (listener, address) = silent().await;
    let (closed, was_closed) = oneshot::channel();
    let peer = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        request(&mut first).await;
        accept(&mut first).await;
        drop(first);
        closed.send(()).unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        request(&mut second).await;
        accept(&mut second).await;
    });
    let client = client(&format!("http://{address}"));
    assert!(matches!(send(&client).await, Outcome::Accepted(_)));
    was_closed.await.unwrap();
    // The connection's own task learns of it when the runtime next looks at its sockets, which each of these lets it
    // do.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }

    let outcome = send(&client).await;

    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    peer.await.unwrap();
}
