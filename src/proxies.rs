//! Which proxies are believed, and whom a request comes from when one of them passed it on. Limits per address count by
//! that, or everybody behind a load balancer would be one address.
//!
//! Knows `X-Forwarded-For` only; no limit and no route.

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Addresses of one request's header that are looked at; a longer chain is somebody's invention.
const HOPS_MAX: usize = 16;

/// Networks whose word about a request's origin is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

/// An entry that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is neither an address nor a network, as in 10.0.0.0/8")]
pub struct NotANetwork(pub String);

impl Proxies {
    /// Reads addresses and networks (`10.0.0.0/8`, `127.0.0.1`, `fd00::/8`), separated by commas.
    ///
    /// # Errors
    /// The first entry that is neither.
    pub fn parse(text: &str) -> Result<Self, NotANetwork> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let network = |entry: &str| {
            let network = entry.parse().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| NotANetwork(entry.to_owned()))
        };
        entries.map(network).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whom a request comes from: the peer, or what trusted proxies say, read from the nearest one outwards. The first
    /// address that is not a trusted proxy is the client; what stands before it, the client may have written itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let values: Vec<&str> =
            headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
        let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        let mut client = peer;
        for hop in hops.take(HOPS_MAX) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        Proxies::parse(trusted).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(client("", "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "11.0.0.1", &["1.2.3.4"]), "11.0.0.1");
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_trusted_proxy() {
        let trusted = "10.0.0.0/8, 127.0.0.1";
        assert_eq!(client(trusted, "127.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(
            client(trusted, "10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"]),
            "1.2.3.4",
            "6.6.6.6 was made up"
        );
        assert_eq!(client(trusted, "10.0.0.1", &["6.6.6.6", "1.2.3.4,10.2.2.2"]), "1.2.3.4");
        assert_eq!(client(trusted, "::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_makes_no_sense_ends_the_search() {
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["1.2.3.4, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(Proxies::parse("10.0.0.0/8,elsewhere"), Err(NotANetwork("elsewhere".to_owned())));
    }
}
