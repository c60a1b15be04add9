//! An address that a pod asks for (CONVENTIONS.md of the CNI project).

use std::net::IpAddr;
use std::str::FromStr;

/// An address that is asked for, `<ip>[/<prefix>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRequest {
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix, where one is given.
    pub prefix: Option<u8>,
}

impl FromStr for AddressRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid IP address {text}");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map(|prefix| prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(invalid))
            .transpose()?;
        Ok(Self { address, prefix })
    }
}
