//! What all answers have: headers for browsers, and problems that are told in one way.

use super::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Headers that keep browsers from making more of an answer than it is; and problems that
/// the framework finds are told as ours are.
pub async fn careful(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().chars().take(128).collect::<String>());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == "application/json");
    if (status.is_client_error() || status.is_server_error()) && !is_json {
        let (head, body) = response.into_parts();
        let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
        let message = match (status, String::from_utf8_lossy(&text)) {
            (StatusCode::METHOD_NOT_ALLOWED, _) => format!("{path} is not answered with {method}"),
            (status, text) if text.is_empty() => status.to_string(),
            (_, text) => text.into_owned(),
        };
        response = Problem::new(status, message).into_response();
        if let Some(allow) = head.headers.get(header::ALLOW) {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
