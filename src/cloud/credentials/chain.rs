//! The places where a source looks, in their order.
//!
//! Source: `default` in the official SDKs' credentials packages (Go and Python), which agree on the order.

use std::path::{Path, PathBuf};

use super::origin::{Absence, Located, Origin};
use super::source::Source;
use super::{cli_profile, file, ini_profile, oidc, ram_role, uri};
use crate::base::access_key::AccessKey;
use crate::base::environment::Environment;

/// Looks at one place.
type Look<'a> = Box<dyn FnOnce() -> Result<Located, Absence> + 'a>;

/// The places of a source with their names in words. Each is looked at when its turn comes, not before.
pub(super) fn places<'a>(source: &'a Source, environment: &'a Environment) -> Vec<(&'static str, Look<'a>)> {
    let in_environment = || named("env", key_in_environment(environment));
    let by_oidc = || named("oidc_role_arn", oidc::from_environment(environment));
    let by_uri = || named("credential_uri", uri::from_environment(environment));
    match source {
        Source::Environment => vec![("environment", Box::new(in_environment))],
        Source::Oidc => vec![("OIDC", Box::new(by_oidc))],
        Source::Uri => vec![("credentials URI", Box::new(by_uri))],
        Source::File { path, profile } => {
            vec![("credentials file", Box::new(move || in_file(path, profile.as_deref(), environment)))]
        }
        Source::EcsRamRole { role_name } => {
            let look = move || named("ecs_ram_role", ram_role::origin(role_name.as_deref(), environment));
            vec![("RAM role", Box::new(look))]
        }
        Source::Default => vec![
            ("environment", Box::new(in_environment)),
            ("OIDC", Box::new(by_oidc)),
            ("CLI profile", Box::new(|| in_cli_profile(environment))),
            ("credentials file", Box::new(|| in_sdk_file(environment))),
            ("RAM role", Box::new(|| named("ecs_ram_role", ram_role::origin(None, environment)))),
            ("credentials URI", Box::new(by_uri)),
        ],
    }
}

fn named(name: &str, origin: Result<Origin, Absence>) -> Result<Located, Absence> {
    origin.map(|origin| Located { origin, name: name.to_owned() })
}

fn key_in_environment(environment: &Environment) -> Result<Origin, Absence> {
    let needed =
        |name: &str| environment.get(name).ok_or_else(|| Absence::unset(format!("{name} is not set")));
    let (id, secret) = (needed("ALIBABA_CLOUD_ACCESS_KEY_ID")?, needed("ALIBABA_CLOUD_ACCESS_KEY_SECRET")?);
    Ok(Origin::Key(match environment.get("ALIBABA_CLOUD_SECURITY_TOKEN") {
        Some(token) => AccessKey::temporary(id, secret, token, None),
        None => AccessKey::permanent(id, secret),
    }))
}

/// The file of the Alibaba Cloud CLI.
fn in_cli_profile(environment: &Environment) -> Result<Located, Absence> {
    const DISABLED: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
    if environment.is_true(DISABLED) {
        return Err(Absence::unset(format!("{DISABLED} is true")));
    }
    let given = environment.get("ALIBABA_CLOUD_CONFIG_FILE").map(PathBuf::from);
    let path = given.clone().or_else(|| in_home(environment, ".aliyun/config.json")).ok_or_else(homeless)?;
    if given.is_none() && !path.exists() {
        return Err(Absence::unset(format!("{} does not exist", path.display())));
    }
    in_file_as("cli_profile", &path, |text| cli_profile::parse(text, None, environment))
}

/// The file of the SDKs. Those for Go and for Python do not agree on its name.
fn in_sdk_file(environment: &Environment) -> Result<Located, Absence> {
    let parse = |text: &str| ini_profile::parse(text, None, environment);
    if let Some(path) = environment.get("ALIBABA_CLOUD_CREDENTIALS_FILE") {
        return in_file_as("profile", Path::new(path), parse);
    }
    let path = in_home(environment, ".alibabacloud/credentials").ok_or_else(homeless)?;
    let candidates = [path.clone(), path.with_extension("ini")];
    match candidates.iter().find(|path| path.exists()) {
        Some(path) => in_file_as("profile", path, parse),
        None => Err(Absence::unset(format!("{} does not exist", path.display()))),
    }
}

/// A file that is named in the configuration, of either form.
fn in_file(path: &Path, profile: Option<&str>, environment: &Environment) -> Result<Located, Absence> {
    let text = file::read(path).map_err(Absence::broken)?;
    let name = if cli_profile::is_one(&text) { "cli_profile" } else { "profile" };
    in_file_as(name, path, |text| match name {
        "cli_profile" => cli_profile::parse(text, profile, environment),
        _ => ini_profile::parse(text, profile, environment),
    })
}

fn in_file_as(
    name: &str,
    path: &Path,
    parse: impl FnOnce(&str) -> Result<Origin, Absence>,
) -> Result<Located, Absence> {
    let text = file::read(path).map_err(Absence::broken)?;
    let origin = parse(&text)
        .map_err(|absence| Absence { why: format!("{}: {}", path.display(), absence.why), ..absence })?;
    file::warn_if_open_to_others(path);
    let name = format!("{name}/{}", origin.name());
    Ok(Located { origin, name })
}

fn in_home(environment: &Environment, path: &str) -> Option<PathBuf> {
    environment.get("HOME").map(|home| Path::new(home).join(path))
}

fn homeless() -> Absence {
    Absence::unset("HOME is not set")
}

#[cfg(test)]
mod tests;
