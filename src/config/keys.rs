//! Every key of the `ipam` section, as data: what is known, and what README.md says of it.

use std::fmt;

use crate::base::suggestion::meant;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What holds without it, for people.
    pub default: &'static str,
}

const fn key(name: &'static str, default: &'static str) -> Key {
    Key { name, default }
}

/// All of them, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key("type", "required"),
    key("regionId", "instance metadata"),
    key("networkInterfaceId", "the ENI behind `interface`, from metadata"),
    key("interface", "the primary ENI"),
    key("interfaces", "none"),
    key("subnet", "instance metadata"),
    key("gateway", "below `ptp` the ENI's own primary address, otherwise instance metadata"),
    key("routes", "none"),
    key("resolvConf", "none"),
    key("ipv6", "`false`"),
    key("subnet6", "instance metadata"),
    key("gateway6", "below `ptp` the ENI's own primary address or `fe80::1`, otherwise instance metadata"),
    key("reserve", "`0`"),
    key("reuseDelaySeconds", "`120`"),
    key("foreignAddresses", "none"),
    key("waitForAddress", "`0`"),
    key("dataDir", "`/var/lib/cni/aliyun-eni-ipam`"),
    key("endpoint", "`https://ecs-vpc.<regionId>.aliyuncs.com`"),
    key("metadataEndpoint", "`http://100.100.100.200`"),
    key("allowInsecureEndpoint", "`false`"),
    key("caFile", "none"),
    key("proxy", "none"),
    key("credentials", "`default`: Alibaba Cloud's own chain"),
    key("signatureMethod", "`HMAC-SHA1`"),
    key("timeoutSeconds", "`25`"),
    key("onReleaseFailure", "`defer`"),
    key("gcGraceSeconds", "`60`"),
    key("statusFailsWhenFull", "`false`"),
    key("maxAddressesPerCall", "`32`"),
    key("metricsFile", "none"),
    key("logLevel", "`info`"),
    key("logFile", "`/var/log/aliyun-eni-ipam.log`"),
    key("logFormat", "`text`"),
];

/// What `credentials` may hold.
pub const CREDENTIALS_KEYS: &[&str] = &["source", "path", "profile", "roleName", "stsEndpoint"];

/// What people call a key who think of the console, or of another plugin, in lower case.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("eni", "networkInterfaceId"),
    ("eniid", "networkInterfaceId"),
    ("enis", "interfaces"),
    ("vswitch", "subnet"),
    ("vswitchcidr", "subnet"),
    ("cidr", "subnet"),
    ("accesskeyid", "credentials"),
    ("accesskeysecret", "credentials"),
    ("ramrole", "credentials"),
];

/// A key that this version does not know, with the one that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownKey {
    /// The key; with a dot for one inside an object.
    pub name: String,
    /// What was probably meant, written in the same way.
    pub meant: Option<String>,
}

impl UnknownKey {
    pub(super) fn of_ipam(name: &str) -> Option<Self> {
        // Nothing is looked for on the way of an ADD without such a key.
        if KEYS.iter().any(|key| key.name == name) {
            return None;
        }
        let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        let folded = name.to_ascii_lowercase();
        let also = ALSO_CALLED.iter().find(|(other, _)| *other == folded).map(|(_, key)| *key);
        let inner = || meant(name, CREDENTIALS_KEYS).map(|key| format!("credentials.{key}"));
        let meant = also.or_else(|| meant(name, &known)).map(str::to_owned).or_else(inner);
        Some(Self { name: name.to_owned(), meant })
    }

    pub(super) fn of_credentials(name: &str) -> Option<Self> {
        let of_credentials = |key: &str| format!("credentials.{key}");
        (!CREDENTIALS_KEYS.contains(&name)).then(|| Self {
            name: of_credentials(name),
            meant: meant(name, CREDENTIALS_KEYS).map(of_credentials),
        })
    }
}

impl UnknownKey {
    /// What the log says of it.
    pub(crate) fn warning(&self) -> String {
        let meant = self.meant.as_ref().map(|meant| format!("; did you mean ipam.{meant}?"));
        let name = &self.name;
        format!("ipam.{name} is unknown to this version and has no effect{}", meant.unwrap_or_default())
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.meant {
            Some(meant) => write!(f, "ipam.{name} (did you mean ipam.{meant}?)"),
            None => write!(f, "ipam.{name}"),
        }
    }
}
