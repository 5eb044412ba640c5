//! What stands between Plivo and the callback listener: a public address that stays while sidecars come and go.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::Sidecar;

/// An address whose connections lead to a sidecar.
pub(crate) struct Ingress {
    address: SocketAddr,
    leads_to: watch::Sender<Option<SocketAddr>>,
}

impl Ingress {
    /// One that leads nowhere yet: connections wait until it does.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (leads_to, target) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let mut target = target.clone();
                tokio::spawn(async move {
                    let Ok(known) = target.wait_for(Option::is_some).await.map(|known| *known)
                    else {
                        return;
                    };
                    let Some(address) = known else { return };
                    let Ok(mut inside) = TcpStream::connect(address).await else { return };
                    // However a connection ends, both sides know.
                    drop(copy_bidirectional(&mut outside, &mut inside).await);
                });
            }
        });
        Self { address, leads_to }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads to this sidecar's callback listener from now on.
    pub(crate) async fn lead_to(&self, sidecar: &Sidecar) {
        let find = |events: &[Value]| {
            let listener = |event: &&Value| field(event, "listener") == Some("callbacks");
            field(events.iter().find(listener)?, "address")?.parse().ok()
        };
        let address = sidecar.log.wait_for("the callback listener", find).await;
        self.leads_to.send_replace(Some(address.expect("a sidecar that listens")));
    }
}

fn field<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event.get(name).or_else(|| event.get("fields")?.get(name))?.as_str()
}
