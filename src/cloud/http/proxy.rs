//! The way through a proxy, where one is set.

use crate::base::text::clean;

/// Which proxy requests to the API take. Those to the instance metadata never take one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// None. The environment that a container runtime passes on is not a decision of the node's owner.
    #[default]
    None,
    /// What `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    Environment,
    /// This one.
    Url(ProxyUrl),
}

/// A proxy to which `CONNECT` is sent, with its user and password if it has them. `Debug` hides these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl(ureq::Proxy);

/// A text that names no proxy. It is not repeated in the message: a proxy's URL may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy must be \"env\" or a URL such as http://proxy.example.com:3128; SOCKS is not supported")]
pub struct InvalidProxy;

impl Proxy {
    /// Reads `env` or a URL such as `http://user:password@proxy.example.com:3128`.
    ///
    /// # Errors
    /// For other texts, and for SOCKS proxies.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        if text == "env" {
            return Ok(Self::Environment);
        }
        // Without a scheme, a mistyped `env` would be a host.
        if !text.contains("://") {
            return Err(InvalidProxy);
        }
        let proxy = ureq::Proxy::new(text).map_err(|_| InvalidProxy)?;
        if is_http(&proxy) { Ok(Self::Url(ProxyUrl(proxy))) } else { Err(InvalidProxy) }
    }

    /// The proxy to take, looked up where that is asked for.
    pub(super) fn resolve(&self) -> Result<Option<ureq::Proxy>, String> {
        match self {
            Self::None => Ok(None),
            Self::Url(ProxyUrl(proxy)) => Ok(Some(proxy.clone())),
            Self::Environment => match ureq::Proxy::try_from_env() {
                Some(proxy) if !is_http(&proxy) => {
                    let host = clean(proxy.host(), 100);
                    Err(format!(
                        "the proxy {host} of the environment is not an HTTP proxy; other kinds are not supported"
                    ))
                }
                proxy => Ok(proxy),
            },
        }
    }
}

/// ureq is built without its SOCKS part.
fn is_http(proxy: &ureq::Proxy) -> bool {
    matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_or_the_environment() {
        assert_eq!(Proxy::parse("env"), Ok(Proxy::Environment));
        assert!(matches!(Proxy::parse("http://proxy.example.com:3128"), Ok(Proxy::Url(_))));
        assert!(matches!(Proxy::parse("https://u:p@proxy.example.com"), Ok(Proxy::Url(_))));
        for text in [
            "",
            "evn",
            "proxy.example.com:3128",
            "socks5://proxy.example.com",
            "ftp://proxy.example.com",
            "http://",
        ] {
            assert_eq!(Proxy::parse(text), Err(InvalidProxy), "{text:?}");
        }
    }

    #[test]
    fn a_dump_of_a_proxy_shows_no_password() {
        let dump = format!("{:?}", Proxy::parse("http://user:swordfish@proxy.example.com").unwrap());
        assert!(dump.contains("proxy.example.com") && !dump.contains("swordfish"), "{dump}");
    }
}
