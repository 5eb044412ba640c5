//! The listeners: bound all together, then served.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use telemetry::metrics::Metrics;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Stops;
use super::parts::Parts;
use crate::config::{Address, Listen};
use crate::listen::{Bound, Inherited, ListenLimits, Places};
use crate::{Failure, admin, gateway, metrics, reports};

/// Every socket, bound and not yet served.
pub(super) struct Doors {
    apps: Vec<Arc<Bound>>,
    admin: Arc<Bound>,
    callbacks: Option<Arc<Bound>>,
}

impl Doors {
    /// Binds every address that was not `inherited`.
    pub(super) async fn bind(listen: &Listen, mut inherited: Inherited) -> Result<Self, Failure> {
        let inherited = &mut inherited;
        let mut apps = Vec::new();
        for address in &listen.apps {
            let door = bind(address, "apps", inherited).await?;
            if let Some(mode) = listen.socket_mode {
                let bad = |source| Failure::Bind { address: address.clone(), source };
                door.set_mode(mode).map_err(bad)?;
            }
            apps.push(door);
        }
        let admin = bind(&listen.admin, "admin", inherited).await?;
        let callbacks = match &listen.callbacks {
            Some(callbacks) => Some(bind(&callbacks.address, "callbacks", inherited).await?),
            None => None,
        };
        for address in inherited.left() {
            tracing::warn!(%address, "the service manager listens here, and no listener of [listen] has this address");
        }
        Ok(Self { apps, admin, callbacks })
    }

    /// Serves each: those of apps and of callbacks until the drain begins, and apart from them the admin listener,
    /// until the drain has ended. The places are those of apps' connections.
    pub(super) fn serve(
        self,
        parts: &Parts,
        listen: &Listen,
        stops: &Stops,
    ) -> (JoinSet<()>, JoinSet<()>, Arc<Places>) {
        let (mut running, mut admins) = (JoinSet::new(), JoinSet::new());
        let apps = ListenLimits { explains: true, ..limits(listen) };
        let places = Arc::clone(&apps.places);
        let mut observed = vec![("apps", Arc::clone(&places))];
        for door in self.apps {
            let gateway = Arc::clone(&parts.gateway);
            let service = move |request, peer| Arc::clone(&gateway).handle(request, peer);
            running.spawn(door.serve(apps.clone(), stops.stop.clone(), service));
        }
        let admin = Arc::clone(&parts.admin);
        let service = move |request, _peer| {
            let admin = Arc::clone(&admin);
            async move { admin.answer(request).await }
        };
        let limits_of = |listener, observed: &mut Vec<_>| {
            let limits = limits(listen);
            observed.push((listener, Arc::clone(&limits.places)));
            limits
        };
        let of_admin = limits_of("admin", &mut observed);
        admins.spawn(self.admin.serve(of_admin, stops.drained.clone(), service));
        if let Some((door, listener)) = self.callbacks.zip(parts.callbacks.clone()) {
            let service = move |request, _peer| {
                let listener = Arc::clone(&listener);
                async move { listener.answer(request).await }
            };
            let of_callbacks = limits_of("callbacks", &mut observed);
            running.spawn(door.serve(of_callbacks, stops.stop.clone(), service));
        }
        metrics::observe_connections(&parts.admin.metrics, observed);
        (running, admins, places)
    }

    /// Tells everybody that nothing can be taken yet, and operators why, until `stop`.
    pub(super) fn turn_away(
        &self,
        why: &watch::Receiver<String>,
        listen: &Listen,
        stop: &CancellationToken,
        metrics: &Metrics,
    ) -> JoinSet<()> {
        let mut running = JoinSet::new();
        let apps = ListenLimits { explains: true, ..limits(listen) };
        for door in &self.apps {
            let service = |request, _peer| ready(gateway::closed(&request));
            running.spawn(Arc::clone(door).serve(apps.clone(), stop.clone(), service));
        }
        let (why, metrics) = (why.clone(), metrics.clone());
        let service = move |request, _peer| ready(admin::closed(&request, &why.borrow(), &metrics));
        running.spawn(Arc::clone(&self.admin).serve(limits(listen), stop.clone(), service));
        if let Some(door) = &self.callbacks {
            let service = |_request, _peer| ready(reports::closed());
            running.spawn(Arc::clone(door).serve(limits(listen), stop.clone(), service));
        }
        running
    }
}

fn limits(listen: &Listen) -> ListenLimits {
    ListenLimits {
        places: Places::new(listen.max_connections),
        header_bytes: listen.max_header_bytes,
        header_time: listen.header_timeout,
        idle_time: listen.idle_timeout,
        explains: false,
    }
}

/// Ends the connection, so that none is kept into the moment at which the doors are opened.
async fn ready(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn bind(
    address: &Address,
    listener: &'static str,
    inherited: &mut Inherited,
) -> Result<Arc<Bound>, Failure> {
    let bad = |source| Failure::Bind { address: address.clone(), source };
    let bound = Bound::bind(address, inherited).await.map_err(bad)?;
    tracing::info!(address = %bound.address(), listener, "listening");
    Ok(Arc::new(bound))
}
