//! The listeners: bound all together, then served.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Stops;
use super::parts::Parts;
use crate::Failure;
use crate::config::{Address, Listen};
use crate::listen::{Bound, ListenLimits, Places};

/// Every socket, bound and not yet served.
pub(super) struct Doors {
    apps: Vec<Bound>,
    admin: Bound,
    callbacks: Option<Bound>,
}

impl Doors {
    pub(super) async fn bind(listen: &Listen) -> Result<Self, Failure> {
        let mut apps = Vec::new();
        for address in &listen.apps {
            apps.push(bind(address).await?);
        }
        let admin = bind(&listen.admin).await?;
        let callbacks = match &listen.callbacks {
            Some(callbacks) => Some(bind(&callbacks.address).await?),
            None => None,
        };
        Ok(Self { apps, admin, callbacks })
    }

    /// Serves each: those of apps and of callbacks until the drain begins, and apart from them the admin listener,
    /// until the drain has ended.
    pub(super) fn serve(
        self,
        parts: &Parts,
        listen: &Listen,
        stops: &Stops,
    ) -> (JoinSet<()>, JoinSet<()>) {
        let limits = || ListenLimits {
            places: Places::new(listen.max_connections),
            header_bytes: listen.max_header_bytes,
            header_time: listen.header_timeout,
            idle_time: listen.idle_timeout,
        };
        let (mut running, mut admins) = (JoinSet::new(), JoinSet::new());
        let apps = limits();
        for door in self.apps {
            tracing::info!(address = %door.address(), listener = "apps", "listening");
            let gateway = Arc::clone(&parts.gateway);
            let service = move |request, peer| Arc::clone(&gateway).handle(request, peer);
            running.spawn(door.serve(apps.clone(), stops.stop.clone(), service));
        }
        tracing::info!(address = %self.admin.address(), listener = "admin", "listening");
        let admin = Arc::clone(&parts.admin);
        let service = move |request, _peer| {
            let admin = Arc::clone(&admin);
            async move { admin.answer(request).await }
        };
        admins.spawn(self.admin.serve(limits(), stops.drained.clone(), service));
        if let Some((door, listener)) = self.callbacks.zip(parts.callbacks.clone()) {
            tracing::info!(address = %door.address(), listener = "callbacks", "listening");
            let service = move |request, _peer| {
                let listener = Arc::clone(&listener);
                async move { listener.answer(request).await }
            };
            running.spawn(door.serve(limits(), stops.stop.clone(), service));
        }
        (running, admins)
    }
}

async fn bind(address: &Address) -> Result<Bound, Failure> {
    Bound::bind(address).await.map_err(|source| Failure::Bind { address: address.clone(), source })
}
