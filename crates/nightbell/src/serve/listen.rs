//! Where to listen, as people write it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use tokio::net::TcpListener;

use crate::settings::Settings;

/// Why links begin with where the server is.
pub const DERIVED: &str = "derived from the name of this machine and the port";

/// Addresses of which the first that works is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(Vec<String>);

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Listen(vec![address.to_string()])
    }
}

impl Listen {
    /// `HOST:PORT`; without a host, as in Alertmanager, all addresses of this machine.
    pub fn parse(text: &str) -> Result<Self, String> {
        let right = "write it like 127.0.0.1:8440, [::1]:8440 or :8440 for all addresses";
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("there is no port; {right}"))?;
        let _: u16 = port.parse().map_err(|_| format!("{port:?} is not a port; {right}"))?;
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if bare_v6 || host.contains('/') {
            return Err(format!("{host:?} is not a host; {right}"));
        }
        Ok(Listen(match host {
            // IPv6 first: where there is any, it takes IPv4 as well
            "" => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
            _ => vec![text.to_owned()],
        }))
    }

    /// Listens.
    pub async fn bind(&self) -> Result<TcpListener> {
        let mut said = anyhow!("there is nothing to listen on");
        for address in &self.0 {
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    let taken = error.kind() == ErrorKind::AddrInUse;
                    let hint =
                        if taken { "; stop what listens there, or choose another with --listen" } else { "" };
                    said = anyhow!("cannot listen on {address}: {error}{hint}");
                    if taken {
                        break;
                    }
                }
            }
        }
        Err(said)
    }
}

/// Where a server is reached when nobody says: at the name of this machine, as with Alertmanager. Other than
/// there, the path that it serves under belongs to it, so that links lead somewhere.
pub fn own_url(port: u16, prefix: &str) -> String {
    url_at(&rustix::system::uname().nodename().to_string_lossy(), port, prefix)
}

/// Shows what links would begin with, were a server started without flags. On a port that nobody knows yet they
/// begin with nothing that could be shown.
pub fn show_derived_links(settings: &mut Settings) {
    let server = &settings.config.server;
    let (port, prefix) = (server.listen.port(), server.prefix());
    if port != 0 && settings.links_are_derived() {
        settings.set_links(&own_url(port, &prefix), DERIVED);
    }
}

fn url_at(host: &str, port: u16, prefix: &str) -> String {
    let host = if host.is_empty() { "localhost" } else { host };
    format!("http://{host}:{port}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_at_the_name_of_its_machine() {
        assert_eq!(url_at("monitor.example.org", 9093, ""), "http://monitor.example.org:9093");
        assert_eq!(url_at("monitor", 9093, "/am"), "http://monitor:9093/am");
        assert_eq!(url_at("", 9093, ""), "http://localhost:9093");
    }

    #[test]
    fn addresses_are_read_as_alertmanager_reads_them() {
        assert_eq!(Listen::parse(":9093").unwrap().0, ["[::]:9093", "0.0.0.0:9093"]);
        assert_eq!(Listen::parse("localhost:0").unwrap().0, ["localhost:0"]);
        assert_eq!(Listen::parse("[::1]:80").unwrap().0, ["[::1]:80"]);
        for wrong in ["", "9093", "localhost", ":", ":70000", "::1:80", "http://x:80"] {
            let said = Listen::parse(wrong).unwrap_err();
            assert!(said.contains("127.0.0.1:8440"), "{wrong}: {said}");
        }
    }
}
