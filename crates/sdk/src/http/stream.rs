//! Guarded connections for channels that speak something else than HTTP and stay open.

use std::any::Any;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Http, HttpError, Tls};

/// How long it may take until a connection is encrypted.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection in both directions, encrypted or not.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Duplex for T {}

impl Http {
    /// What a channel that speaks something else than HTTP keeps between two messages, such as open connections. There
    /// is one of each type, and it goes when this way out is not used any more.
    pub fn keep<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = others.iter().find_map(|it| it.clone().downcast::<T>().ok()) {
            return kept;
        }
        let new = Arc::<T>::default();
        others.push(new.clone());
        new
    }

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
        let stream = Box::new(self.connect(host, port).await?);
        match tls {
            Some(tls) => encrypted(stream, host, tls).await,
            None => Ok(stream),
        }
    }
}

/// Encrypts a connection that began in the clear.
///
/// # Errors
/// When the other side is not who it should be, or says nothing for long.
pub async fn encrypted(stream: Box<dyn Duplex>, host: &str, tls: &Tls) -> Result<Box<dyn Duplex>, HttpError> {
    let connector = TlsConnector::from(tls.config().map_err(HttpError::Broken)?);
    let bare = tls.name().unwrap_or(host).trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare);
    let name = name.map_err(|_| HttpError::Broken(format!("{host:?} is no name of a server")))?;
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream));
    let encrypted = handshake.await.map_err(|_| HttpError::Timeout(HANDSHAKE_TIMEOUT))?;
    Ok(Box::new(encrypted.map_err(|error| HttpError::Broken(error.to_string()))?))
}
