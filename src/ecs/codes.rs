//! What the API's error codes mean: one table.
//!
//! Sources: the error tables of `UnassignPrivateIpAddresses`, `AssignPrivateIpAddresses` and their IPv6 counterparts,
//! "Common client errors" and "Common server errors" in the API reference of ECS; and how Terway, Cilium, the Terraform
//! provider and the official SDKs treat the codes on unassigning. Documents disagree about some HTTP statuses, so the
//! code decides wherever it is known.

use Class::{Permanent, RefreshOnce, Released, Retry, Throttled};

/// What a refused caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The addresses of an unassignment are off the ENI: what was wanted. Of several, at least one was.
    Released,
    /// The same again a little later.
    Retry,
    /// The same again, later: the limit counts per minute, for all of the account's nodes in the region.
    Throttled,
    /// The same again once, with a fresh nonce, stamp or key. The client has done that already when a caller sees this.
    RefreshOnce,
    /// Not the same again: somebody has to change something.
    Permanent,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// What to do by program.
    pub class: Class,
    /// What to do by hand, or what the code tells. `{action}`, `{permission}` and `{eni}` stand for those of the request.
    pub hint: &'static str,
    /// Whether ECS may have done what it was asked, the error notwithstanding.
    pub open: bool,
}

const fn code(code: &'static str, class: Class, hint: &'static str) -> Code {
    Code { code, class, hint, open: false }
}

const fn open(code: &'static str, hint: &'static str) -> Code {
    Code { code, class: Retry, hint, open: true }
}

const BUSY: &str =
    "it is retried; if it goes on, look at the state of {eni} and of its instance in the console";
const SERVER: &str = "it is retried; if it goes on, give the RequestId to Alibaba Cloud's support";
const QUOTA: &str = "it is retried; if it goes on, look at the quota of {action} in the Quota Center";
const CLOCK: &str = "set the node's clock";
const KEY: &str = "check the AccessKey that credentials names";
const ACCOUNT: &str = "check the account, its payment and its RAM settings in the console";
const POLICY: &str = "grant {permission} to the RAM user or role that signs";
const ENI: &str = "check networkInterfaceId and the state of {eni} in the console";
const FULL: &str = "use an instance type with more addresses per ENI, or another ENI";
const REQUEST: &str = "the request is wrong; please report it with the RequestId";
const ADDRESS: &str = "compare with `aliyun-eni-ipam reconcile`";

