//! Reading JSON in another way than the plugin does: every key counts, however often it stands in its object.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    /// A number, `true`, `false` or `null`.
    Other,
}

impl Tree {
    /// Reads the whole of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What stands at `key` of this object, once for each time that the key does.
    pub(crate) fn at<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a Self> {
        let keys = if let Self::Object(keys) = self { keys.as_slice() } else { &[] };
        keys.iter().filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text that this is, or the texts in the list that this is.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => {
                items.iter().filter(|item| matches!(item, Self::Text(_))).flat_map(Self::texts).collect()
            }
            _ => Vec::new(),
        }
    }

    /// This and every value in it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let inner: Vec<&Self> = match self {
            Self::List(items) => items.iter().collect(),
            Self::Object(keys) => keys.iter().map(|(_, value)| value).collect(),
            Self::Text(_) | Self::Other => Vec::new(),
        };
        std::iter::once(self).chain(inner.into_iter().flat_map(Self::all)).collect()
    }

    /// The addresses that it names anywhere under the API's keys for addresses.
    pub(crate) fn addresses(&self) -> BTreeSet<IpAddr> {
        let named =
            self.all().into_iter().flat_map(|it| it.at("PrivateIpAddress").chain(it.at("Ipv6Address")));
        named.flat_map(Self::texts).filter_map(|text| text.parse().ok()).collect()
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            keys.push(entry);
        }
        Ok(Tree::Object(keys))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other)
    }
}

#[test]
fn a_key_that_stands_there_twice_counts_twice() {
    let tree = Tree::read(br#"{"PrivateIpAddress":"10.0.0.1","x":[{"PrivateIpAddress":["10.0.0.2",7]}],"PrivateIpAddress":"10.0.0.3"}"#);
    let expected = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|address| address.parse().unwrap());
    assert_eq!(tree.unwrap().addresses(), BTreeSet::from(expected));
}
