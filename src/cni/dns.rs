//! DNS settings of a result (SPEC section 5, "ADD Success").

use serde::{Deserialize, Serialize};

/// What the container's resolver is to use. Runtimes on Kubernetes ignore it; the kubelet decides there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Addresses of name servers, the preferred one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains to search, the preferred one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// The settings in a text of the form of `/etc/resolv.conf`. As for a resolver, a line that makes no sense is no
    /// error; as for the `host-local` plugin, several `search` or `options` lines add up.
    #[must_use]
    pub fn from_resolv_conf(text: &str) -> Self {
        let mut dns = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace().take_while(|word| !word.starts_with(['#', ';']));
            let keyword = words.next();
            let mut words = words.map(str::to_owned);
            match keyword {
                Some("nameserver") => dns.nameservers.extend(words.next()),
                Some("domain") => dns.domain = words.next().unwrap_or(dns.domain),
                Some("search") => dns.search.extend(words),
                Some("options") => dns.options.extend(words),
                _ => {}
            }
        }
        dns
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resolv_conf_is_read() {
        let text = "# comment\n; another\n\nnameserver 100.100.2.136\n\tnameserver  100.100.2.138 # second\n\
                    domain example.com\nsearch a.example b.example\nsearch c.example\n\
                    options ndots:2 timeout:1\noptions rotate\nsortlist 10.0.0.0\nnameserver\ndomain\n";
        let dns = Dns::from_resolv_conf(text);
        let document = json!({
            "nameservers": ["100.100.2.136", "100.100.2.138"],
            "domain": "example.com",
            "search": ["a.example", "b.example", "c.example"],
            "options": ["ndots:2", "timeout:1", "rotate"],
        });
        assert_eq!(serde_json::to_value(&dns).unwrap(), document);
        assert_eq!(serde_json::from_value::<Dns>(document).unwrap(), dns);
    }

    #[test]
    fn a_text_that_is_no_resolv_conf_has_no_settings() {
        for text in ["", "\n\n", "#nameserver 10.0.0.1", "garbage", "name server 10.0.0.1", "\0"] {
            assert!(Dns::from_resolv_conf(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn empty_settings_are_omitted() {
        assert_eq!(serde_json::to_value(Dns::default()).unwrap(), json!({}));
        let dns = Dns { domain: "example.com".to_owned(), ..Dns::default() };
        assert_eq!(serde_json::to_value(&dns).unwrap(), json!({"domain": "example.com"}));
        assert!(!dns.is_empty());
    }
}
