//! The variables that Alibaba Cloud's SDKs obey, taken once.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;

use crate::base::user::own_user;

/// Variables by name. Some hold secrets, so `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's own: those that begin with `ALIBABA_CLOUD_`, and `HOME`, which for root has a default.
    #[must_use]
    pub fn inherited() -> Self {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let mut environment: Self = env::vars_os().filter_map(text).collect();
        // A container runtime that systemd started has no HOME; the SDKs then look up root's.
        if environment.get("HOME").is_none() && own_user().is_ok_and(|user| user == 0) {
            environment.0.insert("HOME".to_owned(), "/root".to_owned());
        }
        environment
    }

    /// A variable that is set to something.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a switch is on, by the SDKs' rule: `true`, in either case.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let all = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(
            all.filter(|(name, _): &(String, _)| name == "HOME" || name.starts_with("ALIBABA_CLOUD_"))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_no_value() {
        let environment: Environment =
            [("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "swordfish"), ("PATH", "/bin")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), "{\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\"}");
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        let environment: Environment =
            [("ALIBABA_CLOUD_PROFILE", ""), ("ALIBABA_CLOUD_IMDSV1_DISABLED", "True")].into_iter().collect();
        assert_eq!(environment.get("ALIBABA_CLOUD_PROFILE"), None);
        assert!(environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED"));
    }
}
