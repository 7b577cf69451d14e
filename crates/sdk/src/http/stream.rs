//! Guarded connections for channels that speak something else than HTTP and stay open.

use std::fmt::Debug;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Http, HttpError, Tls};

/// How long it may take until a connection is encrypted.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection in both directions, encrypted or not.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Duplex for T {}

impl Http {
    /// A guarded connection; with `tls`, encrypted from the first byte on.
    ///
    /// # Errors
    /// When there is none, the address may not be asked, or the other side is not who it should be.
    pub async fn stream(
        &self,
        host: &str,
        port: u16,
        tls: Option<&Tls>,
    ) -> Result<Box<dyn Duplex>, HttpError> {
        let stream = self.connect(host, port).await?;
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        let connector = TlsConnector::from(tls.config().map_err(HttpError::Broken)?);
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare);
        let name = name.map_err(|_| HttpError::Broken(format!("{host:?} is no name of a server")))?;
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream));
        let encrypted = handshake.await.map_err(|_| HttpError::Timeout(HANDSHAKE_TIMEOUT))?;
        Ok(Box::new(encrypted.map_err(|error| HttpError::Broken(error.to_string()))?))
    }
}