/// Every known code, by subject.
pub const CODES: &[Code] = &[
    // Done already.
    code("InvalidIp.IpUnassigned", Released, "the address is not on {eni}"),
    code("InvalidEniId.NotFound", Released, "{eni} does not exist in this region and account"),
    // Too much.
    code("Throttling", Throttled, QUOTA),
    code("Throttling.User", Throttled, QUOTA),
    code("Throttling.Api", Throttled, QUOTA),
    code("Rejected.Throttling", Throttled, QUOTA),
    // The server's own trouble. It may have come after the deed.
    open("InternalError", SERVER),
    open("ServiceUnavailable", SERVER),
    open("ServiceUnavailable.RegionMaintaining", SERVER),
    open("UnknownError", SERVER),
    // Another operation is under way on the ENI or its instance.
    code("Operation.Conflict", Retry, BUSY),
    code("OperationConflict", Retry, BUSY),
    code("InvalidOperation.Conflict", Retry, BUSY),
    code("LastTokenProcessing", Retry, BUSY),
    code("InvalidOperation.InvalidEniState", Retry, BUSY),
    code("InvalidOperation.InvalidEcsState", Retry, BUSY),
    // Stale.
    code("SignatureNonceUsed", RefreshOnce, "something between the node and ECS repeats requests"),
    code("InvalidTimeStamp.Expired", RefreshOnce, CLOCK),
    code(
        "InvalidSecurityToken.Expired",
        RefreshOnce,
        "check the node's clock and the source of its credentials",
    ),
    // Who asks.
    code("InvalidAccessKeyId.NotFound", Permanent, KEY),
    code("InvalidAccessKeyId.Inactive", Permanent, "activate the AccessKey in the RAM console"),
    code("SignatureDoesNotMatch", Permanent, "check the AccessKeySecret that credentials names"),
    code("IncompleteSignature", Permanent, REQUEST),
    code("InvalidTimeStamp.Format", Permanent, REQUEST),
    code("InvalidSecurityToken.Malformed", Permanent, KEY),
    code("InvalidSecurityToken.MismatchWithAccessKey", Permanent, KEY),
    code("MissingSecurityToken", Permanent, "a temporary AccessKey (STS.) needs its security token"),
    code("Forbidden.RAM", Permanent, POLICY),
    code("Forbidden.SubUser", Permanent, POLICY),
    code("Forbidden.Unauthorized", Permanent, POLICY),
    code("Forbidden.AccessKeyDisabled", Permanent, "activate the AccessKey in the RAM console"),
    code("Forbidden.RiskControl", Permanent, ACCOUNT),
    code("Forbidden.NotSupportRAM", Permanent, "this needs the account itself, not a RAM user or role"),
    code("Forbidden.RegionId", Permanent, "check regionId: this region does not offer it"),
    code("InvalidUserType.NotSupported", Permanent, ACCOUNT),
    code("Abs.InvalidAccount.NotFound", Permanent, ACCOUNT),
    // What was asked.
    code("MissingParameter", Permanent, REQUEST),
    code("InvalidParameter", Permanent, REQUEST),
    code("UnsupportedParameter", Permanent, REQUEST),
    code("InvalidAction", Permanent, REQUEST),
    code("InvalidApi.NotFound", Permanent, "check that endpoint is a server of ECS"),
    code("UnsupportedHTTPMethod", Permanent, REQUEST),
    code("InvalidProtocol.NeedSsl", Permanent, "use an https endpoint"),
    code("IdempotentParameterMismatch", Permanent, REQUEST),
    code("IdempotentFailed", Permanent, "the first request with this ClientToken failed; ask with a new one"),
    // About what.
    code(
        "InvalidOperation.EniServiceManaged",
        Permanent,
        "{eni} belongs to a cloud service; use another ENI",
    ),
    code("InvalidOperation.InvalidEniType", Permanent, ENI),
    code("InvalidOperation.DetachPrimaryEniNotAllowed", Permanent, ENI),
    code("InvalidOperation.AvailabilityZoneMismatch", Permanent, ENI),
    code("InvalidOperation.VpcMismatch", Permanent, ENI),
    code("InvalidInstanceID.Malformed", Permanent, ENI),
    code("InvalidInstanceId.NotFound", Permanent, ENI),
    code("InvalidEcsId.NotFound", Permanent, ENI),
    code("InvalidVSwitchId.NotFound", Permanent, ENI),
    code("InvalidSecurityGroupId.NotFound", Permanent, ENI),
    code("InvalidSecurityGroupId.NotVpc", Permanent, ENI),
    code("SecurityGroupInstanceLimitExceed", Permanent, "the security group of {eni} is full"),
    code("EniPerInstanceLimitExceeded", Permanent, "the instance type allows no more ENIs"),
    // Which addresses.
    code("InvalidVSwitchId.IpInvalid", Permanent, "the address is not of the vSwitch of {eni}"),
    code(
        "InvalidVSwitchId.IpNotEnough",
        Permanent,
        "the vSwitch of {eni} has no free address; use a larger one",
    ),
    code(
        "QuotaExceeded.PrivateIpAddress",
        Permanent,
        "the vSwitch or {eni} has no free address; use a larger one",
    ),
    code("MaxEniPrivateIpsCountExceeded", Permanent, FULL),
    code("InvalidOperation.Ipv4CountExceeded", Permanent, FULL),
    code("InvalidOperation.Ipv6CountExceeded", Permanent, FULL),
    code("InvalidIp.IpAssigned", Permanent, ADDRESS),
    code("InvalidIp.IpRepeated", Permanent, ADDRESS),
    code("InvalidIp.Address", Permanent, ADDRESS),
    code("InvalidPrivateIpAddress.Duplicated", Permanent, ADDRESS),
];

