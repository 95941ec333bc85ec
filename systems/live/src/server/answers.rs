//! Answers: JSON, for what was asked and for why not.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

pub(super) fn json_of(status: StatusCode, what: &impl Serialize) -> Response {
    let json = serde_json::to_vec(what).expect("what is told is text and numbers");
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

pub(super) fn ok(what: &impl Serialize) -> Response {
    json_of(StatusCode::OK, what)
}

pub(super) fn error(status: StatusCode, message: &str) -> Response {
    json_of(status, &json!({ "error": message }))
}
