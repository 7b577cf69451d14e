//! Which addresses may be asked, judged where names become addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Loopback, private, link-local and other special addresses, too.
    pub allow_private: bool,
    /// Networks that are allowed besides the public ones.
    pub allow: Vec<Network>,
}

/// A network such as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a network like 10.1.0.0/16 or an address");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| bad())?;
        if bits > most { Err(bad()) } else { Ok(Network { base, bits }) }
    }
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u8| {
            let shift = u32::from(width - self.bits);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.base, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

impl Guard {
    /// Whether this address may be asked.
    pub fn allows(&self, address: IpAddr) -> bool {
        // an IPv4 address in IPv6 clothes is judged as what it is
        let address = address.to_canonical();
        self.allow_private || self.allow.iter().any(|network| network.contains(address)) || is_public(address)
    }

    /// Those of the addresses that may be asked.
    pub(super) fn pick(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        addresses.iter().copied().filter(|address| self.allows(address.ip())).collect()
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// After IANA's special-purpose registry for IPv4.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// After IANA's special-purpose registry for IPv6. Addresses that carry an IPv4 address inside (6to4,
/// NAT64, Teredo) are refused as a whole: what they reach is not for us to work out.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || (a == 0x64 && b == 0xff9b)
        || a == 0x100
        || (a == 0x2001 && b < 0x200)
        || (a == 0x2001 && b == 0xdb8)
        || a == 0x2002
        || a == 0x3fff
        || a == 0x5f00
        || (a & 0xffc0) == 0xfec0
        || a == 0)
}

#[derive(Debug, thiserror::Error)]
#[error("{host} is at {address}, which may not be asked")]
pub(super) struct ForbiddenName {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

/// Resolves names by the system's resolver and lets only allowed addresses through.
pub(super) struct GuardedNames(pub(super) Arc<Guard>);

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed = guard.pick(&found);
            match (allowed.is_empty(), found.first()) {
                (true, Some(first)) => Err(ForbiddenName { host, address: first.ip() }.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(guard: &Guard, address: &str) -> bool {
        guard.allows(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_may_be_asked() {
        let guard = Guard::default();
        for address in ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(allows(&guard, address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
            "::7f00:1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn a_network_can_be_allowed() {
        let guard = Guard { allow_private: false, allow: vec!["10.1.0.0/16".parse().unwrap()] };
        assert!(allows(&guard, "10.1.2.3"));
        assert!(allows(&guard, "::ffff:10.1.2.3"));
        assert!(!allows(&guard, "10.2.0.1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
    }
}
