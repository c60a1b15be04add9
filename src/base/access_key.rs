//! Keys, and a text that does not show itself.

use std::fmt;
use std::time::SystemTime;

/// A text that must not reach a log, an error or a dump: it has no `Display` and no `Serialize`, and its `Debug` hides
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for a signature, a request's token or the cache. Whoever asks answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What signs a request: what Alibaba Cloud calls an `AccessKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The id of the key. Not a secret: the cloud's own log and error messages show it.
    pub access_key_id: String,
    /// The key.
    pub access_key_secret: Secret,
    /// The token that belongs to a temporary key.
    pub security_token: Option<Secret>,
    /// When a temporary key ends.
    pub expires: Option<SystemTime>,
}

impl AccessKey {
    /// A key that does not end.
    #[must_use]
    pub fn permanent(access_key_id: &str, access_key_secret: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            access_key_secret: Secret::new(access_key_secret),
            security_token: None,
            expires: None,
        }
    }

    /// A key that ends and needs its token.
    #[must_use]
    pub fn temporary(
        access_key_id: &str,
        access_key_secret: &str,
        security_token: &str,
        expires: Option<SystemTime>,
    ) -> Self {
        let security_token = Some(Secret::new(security_token));
        Self { security_token, expires, ..Self::permanent(access_key_id, access_key_secret) }
    }
}

/// A key, and how it was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: AccessKey,
    /// Its source, by the name that Alibaba Cloud's SDKs have for it: `env`, `oidc_role_arn`, `cli_profile/static_ak`,
    /// `profile/ram_role_arn/static_ak`, `ecs_ram_role`, `credential_uri`.
    pub source: String,
    /// Whether an earlier process got it.
    pub cached: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_of_credentials_shows_no_secret() {
        let dump = format!("{:#?}", AccessKey::temporary("STS.id", "the-key", "the-token", None));
        assert!(dump.contains("STS.id"));
        assert!(!dump.contains("the-key") && !dump.contains("the-token"), "{dump}");
    }
}
