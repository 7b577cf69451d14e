//! How connections are made: what one client is built of.

use std::sync::Arc;

use super::proxy::Proxy;
use super::tls::Tls;

/// Wishes of a destination's settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transport {
    pub(super) tls: Tls,
    pub(super) proxy: Proxy,
    pub(super) http2: bool,
}

impl Transport {
    /// None when it is the usual way.
    pub(super) fn unusual(tls: &Tls, proxy: &Proxy, http2: bool) -> Option<Arc<Self>> {
        let usual = http2 && *tls == Tls::default() && *proxy == Proxy::default();
        (!usual).then(|| Arc::new(Transport { tls: tls.clone(), proxy: proxy.clone(), http2 }))
    }

    /// What is wrong, beginning with the field.
    pub(super) fn check(transport: Option<&Arc<Self>>) -> Result<(), String> {
        let Some(transport) = transport else { return Ok(()) };
        transport.tls.config().map_err(|reason| format!("tls.{reason}"))?;
        transport.proxy.check().map_err(|reason| format!("proxy.{reason}"))
    }
}
