//! Accepting connections, and keeping slow ones from tying the server up.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app::Shared;
use crate::auth::Peer;
use crate::limits::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::router::router;

mod patience;

use patience::Patient;

/// How long accepting rests after the system had no more files or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client hears when there are too many connections.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
Retry-After: 1\r\nConnection: close\r\nContent-Length: 138\r\n\r\n\
{\"type\":\"urn:nightbell:problem:unavailable\",\"title\":\"Not available just now\",\"status\":503,\
\"detail\":\"too many connections, try again soon\"}";

/// Serves until `shutdown`, then waits for what is under way, at most as long as the options say.
///
/// # Errors
/// When the listener is of no use.
pub async fn serve(listener: TcpListener, app: Shared, shutdown: CancellationToken) -> io::Result<()> {
    let address = listener.local_addr()?;
    app.listens_at(address);
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(app.options.max_connections));
    let server = Server { router: router(app.clone()), app: app.clone(), shutdown: shutdown.clone() };
    tracing::info!(%address, prefix = app.options.prefix, "listening");
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => drop(tracker.spawn(server.clone().connection(stream, peer, place))),
                // as much as fits is written at once; nothing waits for somebody who may never read
                Err(_) => drop(stream.try_write(FULL)),
            },
            // the client has gone away already
            Err(error) if is_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    app.stopping.cancel();
    tracker.close();
    if tokio::time::timeout(app.options.shutdown_timeout, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "requests were still under way when time was up");
    }
    Ok(())
}

fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[derive(Clone)]
struct Server {
    router: Router,
    app: Shared,
    shutdown: CancellationToken,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        // an answer is small and wanted at once
        let _ = stream.set_nodelay(true);
        let router = self.router;
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.app.options.header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS);
        let mut connection =
            pin!(http.serve_connection(
                TokioIo::new(Patient::new(stream, self.app.options.write_timeout)),
                service
            ));
        tokio::select! {
            ended = connection.as_mut() => return log(ended, peer),
            () = self.shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        log(connection.await, peer);
    }
}

/// How a connection ends is its client's affair.
fn log(ended: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_of_a_full_house_is_well_formed() {
        let text = std::str::from_utf8(super::FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        assert_eq!(length, body.len().to_string());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