/// The codes of [`CODES`] that tell that an ENI or its vSwitch has no address left to give.
const FULL_CODES: [&str; 5] = [
    "InvalidVSwitchId.IpNotEnough",
    "QuotaExceeded.PrivateIpAddress",
    "MaxEniPrivateIpsCountExceeded",
    "InvalidOperation.Ipv4CountExceeded",
    "InvalidOperation.Ipv6CountExceeded",
];

/// Whether a code tells that there is no address left to give.
#[must_use]
pub fn means_full(code: &str) -> bool {
    FULL_CODES.contains(&code)
}

/// What an answer with `code`, `message` and HTTP `status` means.
///
/// Known codes by the table; families of codes by their beginning, since new members of them appear; others by the
/// status.
#[must_use]
pub fn judge(code: &str, message: &str, status: u16) -> Code {
    // The API has been seen to say this way that a security token has expired.
    if code == "InvalidParameter" && message.contains("SecurityToken.Expired") {
        return judge("InvalidSecurityToken.Expired", "", status);
    }
    if let Some(row) = CODES.iter().find(|row| row.code == code) {
        return *row;
    }
    if code.starts_with("Throttling") {
        return self::code("Throttling*", Throttled, QUOTA);
    }
    if code.starts_with("ServiceUnavailable") {
        return open("ServiceUnavailable*", SERVER);
    }
    by_status(status)
}

/// What an answer without a code that is known means.
#[must_use]
pub fn by_status(status: u16) -> Code {
    match status {
        429 => code("", Throttled, QUOTA),
        408 | 500..=599 => open("", SERVER),
        409 => code("", Retry, BUSY),
        _ => code("", Permanent, "look the code up in Alibaba Cloud's API error center"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_stands_once_in_the_table_with_something_to_do() {
        let codes: BTreeSet<_> = CODES.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(CODES.iter().all(|row| !row.hint.is_empty()));
        assert!(FULL_CODES.iter().all(|code| codes.contains(code)));
    }

    #[test]
    fn no_code_and_no_hint_makes_containerd_forget_a_pod() {
        for row in CODES {
            let text = format!("{} {}", row.code, row.hint).to_lowercase();
            assert!(!text.contains("not found") && !text.contains("no such file or directory"), "{text}");
        }
    }

    #[test]
    fn a_code_counts_more_than_its_status() {
        assert_eq!(judge("InvalidIp.IpUnassigned", "", 500).class, Released);
        assert_eq!(judge("Operation.Conflict", "", 403).class, Retry);
        assert_eq!(judge("Forbidden.RAM", "", 503).class, Permanent);
    }

    #[test]
    fn new_members_of_a_family_are_recognized() {
        assert_eq!(judge("Throttling.NextYear", "", 400).class, Throttled);
        let maintenance = judge("ServiceUnavailable.Somehow", "", 400);
        assert_eq!((maintenance.class, maintenance.open), (Retry, true));
    }

    #[test]
    fn an_expired_token_is_recognized_in_either_form() {
        let said = "\"SecurityToken.Expired\" is not valid.";
        assert_eq!(judge("InvalidParameter", said, 400).class, RefreshOnce);
        assert_eq!(judge("InvalidParameter", "something else", 400).class, Permanent);
        assert_eq!(judge("InvalidSecurityToken.Expired", "", 400).class, RefreshOnce);
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        for (status, class, open) in [
            (400, Permanent, false),
            (403, Permanent, false),
            (404, Permanent, false),
            (408, Retry, true),
            (409, Retry, false),
            (429, Throttled, false),
            (500, Retry, true),
            (503, Retry, true),
            (504, Retry, true),
        ] {
            let row = judge("Never.Seen", "", status);
            assert_eq!((row.class, row.open), (class, open), "{status}");
        }
    }
}
