//! Where the configuration says that keys come from.

use std::path::PathBuf;

/// Where keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Alibaba Cloud's own chain: the first that has one of the environment, OIDC, the CLI's profile, the SDKs' file,
    /// the instance's RAM role, and a URI.
    #[default]
    Default,
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID` and its companions.
    Environment,
    /// A file in the form of the CLI (`~/.aliyun/config.json`) or of the SDKs (`~/.alibabacloud/credentials`).
    File {
        /// Which.
        path: PathBuf,
        /// The profile or section in it; by default the environment's or the file's own choice.
        profile: Option<String>,
    },
    /// The RAM role of the instance.
    EcsRamRole {
        /// Its name; by default the service is asked.
        role_name: Option<String>,
    },
    /// `AssumeRoleWithOIDC` as RRSA sets it up: `ALIBABA_CLOUD_ROLE_ARN` and its companions.
    Oidc,
    /// The server at `ALIBABA_CLOUD_CREDENTIALS_URI`.
    Uri,
}
