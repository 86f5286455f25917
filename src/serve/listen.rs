//! The connections of a server: how many there may be, how slow they may be, and how they
//! end. Knows nothing of what is served.

use super::paced::Paced;
use super::problem::RETRY_AFTER;
use crate::error::{Error, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// Connections at a time that are told that there are too many.
const TURNED_AWAY: usize = 64;
/// Bytes of a request's head, and its lines.
const HEAD: usize = 32 << 10;
const HEADERS: usize = 64;
/// Time for a handshake, and for the other side to take what it is told on its way out.
const HELLO: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(2);

/// How a server takes connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Whether a connection may bring more than one request.
    pub keep_alive: bool,
    /// Time for the head of a request, and that a connection may be idle.
    pub head: Duration,
    /// Time in which something of an answer must go through.
    pub write: Duration,
    /// Time that requests have once the server is to stop.
    pub drain: Duration,
}

/// Whose connection a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What makes a secure connection of a plain one.
#[cfg(feature = "tls")]
pub type Tls = tokio_rustls::TlsAcceptor;
/// What makes a secure connection of a plain one: nothing does in this build.
#[cfg(not(feature = "tls"))]
pub type Tls = std::convert::Infallible;

/// Listens at an address.
///
/// Fails when it is in use, or not this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|e| Error::io(format!("listening on {address} (--host, --port)"), e))
}

/// Answers by `app` until `stop` says so; then lets requests end that have begun. Whether
/// all have.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let (open, turned_away) = (Arc::new(Semaphore::new(limits.connections)), Arc::new(Semaphore::new(TURNED_AWAY)));
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    loop {
        let (stream, peer) = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of file handles, perhaps: not to be asked again at once.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let Ok(permit) = open.clone().try_acquire_owned() else {
            if let (Ok(permit), None) = (turned_away.clone().try_acquire_owned(), &tls) {
                tokio::spawn(async move {
                    let _ = timeout(GOODBYE, turn_away(stream)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let (app, limits, stop, tls, alive) = (app.clone(), limits.clone(), stop.clone(), tls.clone(), alive.clone());
        tokio::spawn(async move {
            let stream = Paced::new(stream, limits.write);
            match tls {
                None => talk(stream, peer, app, &limits, stop).await,
                #[cfg(feature = "tls")]
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HELLO, tls.accept(stream)).await {
                        talk(stream, peer, app, &limits, stop).await;
                    }
                }
                #[cfg(not(feature = "tls"))]
                Some(never) => match never {},
            }
            drop((permit, alive));
        });
    }
    drop((listener, alive));
    timeout(limits.drain, all_gone.recv()).await.is_ok()
}

/// One connection, request by request.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    app: Router,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, mut request) = (app.clone(), request.map(Body::new));
        request.extensions_mut().insert(Peer(peer));
        async move { app.oneshot(request as Request).await }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(limits.keep_alive);
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD).max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    tokio::select! {
        // A client that has gone away is no error of ours.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Tells a client that there are too many.
async fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    let body = r#"{"error":"too many connections; try again in a moment"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What has come of a request is read: closing before would take the answer back.
    let mut left = stream.take(1 << 20);
    let mut buffer = [0; 4096];
    while left.read(&mut buffer).await? > 0 {}
    Ok(())
}
