//! The two ways in: OTLP over HTTP, by hand, and over gRPC, by the protocol's generated service.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::codegen::Service as _;

use super::seen::{RecordSeen, SpanSeen, metrics, records, spans};

/// The largest request taken, in bytes.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

/// Where what came is kept.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) spans: watch::Sender<Vec<SpanSeen>>,
    pub(super) records: watch::Sender<Vec<RecordSeen>>,
    pub(super) metrics: watch::Sender<BTreeSet<String>>,
    pub(super) exports: watch::Sender<Vec<String>>,
    pub(super) away: Arc<AtomicBool>,
}

/// What a collector answers to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Speaks {
    Http,
    Grpc,
    Nothing,
}

/// The generated services, filled in.
struct Grpc(Seen);

/// Takes connections for ever.
pub(super) async fn serve(listener: &TcpListener, speaks: Speaks, seen: Seen) {
    let mut silent = Vec::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        match speaks {
            Speaks::Http => drop(tokio::spawn(http(stream, seen.clone()))),
            Speaks::Grpc => drop(tokio::spawn(grpc(stream, seen.clone()))),
            Speaks::Nothing => silent.push(stream),
        }
    }
}

async fn http(stream: TcpStream, seen: Seen) {
    let service = service_fn(move |request| {
        let seen = seen.clone();
        async move { Ok::<_, Infallible>(answer(request, &seen).await) }
    });
    // A connection that breaks is the exporter's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn grpc(stream: TcpStream, seen: Seen) {
    let traces = TraceServiceServer::new(Grpc(seen.clone()));
    let logs = LogsServiceServer::new(Grpc(seen.clone()));
    let metrics = MetricsServiceServer::new(Grpc(seen));
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut traces, mut logs, mut metrics) = (traces.clone(), logs.clone(), metrics.clone());
        async move {
            let path = request.uri().path();
            if path.contains("LogsService") {
                logs.call(request).await
            } else if path.contains("MetricsService") {
                metrics.call(request).await
            } else {
                traces.call(request).await
            }
        }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, seen: &Seen) -> Response<Full<Bytes>> {
    let protobuf =
        request.headers().get("content-type").is_some_and(|kind| kind == "application/x-protobuf");
    let path = request.uri().path().to_owned();
    if seen.away.load(Ordering::Relaxed) {
        return status(StatusCode::SERVICE_UNAVAILABLE);
    }
    if request.method() != Method::POST || !protobuf {
        return status(StatusCode::NOT_FOUND);
    }
    let Ok(body) = Limited::new(request.into_body(), LARGEST_REQUEST).collect().await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let taken = match path.as_str() {
        "/v1/traces" => ExportTraceServiceRequest::decode(body.to_bytes()).map(|export| {
            keep(seen, export);
            ExportTraceServiceResponse::default().encode_to_vec()
        }),
        "/v1/logs" => ExportLogsServiceRequest::decode(body.to_bytes()).map(|export| {
            keep_records(seen, export);
            ExportLogsServiceResponse::default().encode_to_vec()
        }),
        "/v1/metrics" => ExportMetricsServiceRequest::decode(body.to_bytes()).map(|export| {
            keep_metrics(seen, export);
            ExportMetricsServiceResponse::default().encode_to_vec()
        }),
        _ => return status(StatusCode::NOT_FOUND),
    };
    match taken {
        Ok(taken) => Response::new(Full::new(taken.into())),
        Err(_) => status(StatusCode::BAD_REQUEST),
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn keep(seen: &Seen, export: ExportTraceServiceRequest) {
    seen.spans.send_modify(|all| all.extend(spans(export)));
}

fn keep_records(seen: &Seen, export: ExportLogsServiceRequest) {
    seen.records.send_modify(|all| all.extend(records(export)));
}

fn keep_metrics(seen: &Seen, export: ExportMetricsServiceRequest) {
    seen.exports.send_modify(|all| all.push(format!("{export:?}")));
    seen.metrics.send_modify(|all| all.extend(metrics(export)));
}

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        keep(&self.0, request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        keep_records(&self.0, request.into_inner());
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        keep_metrics(&self.0, request.into_inner());
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}
