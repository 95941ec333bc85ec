//! Routes: what is asked for, and what is answered. Nothing here waits for the run for more than a moment.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use corec_core::block::BlockId;
use corec_run::view::{PluginState, View};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::answers::{error, json_of, ok};
use super::connections::Worth;
use super::page;
use super::shared::{Pause, Shared};
use super::stream;
use crate::metrics::{self, Form};
use crate::openapi;
use crate::ready::Readiness;
use crate::told::{
    AlertsTold, BlockQuery, BlocksTold, LayoutTold, PluginsTold, RowsTold, SummaryTold, SystemsTold,
};

/// How long a request for a block's rows waits for a picture that has them.
const ROWS_PATIENCE: Duration = Duration::from_secs(2);

type Run = State<Arc<Shared>>;

/// All routes.
pub(super) fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/health", get(|| async { json_of(StatusCode::OK, &json!({ "status": "alive" })) }))
        .route("/ready", get(ready))
        .route("/metrics", get(scrape))
        .route("/api/v1/openapi.json", get(|| async { json_of(StatusCode::OK, &openapi::document()) }))
        .route("/api/v1/summary", get(summary))
        .route("/api/v1/systems", get(|State(run): Run| told(run, SystemsTold::of)))
        .route("/api/v1/plugins", get(|State(run): Run| told(run, PluginsTold::of)))
        .route("/api/v1/plugins/{name}/{change}", post(change_plugin))
        .route("/api/v1/alerts", get(|State(run): Run| told(run, AlertsTold::of)))
        .route("/api/v1/layout", get(|State(run): Run| told(run, LayoutTold::of)))
        .route("/api/v1/blocks", get(blocks))
        .route("/api/v1/blocks/{id}", get(rows))
        .route("/api/v1/stream", get(watch))
        .fallback(|| async {
            error(
                StatusCode::NOT_FOUND,
                "no such path: /api/v1/openapi.json has them, beside /metrics, /health and /ready",
            )
        })
        .method_not_allowed_fallback(|| async {
            error(StatusCode::METHOD_NOT_ALLOWED, "the path takes another method")
        })
        .layer(from_fn_with_state(Arc::clone(shared), guard))
        .with_state(Arc::clone(shared))
}

/// Counts the request, sees to it that it was meant for us, and tells a browser what the page may do.
async fn guard(State(run): Run, request: Request, next: Next) -> Response {
    run.ask();
    if let Some(worth) = request.extensions().get::<Worth>() {
        worth.asked();
    }
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    // A page elsewhere whose name was made to lead here must not read what this machine only shows itself.
    let is_meant = !run.address.ip().is_loopback() || host.is_none_or(is_here);
    let mut answer = if is_meant {
        next.run(request).await
    } else {
        let message = "the header Host must be localhost, 127.0.0.1 or [::1]: --http ADDRESS for other names";
        error(StatusCode::MISDIRECTED_REQUEST, message)
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// What of the run as it is now is told.
async fn told<T: Serialize>(run: Arc<Shared>, of: fn(&View) -> T) -> Response {
    ok(&of(&*run.fresh().await))
}

async fn ready(State(run): Run) -> Response {
    let view = run.fresh().await;
    let ready = Readiness::of(&view, run.stuck());
    json_of(if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &ready)
}

async fn scrape(State(run): Run, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let form = Form::accepted(accept);
    let text = metrics::write(&run.fresh().await, run.counts(), form);
    ([(header::CONTENT_TYPE, form.media_type())], text).into_response()
}

async fn summary(State(run): Run) -> Response {
    let view = run.fresh().await;
    ok(&SummaryTold::of(&view, run.journal_bytes(&view)))
}

async fn blocks(
    State(run): Run,
    query: Result<Query<BlockQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.body_text()),
    };
    let no_group = || error(StatusCode::NOT_FOUND, "no such group: /api/v1/layout has them");
    BlocksTold::of(&*run.fresh().await, &query).map_or_else(no_group, |blocks| ok(&blocks))
}

async fn rows(State(run): Run, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse().map(BlockId) else {
        return error(StatusCode::BAD_REQUEST, "a block's id is a whole number: /api/v1/blocks has them");
    };
    if run.fresh().await.layout.blocks.binary_search_by_key(&id, |(id, ..)| *id).is_err() {
        return error(StatusCode::NOT_FOUND, "no such block: /api/v1/blocks has them");
    }
    if !run.watch.want_rows(id) {
        run.refuse();
        return error(
            StatusCode::TOO_MANY_REQUESTS,
            "rows of 16 other blocks were asked for in the last seconds",
        );
    }
    let (asked, mut pause) = (Instant::now(), Pause::default());
    loop {
        let view = run.watch.view();
        let is_new = view.made.is_some_and(|made| made >= asked.into_std()) || view.ended.is_some();
        match view.rows.get(&id) {
            Some(rows) if is_new || asked.elapsed() > ROWS_PATIENCE => {
                let gone = || error(StatusCode::NOT_FOUND, "the block is gone");
                return RowsTold::of(&view, id, rows).map_or_else(gone, |rows| ok(&rows));
            }
            _ if asked.elapsed() > ROWS_PATIENCE || run.is_over() => {
                return error(StatusCode::SERVICE_UNAVAILABLE, "the run is in a long tick, or has ended");
            }
            _ => pause.wait().await,
        }
    }
}

async fn change_plugin(
    State(run): Run,
    Path((name, change)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !run.token.is_in(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes)) {
        let message =
            "a token is needed, as Authorization: Bearer TOKEN: COREC_HTTP_TOKEN, or in the run's http.json";
        let mut answer = error(StatusCode::UNAUTHORIZED, message);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return answer;
    }
    let state = match &change[..] {
        "pause" => PluginState::Paused,
        "resume" => PluginState::Running,
        _ => return error(StatusCode::NOT_FOUND, "must be pause or resume"),
    };
    let view = run.fresh().await;
    match PluginsTold::state(&view, &name) {
        None => error(StatusCode::NOT_FOUND, "no such plugin: /api/v1/plugins has them"),
        Some(PluginState::Stopped) => error(StatusCode::CONFLICT, "the plugin was stopped by a failure"),
        Some(_) if view.ended.is_some() => error(StatusCode::CONFLICT, "the run has ended"),
        Some(_) if !run.watch.wish(&name, state == PluginState::Paused) => {
            run.refuse();
            error(StatusCode::TOO_MANY_REQUESTS, "too many changes wait for the next tick")
        }
        Some(_) => json_of(StatusCode::ACCEPTED, &json!({ "plugin": name, "state": state.as_str() })),
    }
}

#[derive(Deserialize)]
struct StreamQuery {
    #[serde(default = "hz_max")]
    hz: f64,
}

fn hz_max() -> f64 {
    10.0
}

async fn watch(
    State(run): Run,
    worth: Option<Extension<Worth>>,
    method: Method,
    query: Result<Query<StreamQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let hz = match query {
        Ok(Query(StreamQuery { hz })) if (0.1..=10.0).contains(&hz) => hz,
        _ => return error(StatusCode::BAD_REQUEST, "hz: must be within 0.1..=10"),
    };
    if method == Method::HEAD {
        return [(header::CONTENT_TYPE, "text/event-stream")].into_response();
    }
    let Some(events) = stream::watch(&run, hz) else {
        run.refuse();
        let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, "there are 64 viewers already");
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        return answer;
    };
    if let Some(Extension(worth)) = worth {
        worth.watches();
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}
