//! Where a request comes from when there are proxies in between: what those say is believed that the operator trusts.
//!
//! Each proxy puts the address that it was asked from at the end of `X-Forwarded-For`. So the list is read from its
//! end, for as long as those who wrote it are trusted; all that stands before may be made up.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use sdk::http::Network;

const HEADER: &str = "x-forwarded-for";
/// Proxies in a row that are looked through.
const MAX_HOPS: usize = 20;

/// The address that a request comes from.
pub(crate) fn client(trusted: &[Network], headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.is_empty() {
        return client;
    }
    let is_trusted = |address: IpAddr| trusted.iter().any(|it| it.contains(address));
    // lines of the same name are one list
    let lines = headers.get_all(HEADER).into_iter().collect::<Vec<_>>();
    let texts = lines.into_iter().rev().filter_map(|line| line.to_str().ok());
    let mut hops = texts.flat_map(|text| text.split(',').rev()).take(MAX_HOPS);
    while is_trusted(client)
        && let Some(before) = hops.next().and_then(address)
    {
        client = before;
    }
    client
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    found.map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, HeaderValue::from_str(line).unwrap());
        }
        client(&trusted, &headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn only_who_is_trusted_is_believed() {
        assert_eq!(from("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "anybody may send that header");
        assert_eq!(from("10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(from("::ffff:10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            from("10.1.1.1", &["1.2.3.4, 198.51.100.7, 10.2.2.2"]),
            "198.51.100.7",
            "not what it claimed"
        );
        assert_eq!(from("10.1.1.1", &["1.2.3.4", "198.51.100.7 , fd00::2"]), "198.51.100.7", "two lines");
        assert_eq!(from("10.1.1.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3", "somebody inside");
        assert_eq!(from("10.1.1.1", &[]), "10.1.1.1");
    }

    #[test]
    fn addresses_come_with_ports_and_in_brackets_and_what_is_none_ends_it() {
        assert_eq!(from("10.1.1.1", &["198.51.100.7:1234"]), "198.51.100.7");
        assert_eq!(from("10.1.1.1", &["[2001:db8::7]:1234"]), "2001:db8::7");
        assert_eq!(from("10.1.1.1", &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(from("10.1.1.1", &["198.51.100.7, unknown"]), "10.1.1.1");
        assert_eq!(from("10.1.1.1", &["198.51.100.7, _hidden, 10.2.2.2"]), "10.2.2.2");
        let many = vec!["10.2.2.2"; 100].join(",");
        assert_eq!(from("10.1.1.1", &[&format!("198.51.100.7,{many}")]), "10.2.2.2");
    }
}
