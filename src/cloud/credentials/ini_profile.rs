//! The SDKs' own file of profiles: `~/.alibabacloud/credentials`.
//!
//! Source: `profile` in the official SDKs' credentials packages.

use std::collections::BTreeMap;

use super::origin::{Absence, AssumedRole, Origin, RoleSessionParts};
use super::{oidc, ram_role};
use crate::base::access_key::AccessKey;
use crate::base::environment::Environment;

/// The origin that a section names: the given one, the environment's, or `default`.
pub(super) fn parse(text: &str, section: Option<&str>, environment: &Environment) -> Result<Origin, Absence> {
    let name = section.or_else(|| environment.get("ALIBABA_CLOUD_PROFILE")).unwrap_or("default");
    let broken = |why: &str| Absence::broken(format!("section [{name}]: {why}"));
    let within = |absence: Absence| broken(&absence.why);
    let section = read_section(text, name).map_err(Absence::broken)?;
    let section = section.ok_or_else(|| broken("this section does not exist"))?;
    let value = |key: &str| section.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let needed = |key: &str| value(key).ok_or_else(|| broken(&format!("it has no {key}")));
    let key = || Ok(AccessKey::permanent(needed("access_key_id")?, needed("access_key_secret")?));
    let session = || RoleSessionParts {
        role_arn: value("role_arn"),
        name: value("role_session_name"),
        policy: value("policy"),
        ..RoleSessionParts::default()
    };
    match needed("type")? {
        "access_key" => key().map(Origin::Key),
        "ecs_ram_role" => ram_role::origin(value("role_name"), environment).map_err(within),
        "ram_role_arn" => {
            let session = session().complete(environment).map_err(within)?;
            Ok(Origin::Assumed(Box::new(AssumedRole { by: Origin::Key(key()?), session })))
        }
        "oidc_role_arn" => {
            oidc::role(value("oidc_provider_arn"), value("oidc_token_file_path"), session(), environment)
                .map_err(within)
        }
        other => Err(broken(&format!("type {other:?} is not supported"))),
    }
}

/// The keys and values of one section; nothing when there is no such section. A file with a line that says nothing, in
/// whichever section, is not read at all: so do the SDKs, and what they do not read must not choose another account here.
fn read_section(text: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, String> {
    let mut wanted = None;
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            inside = header.trim() == name && wanted.is_none();
            if inside {
                wanted = Some(BTreeMap::new());
            }
            continue;
        }
        // The line may hold a secret, so it is not repeated.
        let problem = || format!("line {number} is neither a [section] nor key = value");
        let (key, value) = line.split_once(['=', ':']).ok_or_else(problem)?;
        if let Some(section) = wanted.as_mut().filter(|_| inside) {
            // No key or role has a # in it, so what follows one is a comment.
            let value = value.split('#').next().unwrap_or_default().trim();
            section.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
# keys
[default]
enable = true
type = access_key            # the simplest
access_key_id = AK1
access_key_secret: s1

[node]
type=ecs_ram_role
role_name=NodeRole
[role]
Type = ram_role_arn
access_key_id = AK1
access_key_secret = s1
role_arn = acs:ram::1:role/a
role_session_name = me
[pod]
type = oidc_role_arn
role_arn = acs:ram::1:role/b
oidc_provider_arn = p
oidc_token_file_path = /t
[pair]
type = rsa_key_pair
[half]
type = access_key
access_key_id = AK1
";

    #[test]
    fn each_type_names_its_origin() {
        for (section, name, identity) in [
            (None, "static_ak", "key AK1"),
            (Some("node"), "ecs_ram_role", "ecs_ram_role NodeRole"),
            (Some("role"), "ram_role_arn/static_ak", "role/a me 3600"),
            (Some("pod"), "oidc_role_arn", "role/b"),
        ] {
            let origin = parse(FILE, section, &Environment::default()).unwrap();
            assert_eq!(origin.name(), name);
            assert!(origin.identity().contains(identity), "{}", origin.identity());
        }
    }

    #[test]
    fn a_section_that_cannot_be_used_says_why() {
        for (section, words) in
            [("pair", "rsa_key_pair"), ("half", "access_key_secret"), ("other", "does not exist")]
        {
            let absence = parse(FILE, Some(section), &Environment::default()).unwrap_err();
            assert!(absence.why.contains(words) && absence.why.contains(section), "{absence:?}");
        }
    }

    #[test]
    fn a_file_with_a_line_that_says_nothing_is_refused_without_repeating_it() {
        for text in [format!("{FILE}swordfish\n"), FILE.replacen("[pair]", "swordfish", 1)] {
            let absence = parse(&text, None, &Environment::default()).unwrap_err();
            assert!(absence.configured && absence.why.starts_with("line "), "{absence:?}");
            assert!(!absence.why.contains("swordfish"), "{absence:?}");
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for text in ["", "[", "[]", "[default", "=", "[default]\n=\n:\n", "\u{feff}[default]"] {
            assert!(parse(text, None, &Environment::default()).is_err(), "{text:?}");
        }
    }
}
