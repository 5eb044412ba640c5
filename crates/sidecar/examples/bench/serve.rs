//! A server of this benchmark's own: one of the programs in the row, on the runtime that `sendgate` has.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::Result;

/// What one of these programs does with a request.
pub(crate) trait Answer: Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<(StatusCode, Bytes)>> + Send;
}

/// Serves on a port of the system's choice until the process is killed. Says where in a line like `sendgate`'s.
pub(crate) fn run(program: impl Answer) -> Result<()> {
    let program = Arc::new(program);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let line = json!({ "fields": { "listener": "apps", "address": address } });
        writeln!(std::io::stdout(), "{line}")?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let program = Arc::clone(&program);
            let service = service_fn(move |request| {
                let program = Arc::clone(&program);
                async move { Ok::<_, Infallible>(respond(&*program, request).await) }
            });
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that ends badly shows at its client, which is the driver.
            tokio::spawn(async move { drop(served.await) });
        }
    })
}

async fn respond(program: &impl Answer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, body) = match program.answer(request).await {
        Ok(answer) => answer,
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from(err.to_string())),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
