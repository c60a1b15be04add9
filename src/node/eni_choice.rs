//! How an ENI is told from the others of this node.

use std::fmt;

use crate::base::eni::EniId;
use crate::config::AddressSettings;
use crate::failure::{Failure, Result};

use super::eni_link::mac_of;

/// How an ENI is told from the others of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EniChoice {
    /// By its id.
    Id(EniId),
    /// By the name of its link, which this key names.
    Link { name: String, key: &'static str },
    /// By its hardware address, in lower case. Its link is for people.
    Mac { mac: String, link: Option<String> },
    /// The instance's first.
    Primary,
}

impl EniChoice {
    /// The one of a network that has one; `None` if it has several.
    pub(super) fn of_one(settings: &AddressSettings) -> Option<Self> {
        if settings.interfaces.is_some() {
            return None;
        }
        Some(match (&settings.eni, &settings.interface) {
            (Some(eni), _) => Self::Id(eni.clone()),
            (None, Some(name)) => Self::Link { name: name.clone(), key: "interface" },
            (None, None) => Self::Primary,
        })
    }

    /// One of a network that names the links of several.
    pub(super) fn of_several(name: &str) -> Self {
        Self::Link { name: name.to_owned(), key: "interfaces" }
    }

    pub(super) fn id(&self) -> Option<&EniId> {
        if let Self::Id(eni) = self { Some(eni) } else { None }
    }

    /// The hardware address, as far as the choice says it.
    ///
    /// # Errors
    /// When there is no such link.
    pub(super) fn mac(&self) -> Result<Option<String>> {
        match self {
            Self::Id(_) | Self::Primary => Ok(None),
            Self::Mac { mac, .. } => Ok(Some(mac.clone())),
            Self::Link { name, key } => match mac_of(name) {
                Ok(mac) => Ok(Some(mac)),
                Err(error) => Err(Failure::Interface { key, name: name.clone(), error }),
            },
        }
    }

    /// A name for a file of what is known of the ENI.
    pub(super) fn file_name(&self) -> String {
        match self {
            Self::Id(eni) => eni.to_string(),
            Self::Link { name, .. } => format!("of-interface-{name}"),
            Self::Mac { mac, .. } => format!("of-mac-{}", mac.replace(':', "-")),
            Self::Primary => "of-primary".to_owned(),
        }
    }
}

impl fmt::Display for EniChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(eni) => write!(f, "{eni}"),
            Self::Link { name, .. } | Self::Mac { link: Some(name), .. } => f.write_str(name),
            Self::Mac { mac, link: None } => write!(f, "the ENI with the MAC address {mac}"),
            Self::Primary => f.write_str("the primary ENI"),
        }
    }
}
