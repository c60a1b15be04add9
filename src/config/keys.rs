//! Every key of the `ipam` section, as data: what is known, and what README.md says of it.

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
    key("subnet", "instance metadata"),
    key("gateway", "instance metadata"),
    key("routes", "none"),
    key("resolvConf", "none"),
    key("ipv6", "`false`"),
    key("subnet6", "instance metadata"),
    key("gateway6", "instance metadata"),
    key("foreignAddresses", "none"),
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
    key("maxAddressesPerCall", "`10`"),
    key("metricsFile", "none"),
    key("logLevel", "`info`"),
    key("logFile", "`/var/log/aliyun-eni-ipam.log`"),
];

/// What `credentials` may hold.
pub(super) const OF_CREDENTIALS: &[&str] = &["source", "path", "profile", "roleName"];
