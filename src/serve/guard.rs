//! Who may ask: requests that call the server by a name of its own, that come from no page
//! of another site, and that bring the token.

use super::problem::Problem;
use super::settings::Settings;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Addresses that balancers ask without a token.
const HEALTH: [&str; 2] = ["/v2/health/live", "/v2/health/ready"];

/// What requests must have.
pub struct Guard {
    hosts: Vec<String>,
    token: Option<String>,
    is_loopback: bool,
}

impl Guard {
    /// By a server's settings.
    pub fn new(s: &Settings) -> Guard {
        let hosts = s.allowed_hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
        Guard { hosts, token: s.token.clone(), is_loopback: s.host.is_loopback() }
    }

    /// Whether a name, with or without a port, is the server's own. A page from elsewhere
    /// can give its own name this machine's address, but no address in numbers.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.to_ascii_lowercase();
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        match address {
            Some(address) => !self.is_loopback || address.is_loopback(),
            None => name == "localhost" || self.hosts.contains(&name),
        }
    }

    /// Fails with what a request lacks.
    fn check(&self, headers: &HeaderMap, uri_host: Option<&str>, path: &str) -> Result<(), Problem> {
        let text = |name| headers.get(name).map(|v: &axum::http::HeaderValue| v.to_str().unwrap_or("?"));
        let host = text(header::HOST).or(uri_host).unwrap_or("");
        if !self.is_own(host) {
            let shown: String = host.chars().take(64).collect();
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("Host {shown:?} is not this server's; use its address, or start it with --allow-host NAME"),
            ));
        }
        if let Some(origin) = text(header::ORIGIN)
            && origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host))
        {
            let message = "a page of another site may not ask this server";
            return Err(Problem::new(StatusCode::FORBIDDEN, message));
        }
        let Some(token) = self.token.as_deref().filter(|_| !HEALTH.contains(&path)) else { return Ok(()) };
        let given = text(header::AUTHORIZATION).and_then(|v| {
            let (scheme, token) = v.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        match given {
            Some(given) if is_same(given.as_bytes(), token.as_bytes()) => Ok(()),
            Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the bearer token is another one")),
            None => Err(Problem::new(StatusCode::UNAUTHORIZED, "expected the header Authorization: Bearer TOKEN")),
        }
    }
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y))) == 0
}

/// Turns away what lacks something.
pub async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    match guard.check(request.headers(), uri.authority().map(|a| a.as_str()), uri.path()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| drop(map.insert(*name, value.parse().unwrap())));
        guard.check(&map, None, "/v2").map_or_else(|p| p.status.as_u16(), |()| 200)
    }

    #[test]
    fn names_of_others_are_refused() {
        let guard = Guard::new(&Settings::default());
        for own in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"] {
            assert_eq!(status(&guard, &[("host", own)]), 200, "{own}");
        }
        for other in ["", "evil.example", "localhost.evil.example", "10.0.0.1", "localhost:8000:9", "::1"] {
            assert_eq!(status(&guard, &[("host", other)]), 403, "{other}");
        }
        let open =
            Settings { host: [0, 0, 0, 0].into(), allowed_hosts: vec!["Model.lan".into()], ..Settings::default() };
        let guard = Guard::new(&open);
        assert_eq!(status(&guard, &[("host", "10.0.0.1:8000")]), 200);
        assert_eq!(status(&guard, &[("host", "model.lan")]), 200);
        assert_eq!(status(&guard, &[("host", "evil.example")]), 403);
        assert_eq!(status(&guard, &[("host", "model.lan"), ("origin", "http://model.lan")]), 200);
        assert_eq!(status(&guard, &[("host", "model.lan"), ("origin", "http://evil.example")]), 403);
        assert_eq!(status(&guard, &[("host", "model.lan"), ("origin", "null")]), 403);
    }

    #[test]
    fn the_token_is_asked_for() {
        let guard = Guard::new(&Settings { token: Some("secret".into()), ..Settings::default() });
        let of = |value: &str| status(&guard, &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(status(&guard, &[("host", "localhost")]), 401);
        assert_eq!(
            [of("Bearer secret"), of("bearer  secret"), of("Bearer secre"), of("Basic secret")],
            [200, 200, 401, 401]
        );
        let mut health = HeaderMap::new();
        health.insert("host", "localhost".parse().unwrap());
        assert!(guard.check(&health, None, "/v2/health/ready").is_ok());
    }
}
