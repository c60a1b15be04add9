//! The parameters of a call, which come in environment variables (SPEC section 2, "Parameters").

use std::env;
use std::ffi::{OsStr, OsString};

use super::attachment::{container_id, ifname};
use super::cni_args::pod_of;
use super::{Code, Error};
use crate::base::attachment::{Attachment, Pod};

/// The `CNI_*` variables as the process got them. An empty one is the same as none.
///
/// `CNI_PATH` is not among them: an IPAM plugin starts no other plugin, so its absence is accepted, other than by
/// plugins on the Go library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: Option<OsString>,
    /// `CNI_CONTAINERID`.
    pub container_id: Option<OsString>,
    /// `CNI_NETNS`.
    pub netns: Option<OsString>,
    /// `CNI_IFNAME`.
    pub ifname: Option<OsString>,
    /// `CNI_ARGS`.
    pub args: Option<OsString>,
}

/// An operation other than VERSION, with the parameters that it needs, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Add { attachment: Attachment },
    Del { attachment: Attachment },
    Check { attachment: Attachment },
    Status,
    Gc,
    Unknown { command: String },
}

impl Environment {
    /// The variables of this process. The only place that reads them.
    #[must_use]
    pub fn from_process() -> Self {
        Self {
            command: env::var_os("CNI_COMMAND"),
            container_id: env::var_os("CNI_CONTAINERID"),
            netns: env::var_os("CNI_NETNS"),
            ifname: env::var_os("CNI_IFNAME"),
            args: env::var_os("CNI_ARGS"),
        }
    }

    /// Whether this is a CNI call at all, and not a person who looks what the program does.
    #[must_use]
    pub fn has_command(&self) -> bool {
        given(self.command.as_ref()).is_some()
    }

    /// Whether the operation is VERSION, which has no parameters.
    pub(super) fn asks_for_version(&self) -> bool {
        self.command.as_deref() == Some(OsStr::new("VERSION"))
    }

    /// The operation that is asked for. Parameters that it does not need are not looked at.
    pub(super) fn request(&self) -> Result<Request, Error> {
        let Some(command) = given(self.command.as_ref()) else {
            return Err(missing(&["CNI_COMMAND"]));
        };
        Ok(match command.to_str() {
            Some("ADD") => {
                let attachment = self.attachment(Netns::Required)?;
                // Nobody here uses the namespace, but a runtime that mangles it should hear of it.
                text("CNI_NETNS", self.netns.as_ref())?;
                Request::Add { attachment }
            }
            Some("DEL") => Request::Del { attachment: self.attachment(Netns::Optional)? },
            Some("CHECK") => Request::Check { attachment: self.attachment(Netns::Required)? },
            Some("STATUS") => Request::Status,
            Some("GC") => Request::Gc,
            _ => Request::Unknown { command: command.to_string_lossy().into_owned() },
        })
    }

    /// `CNI_ARGS` as text, empty when there is none.
    pub(super) fn args(&self) -> Result<&str, Error> {
        Ok(text("CNI_ARGS", self.args.as_ref())?.unwrap_or_default())
    }

    /// The pod that `CNI_ARGS` names, for the log: whatever else is there, and whatever is wrong with it, is not looked at.
    #[must_use]
    pub fn pod(&self) -> Option<Pod> {
        let args = given(self.args.as_ref())?.to_str()?;
        pod_of(args.split(';').filter_map(|pair| pair.split_once('=')))
    }

    /// An invalid value is reported before missing ones, and missing ones all at once.
    fn attachment(&self, netns: Netns) -> Result<Attachment, Error> {
        let container_id =
            text("CNI_CONTAINERID", self.container_id.as_ref())?.map(container_id).transpose()?;
        let has_netns = netns == Netns::Optional || given(self.netns.as_ref()).is_some();
        let ifname = text("CNI_IFNAME", self.ifname.as_ref())?.map(ifname).transpose()?;
        match (container_id, has_netns, ifname) {
            (Some(container_id), true, Some(ifname)) => Ok(Attachment { container_id, ifname }),
            (container_id, has_netns, ifname) => {
                let variables = [
                    ("CNI_CONTAINERID", container_id.is_some()),
                    ("CNI_NETNS", has_netns),
                    ("CNI_IFNAME", ifname.is_some()),
                ];
                Err(missing(&variables.map(|(name, there)| if there { "" } else { name })))
            }
        }
    }
}

