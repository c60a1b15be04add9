//! Where the API is: `scheme://host[:port]`, given or derived from the region.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr as _;

use ureq::http::Uri;

use crate::base::region::RegionId;

/// A server of the API, of STS or of the instance metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    /// As in a URL: a name, an IPv4 address, or an IPv6 address in brackets; lower case.
    host: String,
    /// Where it is not the scheme's own.
    port: Option<u16>,
}

/// Which server of the ECS API is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// `ecs-vpc.<region>.aliyuncs.com`, reachable from every instance of the region without access to the internet.
    #[default]
    Vpc,
    /// The public server, whose name does not follow from the region's everywhere.
    Public,
    /// This one, whatever the region.
    At(Endpoint),
}

/// Why an endpoint cannot be used. It does not repeat the URL, which may have a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEndpoint(&'static str);

impl Endpoint {
    /// Reads a URL without path, user or query. Requests carry signatures and tokens and decide about addresses, so
    /// plain `http` is for the own host alone, unless `allow_insecure`.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(url: &str, allow_insecure: bool) -> Result<Self, InvalidEndpoint> {
        let endpoint = Self::parse_any(url)?;
        if endpoint.scheme == "http" && !allow_insecure && !endpoint.is_loopback() {
            let problem = "plain http is allowed only on loopback; use https, or set ipam.allowInsecureEndpoint to true";
            return Err(InvalidEndpoint(problem));
        }
        Ok(endpoint)
    }

    /// Reads a URL whose scheme is the caller's business: the metadata service speaks plain http.
    ///
    /// # Errors
    /// For a text that is no such URL.
    pub fn parse_any(url: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = |problem| InvalidEndpoint(problem);
        let form = "it should look like https://host or https://host:port";
        let uri = Uri::from_str(url).map_err(|_| invalid(form))?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            _ => return Err(invalid(form)),
        };
        let authority = uri.authority().ok_or_else(|| invalid(form))?;
        if authority.as_str().contains('@') {
            return Err(invalid("it must not contain a user name"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
            return Err(invalid("it must not have a path or a query"));
        }
        let host = authority.host().to_ascii_lowercase();
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name_or_ipv4(&host),
        };
        if !valid {
            return Err(invalid("its host must be a name or an IP address (IPv6 in brackets)"));
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| invalid("its port must be a number from 1 to 65535"))?,
            ),
            None => None,
        };
        Ok(Self { scheme, host, port: port.filter(|port| *port != default_port(scheme)) })
    }

    /// A server that is asked without TLS: the metadata service.
    pub(crate) fn http(host: &str) -> Self {
        Self { scheme: "http", host: host.to_owned(), port: None }
    }

    /// A server of Alibaba Cloud's, by name.
    pub(crate) fn https(host: String) -> Self {
        Self { scheme: "https", host, port: None }
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme
    }

    /// The host, with the port where it is not the scheme's own: the value of a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Whether requests stay on this host.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn is_name_or_ipv4(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=253).contains(&host.len())
        && host.bytes().all(allowed)
        && !host.starts_with('.')
        && !host.contains("..")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

impl Choice {
    /// Reads `vpc`, `public` or a URL.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn parse(text: &str, allow_insecure: bool) -> Result<Self, InvalidEndpoint> {
        match text {
            "vpc" => Ok(Self::Vpc),
            "public" => Ok(Self::Public),
            url => Endpoint::parse(url, allow_insecure).map(Self::At),
        }
    }

    /// The server to call for a resource of `region`.
    #[must_use]
    pub fn endpoint(&self, region: &RegionId) -> Endpoint {
        match self {
            Self::Vpc => Endpoint::https(format!("ecs-vpc.{region}.aliyuncs.com")),
            Self::Public => Endpoint::https(public_host(region)),
            Self::At(endpoint) => endpoint.clone(),
        }
    }
}

