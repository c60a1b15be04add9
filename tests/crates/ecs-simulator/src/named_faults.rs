//! Faults that a person switches on by name.

use crate::faults::{Effect, Fault};

/// A fault with a name: what the program's option `--fault` and the control API's `POST fault/NAME` take.
#[derive(Clone, Copy, Debug)]
pub struct NamedFault {
    /// The name.
    pub name: &'static str,
    /// What then happens.
    pub meaning: &'static str,
    faults: fn() -> Vec<Fault>,
}

impl NamedFault {
    /// Every fault that has a name.
    pub const ALL: &[Self] = &[
        Self {
            name: "outage",
            meaning: "every request is answered 503 ServiceUnavailable",
            faults: || vec![Fault::code("ServiceUnavailable")],
        },
        Self {
            name: "throttled",
            meaning: "every request is answered Throttling.User",
            faults: || vec![Fault::code("Throttling.User")],
        },
        Self {
            name: "denied",
            meaning: "the key has no permission: every request is answered Forbidden.RAM",
            faults: || vec![Fault::code("Forbidden.RAM")],
        },
        Self {
            name: "full",
            meaning: "the ENI has no room: every request to assign is refused",
            faults: || {
                vec![
                    Fault::on("AssignPrivateIpAddresses")
                        .effect(Effect::code("QuotaExceeded.PrivateIpAddress")),
                    Fault::on("AssignIpv6Addresses")
                        .effect(Effect::code("InvalidOperation.Ipv6CountExceeded")),
                ]
            },
        },
        Self {
            name: "lost-answer",
            meaning: "requests to assign and unassign are carried out, and never answered",
            faults: || mutations(&Effect::DropAfter),
        },
        Self {
            name: "silent",
            meaning: "no request is carried out or answered",
            faults: || vec![Fault::new(Effect::Stall)],
        },
    ];

    /// Looks a fault up by its name.
    ///
    /// # Errors
    ///
    /// If there is none of this name; the message says which there are.
    pub fn find(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|fault| fault.name == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name).collect();
            format!("unknown fault `{name}`: the faults are {}", names.join(", "))
        })
    }

    /// What to inject.
    #[must_use]
    pub fn faults(self) -> Vec<Fault> {
        (self.faults)()
    }
}

fn mutations(effect: &Effect) -> Vec<Fault> {
    let actions = [
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
        "AssignIpv6Addresses",
        "UnassignIpv6Addresses",
    ];
    actions.map(|action| Fault::on(action).effect(effect.clone())).into()
}