pub(super) fn unknown_command(command: &str) -> Error {
    Error::new(Code::INVALID_ENVIRONMENT, format!("unknown CNI_COMMAND: {command}"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Netns {
    Required,
    Optional,
}

fn given(value: Option<&OsString>) -> Option<&OsStr> {
    value.map(OsString::as_os_str).filter(|value| !value.is_empty())
}

fn text<'a>(name: &str, value: Option<&'a OsString>) -> Result<Option<&'a str>, Error> {
    given(value)
        .map(|value| {
            value.to_str().ok_or_else(|| {
                Error::new(Code::INVALID_ENVIRONMENT, format!("{name} is not valid UTF-8"))
                    .with_details(value.to_string_lossy())
            })
        })
        .transpose()
}

fn missing(names: &[&str]) -> Error {
    let names: Vec<_> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    let msg = format!("required env variables [{}] missing", names.join(","));
    Error::new(Code::INVALID_ENVIRONMENT, msg)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn environment(command: &str, container_id: &str, netns: &str, ifname: &str) -> Environment {
        Environment {
            command: Some(command.into()),
            container_id: Some(container_id.into()),
            netns: Some(netns.into()),
            ifname: Some(ifname.into()),
            args: None,
        }
    }

    fn refusal(environment: &Environment) -> (u32, String) {
        let error = environment.request().unwrap_err();
        (error.code.0, error.msg)
    }

    #[test]
    fn each_operation_asks_for_the_parameters_it_needs_and_no_more() {
        let needs_all = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing";
        let needs_attachment = "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing";
        for (command, msg) in [("ADD", needs_all), ("CHECK", needs_all), ("DEL", needs_attachment)] {
            let expected = (4, msg.to_owned());
            assert_eq!(refusal(&environment(command, "", "", "")), expected);
            let unset = Environment { command: Some(command.into()), ..Environment::default() };
            assert_eq!(refusal(&unset), expected);
        }
        assert_eq!(environment("STATUS", "", "", "").request(), Ok(Request::Status));
        assert_eq!(environment("GC", "", "", "").request(), Ok(Request::Gc));
        assert!(environment("VERSION", "", "", "").asks_for_version());
    }

    #[test]
    fn a_missing_variable_is_named() {
        for (container_id, netns, ifname, names) in [
            ("", "/n", "eth0", "CNI_CONTAINERID"),
            ("c", "", "eth0", "CNI_NETNS"),
            ("c", "/n", "", "CNI_IFNAME"),
            ("c", "", "", "CNI_NETNS,CNI_IFNAME"),
        ] {
            let expected = (4, format!("required env variables [{names}] missing"));
            assert_eq!(refusal(&environment("ADD", container_id, netns, ifname)), expected);
        }
    }

    #[test]
    fn del_works_without_a_network_namespace() {
        let request = environment("DEL", "c", "", "eth0").request();
        assert!(matches!(request, Ok(Request::Del { attachment }) if attachment.to_string() == "c/eth0"));
    }

    #[test]
    fn any_network_namespace_will_do() {
        for netns in ["/var/run/netns/x", "hyper-v-guid", "../..", " "] {
            let request = environment("ADD", "c", netns, "eth0").request();
            assert!(matches!(request, Ok(Request::Add { .. })), "{netns}");
        }
    }

    #[test]
    fn an_invalid_value_is_reported_before_missing_ones() {
        let expected = (4, "invalid characters in containerID".to_owned());
        assert_eq!(refusal(&environment("ADD", "../c", "", "")), expected);
        let expected = (4, "interface name is . or ..".to_owned());
        assert_eq!(refusal(&environment("ADD", "", "", "..")), expected);
    }

    #[test]
    fn operations_without_an_attachment_ignore_an_invalid_one() {
        for command in ["GC", "STATUS"] {
            assert!(environment(command, "../c", "", "a/b").request().is_ok());
        }
    }

    #[test]
    fn operations_are_case_sensitive() {
        for command in ["add", "Del", "FOO", "ADD ", "UPDATE", "version"] {
            assert!(!environment(command, "", "", "").asks_for_version());
            let request = environment(command, "c", "/n", "eth0").request();
            assert_eq!(request, Ok(Request::Unknown { command: command.to_owned() }));
        }
    }

    #[test]
    fn no_operation_is_a_missing_variable() {
        let unset = Environment::default();
        let empty = environment("", "c", "/n", "eth0");
        for environment in [unset, empty] {
            assert!(!environment.has_command());
            assert_eq!(refusal(&environment), (4, "required env variables [CNI_COMMAND] missing".to_owned()));
        }
        assert!(environment("FOO", "", "", "").has_command());
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_refused_where_it_is_needed() {
        let broken = || Some(OsString::from_vec(b"a\xff".to_vec()));
        let valid = environment("ADD", "c", "/n", "eth0");
        for (environment, name) in [
            (Environment { container_id: broken(), ..valid.clone() }, "CNI_CONTAINERID"),
            (Environment { netns: broken(), ..valid.clone() }, "CNI_NETNS"),
            (Environment { ifname: broken(), ..valid.clone() }, "CNI_IFNAME"),
        ] {
            assert_eq!(refusal(&environment), (4, format!("{name} is not valid UTF-8")));
        }
        let del = Environment { netns: broken(), ..environment("DEL", "c", "", "eth0") };
        assert!(del.request().is_ok());
        let unknown = Environment { command: broken(), ..valid };
        assert_eq!(unknown.request(), Ok(Request::Unknown { command: "a\u{fffd}".to_owned() }));
    }
}