/// The public servers that do not follow the rule `ecs.<region>.aliyuncs.com`: `_endpoint_map` of the official SDK
/// (`alibabacloud_ecs20140526` 7.11.8), the regions that customers can have. The map is about public servers alone; the
/// VPC servers follow their rule everywhere, as alibaba-cloud-sdk-go has it.
const PUBLIC_EXCEPTIONS: [(&str, &[&str]); 5] = [
    (
        "ecs-cn-hangzhou.aliyuncs.com",
        &["cn-hangzhou", "cn-shanghai-finance-1", "cn-shenzhen-finance-1", "cn-fujian"],
    ),
    (
        "ecs.aliyuncs.com",
        &[
            "cn-north-2-gov-1",
            "cn-beijing-gov-1",
            "cn-hangzhou-finance",
            "cn-wuhan",
            "cn-zhangbei",
            "cn-yushanfang",
        ],
    ),
    ("ecs.cn-qingdao-nebula.aliyuncs.com", &["cn-edge-1", "cn-huhehaote-nebula-1", "cn-zhengzhou-nebula-1"]),
    ("ecs.cn-zhangjiakou.aliyuncs.com", &["cn-zhangjiakou-na62-a01"]),
    ("ecs.cn-shenzhen-cloudstone.aliyuncs.com", &["eu-west-1-oxs"]),
];

fn public_host(region: &RegionId) -> String {
    let exception = PUBLIC_EXCEPTIONS.iter().find(|(_, regions)| regions.contains(&region.as_str()));
    exception.map_or_else(|| format!("ecs.{region}.aliyuncs.com"), |(host, _)| (*host).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(id: &str) -> RegionId {
        RegionId::try_from(id.to_owned()).unwrap()
    }

    #[test]
    fn a_url_is_reduced_to_what_is_dialled() {
        for (url, expected) in [
            ("https://ecs.example.com", "https://ecs.example.com"),
            ("https://ECS.example.com:443/", "https://ecs.example.com"),
            ("https://ecs.example.com:8443", "https://ecs.example.com:8443"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://localhost:80", "http://localhost"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(
                Endpoint::parse(url, false).map(|endpoint| endpoint.to_string()),
                Ok(expected.to_owned())
            );
        }
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_with_its_reason() {
        for (url, reason) in [
            ("", "it should look like"),
            ("ecs.example.com", "it should look like"),
            ("ftp://ecs.example.com", "it should look like"),
            ("https://", "it should look like"),
            ("https://ecs.example.com/path", "path"),
            ("https://ecs.example.com?Action=x", "path or a query"),
            ("https://ecs.example.com/#x", "path or a query"),
            ("https://ecs.example.com:0", "port"),
            ("https://ecs.example.com:99999", ""),
            ("https://ecs..example.com", "host"),
            ("https://2001:db8::1", ""),
            ("https://[::1", ""),
            ("https://[nonsense]", "host"),
            ("http://ecs.example.com", "plain http"),
            ("http://10.0.0.1:8080", "plain http"),
            ("http://[2001:db8::1]", "plain http"),
            ("http://127.0.0.1.example.com", "plain http"),
        ] {
            let error = Endpoint::parse(url, false).expect_err(url).to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
        assert!(Endpoint::parse("http://10.0.0.1:8080", true).is_ok());
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let error = Endpoint::parse("https://user:password@ecs.example.com", false).unwrap_err().to_string();
        assert!(
            error.contains("user") && !error.contains("password@") && !error.contains("user:"),
            "{error}"
        );
    }

    #[test]
    fn the_vpc_server_follows_the_region_everywhere() {
        for id in ["cn-hangzhou", "cn-beijing", "cn-shanghai-finance-1"] {
            assert_eq!(Choice::Vpc.endpoint(&region(id)).authority(), format!("ecs-vpc.{id}.aliyuncs.com"));
        }
    }

    #[test]
    fn the_public_server_follows_the_region_with_exceptions() {
        for (id, host) in [
            ("cn-beijing", "ecs.cn-beijing.aliyuncs.com"),
            ("ap-southeast-7", "ecs.ap-southeast-7.aliyuncs.com"),
            ("cn-hangzhou", "ecs-cn-hangzhou.aliyuncs.com"),
            ("cn-shenzhen-finance-1", "ecs-cn-hangzhou.aliyuncs.com"),
            ("cn-north-2-gov-1", "ecs.aliyuncs.com"),
            ("cn-edge-1", "ecs.cn-qingdao-nebula.aliyuncs.com"),
        ] {
            assert_eq!(Choice::Public.endpoint(&region(id)).authority(), host);
        }
    }

    #[test]
    fn a_choice_is_a_word_or_a_url() {
        assert_eq!(Choice::parse("vpc", false), Ok(Choice::Vpc));
        assert_eq!(Choice::parse("public", false), Ok(Choice::Public));
        let given = Choice::parse("https://ecs.example.com", false).unwrap();
        assert_eq!(given.endpoint(&region("cn-beijing")).to_string(), "https://ecs.example.com");
        assert!(Choice::parse("private", false).is_err());
    }
}
