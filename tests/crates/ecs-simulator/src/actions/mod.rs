//! The actions of the API, by version and name.

mod addresses;
mod describe;
mod sts;

use std::net::IpAddr;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::authenticate::Caller;
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::rpc::Call;

/// An action.
pub(crate) struct Action {
    name: &'static str,
    service: Service,
    /// Whether it changes an ENI, and so keeps it busy.
    pub(crate) mutates: bool,
    /// Whether it is called without a signature.
    pub(crate) unsigned: bool,
    perform: fn(Context<'_>) -> Outcome,
}

/// What an action works with.
pub(crate) struct Context<'a> {
    pub(crate) cloud: &'a mut Cloud,
    pub(crate) call: &'a Call,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) now: SystemTime,
}

pub(crate) type Outcome = Result<Answer, ApiError>;

/// What an action has to say, and for the ledger, what it did.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// Whether the inventory was changed.
    pub(crate) changed: bool,
    /// The addresses that an Assign answers.
    pub(crate) assigned: Option<Vec<IpAddr>>,
}

impl Answer {
    /// An answer that comes of looking only.
    fn unchanged(body: Value) -> Self {
        Self { body, changed: false, assigned: None }
    }

    /// The same with these addresses in the place of those that were assigned, where any were.
    pub(crate) fn naming(mut self, addresses: &[IpAddr]) -> Self {
        for list in ["/AssignedPrivateIpAddressesSet/PrivateIpSet/PrivateIpAddress", "/Ipv6Sets/Ipv6Address"]
        {
            if let Some(list) = self.body.pointer_mut(list) {
                *list = json!(addresses);
            }
        }
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Ecs,
    Sts,
}

impl Service {
    fn of_version(version: &str) -> Option<Self> {
        match version {
            "2014-05-26" => Some(Self::Ecs),
            "2015-04-01" => Some(Self::Sts),
            _ => None,
        }
    }
}

const fn ecs(name: &'static str, mutates: bool, perform: fn(Context<'_>) -> Outcome) -> Action {
    Action { name, service: Service::Ecs, mutates, unsigned: false, perform }
}

const fn sts(name: &'static str, unsigned: bool, perform: fn(Context<'_>) -> Outcome) -> Action {
    Action { name, service: Service::Sts, mutates: false, unsigned, perform }
}

const ACTIONS: &[Action] = &[
    ecs("AssignPrivateIpAddresses", true, |context| addresses::assign(context, &addresses::IPV4)),
    ecs("UnassignPrivateIpAddresses", true, |context| addresses::unassign(context, &addresses::IPV4)),
    ecs("AssignIpv6Addresses", true, |context| addresses::assign(context, &addresses::IPV6)),
    ecs("UnassignIpv6Addresses", true, |context| addresses::unassign(context, &addresses::IPV6)),
    ecs("DescribeNetworkInterfaces", false, |context| describe::interfaces(&context)),
    ecs("DescribeNetworkInterfaceAttribute", false, |context| describe::interface(&context)),
    ecs("DescribeInstanceTypes", false, |context| describe::instance_types(&context)),
    ecs("DescribeRegions", false, |context| Ok(describe::regions(&context))),
    sts("AssumeRole", false, sts::assume_role),
    sts("AssumeRoleWithOIDC", true, sts::assume_role_with_oidc),
    sts("GetCallerIdentity", false, |context| Ok(sts::caller_identity(&context))),
];

impl Action {
    /// Finds the action that a call names.
    pub(crate) fn find(call: &Call) -> Result<&'static Self, ApiError> {
        if call.action.is_empty() {
            return Err(ApiError::missing("Action"));
        }
        if call.version.is_empty() {
            return Err(ApiError::missing("Version"));
        }
        let service = Service::of_version(&call.version).ok_or_else(|| ApiError::new("InvalidVersion"))?;
        ACTIONS
            .iter()
            .find(|action| action.service == service && action.name == call.action)
            .ok_or_else(|| ApiError::new("InvalidApi.NotFound"))
    }

    pub(crate) fn perform(&self, context: Context<'_>) -> Outcome {
        (self.perform)(context)
    }
}

/// The service's name for itself in errors.
pub(crate) fn host_id(call: &Call) -> &'static str {
    match Service::of_version(&call.version) {
        Some(Service::Sts) => "sts.aliyuncs.com",
        _ => "ecs.aliyuncs.com",
    }
}
