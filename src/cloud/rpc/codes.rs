//! What the API's error codes mean: one table. No other file knows a code; an error carries its [`Row`].
//!
//! Sources: the error tables of `UnassignPrivateIpAddresses`, `AssignPrivateIpAddresses` and their IPv6 counterparts,
//! "Common client errors" and "Common server errors" in the API reference of ECS; and how Terway, Cilium, the Terraform
//! provider and the official SDKs treat the codes on unassigning. Documents disagree about some HTTP statuses, so the
//! code decides wherever it is known.

use Disposition::{Permanent, RefreshOnce, Released, Retry, Throttled};
use Subject::{
    Account, Address, AddressTaken, ClientToken, Clock, Eni, EniFull, EniGone, Forbidden, Key, Nonce,
    Request, Service, VSwitchFull,
};

/// What a refused caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
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

/// What a refusal is about, and with it for which other requests it holds too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One of the addresses.
    Address,
    /// An address that was asked for, and that something has already.
    AddressTaken,
    /// The room on the ENI: it has as many addresses as its instance type allows.
    EniFull,
    /// The room in the vSwitch, which all its ENIs share.
    VSwitchFull,
    /// The ENI or its instance.
    Eni,
    /// The ENI, which does not exist, or not for this account in this region.
    EniGone,
    /// The `ClientToken`: the request that it was first sent with has failed for good, and another needs another.
    ClientToken,
    /// The nonce of the signature, which another request has had.
    Nonce,
    /// The time of the request, and so the node's clock.
    Clock,
    /// The access key that signed.
    Key,
    /// Who asks, from where, and how often.
    Account,
    /// Probably who asks: the code is unknown, and the HTTP status, or the family of the code, says that it is forbidden.
    Forbidden,
    /// What was asked; the code may be unknown.
    Request,
    /// The service itself.
    Service,
}

impl Subject {
    /// Whether the refusal holds for whatever this node asks.
    #[must_use]
    pub fn is_the_caller(self) -> bool {
        matches!(self, Account | Key | Clock | Nonce)
    }

    /// Whether an address is to blame, so that the same about another one may be accepted.
    #[must_use]
    pub fn is_an_address(self) -> bool {
        matches!(self, Address | AddressTaken)
    }

    /// Whether the caller lacks a permission or a valid key, as far as can be told. A release does not count on it: a refusal
    /// that only looks like one may be about one of its addresses.
    #[must_use]
    pub fn denies_access(self) -> bool {
        self.is_the_caller() || self == Forbidden
    }

    /// Whether there is no address left to give.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self, EniFull | VSwitchFull)
    }
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The code. A `*` at its end stands for whatever follows, since new members of some families appear; nothing stands
    /// for every code that the table does not have.
    pub code: &'static str,
    /// What to do by program.
    pub disposition: Disposition,
    /// What it is about.
    pub subject: Subject,
    /// What to do by hand, or what the code tells. `{action}`, `{permission}` and `{eni}` stand for those of the request.
    pub remedy: &'static str,
    /// Whether ECS may have done what it was asked, the error notwithstanding.
    pub open: bool,
}

const fn code(code: &'static str, disposition: Disposition, subject: Subject, remedy: &'static str) -> Row {
    Row { code, disposition, subject, remedy, open: false }
}

const fn open(code: &'static str, remedy: &'static str) -> Row {
    Row { code, disposition: Retry, subject: Service, remedy, open: true }
}

const BUSY: &str =
    "it is retried; if this persists, check the state of {eni} and of its instance in the ECS console";
const SERVER: &str = "it is retried; if this persists, contact Alibaba Cloud support with the RequestId";
const QUOTA: &str = "ECS limits the requests of the whole account in a region by the minute, so it is retried in the next \
                     one; if this persists, raise the quota of {action} in the Quota Center";
const CLOCK: &str = "set the node's clock";
const KEY: &str = "check the AccessKey that `ipam.credentials` selects";
const ACCOUNT: &str = "check the account's status, payment and RAM settings in the console";
const POLICY: &str = "grant {permission} to the RAM user or role of the credentials";
const PROBABLY: &str = "probably a permission is missing: grant {permission} to the RAM user or role of the credentials; if it \
                        is granted, look up this code in Alibaba Cloud's API error center";
const ENI: &str = "check `ipam.networkInterfaceId` and the state of {eni} in the ECS console";
const ENI_FULL: &str = "{eni} has as many addresses as its instance type allows: delete pods (`aliyun-eni-ipam list` shows \
                        which have one), or use an instance type with more addresses per ENI";
const VSWITCH_FULL: &str = "no address is free in the vSwitch of {eni}: delete pods or other resources in the vSwitch, or use \
                            an ENI in a larger vSwitch";
const REQUEST: &str = "please report this as a bug, with the RequestId";
const ADDRESS: &str = "compare the ENI with the records: `aliyun-eni-ipam reconcile`";
const TAKEN: &str = "if a pod of this node has the address, `aliyun-eni-ipam list` shows which";

/// Every known code and family, by subject.
pub static CODES: &[Row] = &[
    // Done already.
    code("InvalidIp.IpUnassigned", Released, Address, "the address is not on {eni}"),
    code("InvalidEniId.NotFound", Released, EniGone, "{eni} does not exist in this region and account"),
    // Too much.
    code("Throttling", Throttled, Account, QUOTA),
    code("Throttling.User", Throttled, Account, QUOTA),
    code("Throttling.Api", Throttled, Account, QUOTA),
    code("Rejected.Throttling", Throttled, Account, QUOTA),
    code("Throttling*", Throttled, Account, QUOTA),
    // The server's own trouble. It may have come after the deed.
    open("InternalError", SERVER),
    open("ServiceUnavailable", SERVER),
    open("ServiceUnavailable.RegionMaintaining", SERVER),
    open("UnknownError", SERVER),
    open("ServiceUnavailable*", SERVER),
    // Another operation is under way on the ENI or its instance.
    code("Operation.Conflict", Retry, Eni, BUSY),
    code("OperationConflict", Retry, Eni, BUSY),
    code("InvalidOperation.Conflict", Retry, Eni, BUSY),
    code("LastTokenProcessing", Retry, Eni, BUSY),
    code("InvalidOperation.InvalidEniState", Retry, Eni, BUSY),
    code("InvalidOperation.InvalidEcsState", Retry, Eni, BUSY),
    // Stale.
    code(
        "SignatureNonceUsed",
        RefreshOnce,
        Nonce,
        "check whether a proxy between the node and ECS sends requests twice",
    ),
    code("InvalidTimeStamp.Expired", RefreshOnce, Clock, CLOCK),
    code(EXPIRED, RefreshOnce, Key, "check the node's clock and the source of the credentials"),
    // Who asks.
    code("InvalidAccessKeyId.NotFound", Permanent, Key, KEY),
    code("InvalidAccessKeyId.Inactive", Permanent, Key, "activate the AccessKey in the RAM console"),
    code("InvalidAccessKeyId.*", Permanent, Key, KEY),
    code(
        "SignatureDoesNotMatch",
        Permanent,
        Key,
        "check the AccessKeySecret that `ipam.credentials` selects",
    ),
    code("IncompleteSignature", Permanent, Account, REQUEST),
    code("InvalidTimeStamp.Format", Permanent, Account, REQUEST),
    code("InvalidSecurityToken.Malformed", Permanent, Key, KEY),
    code("InvalidSecurityToken.MismatchWithAccessKey", Permanent, Key, KEY),
    code("InvalidSecurityToken.*", Permanent, Key, KEY),
    code(
        "MissingSecurityToken",
        Permanent,
        Account,
        "add the security token that belongs to the temporary AccessKey (STS.)",
    ),
    code("Forbidden.RAM", Permanent, Account, POLICY),
    code("Forbidden.SubUser", Permanent, Account, POLICY),
    code("Forbidden.Unauthorized", Permanent, Account, POLICY),
    code("Forbidden.AccessKeyDisabled", Permanent, Account, "activate the AccessKey in the RAM console"),
    code("Forbidden.RiskControl", Permanent, Account, ACCOUNT),
    code(
        "Forbidden.NotSupportRAM",
        Permanent,
        Account,
        "only the Alibaba Cloud account itself can do this, not a RAM user or role",
    ),
    code(
        "Forbidden.RegionId",
        Permanent,
        Account,
        "check `ipam.regionId`: this region does not offer {action}",
    ),
    code("Forbidden*", Permanent, Forbidden, PROBABLY),
    code("NoPermission*", Permanent, Forbidden, PROBABLY),
    code("InvalidUserType.NotSupported", Permanent, Account, ACCOUNT),
    code("Abs.InvalidAccount.NotFound", Permanent, Account, ACCOUNT),
    // What was asked.
    code("MissingParameter", Permanent, Request, REQUEST),
    code("InvalidParameter", Permanent, Request, REQUEST),
    code("UnsupportedParameter", Permanent, Request, REQUEST),
    code("InvalidAction", Permanent, Request, REQUEST),
    code("InvalidApi.NotFound", Permanent, Account, "check that `ipam.endpoint` is an ECS endpoint"),
    code("UnsupportedHTTPMethod", Permanent, Account, REQUEST),
    code("InvalidProtocol.NeedSsl", Permanent, Account, "use https in `ipam.endpoint`"),
    code("IdempotentParameterMismatch", Permanent, Request, REQUEST),
    code(
        "IdempotentFailed",
        Permanent,
        ClientToken,
        "the first request with this ClientToken failed; the next one uses a new token",
    ),
    // About what.
    code(
        "InvalidOperation.EniServiceManaged",
        Permanent,
        Eni,
        "{eni} belongs to a cloud service; use another ENI",
    ),
    code("InvalidOperation.InvalidEniType", Permanent, Eni, ENI),
    code("InvalidOperation.DetachPrimaryEniNotAllowed", Permanent, Eni, ENI),
    code("InvalidOperation.AvailabilityZoneMismatch", Permanent, Eni, ENI),
    code("InvalidOperation.VpcMismatch", Permanent, Eni, ENI),
    code("InvalidInstanceID.Malformed", Permanent, Eni, ENI),
    code("InvalidInstanceId.NotFound", Permanent, Eni, ENI),
    code("InvalidEcsId.NotFound", Permanent, Eni, ENI),
    code("InvalidVSwitchId.NotFound", Permanent, Eni, ENI),
    code("InvalidSecurityGroupId.NotFound", Permanent, Eni, ENI),
    code("InvalidSecurityGroupId.NotVpc", Permanent, Eni, ENI),
    code(
        "SecurityGroupInstanceLimitExceed",
        Permanent,
        Eni,
        "the security group of {eni} is full: use another one",
    ),
    code(
        "EniPerInstanceLimitExceeded",
        Permanent,
        Eni,
        "the instance type allows no more ENIs: use a larger one",
    ),
    code(
        "InvalidOperation.Ipv6NotSupport",
        Permanent,
        Eni,
        "the instance type has no IPv6: set `ipam.ipv6` to false, or use another instance type",
    ),
    code(
        "InvalidVSwitch.Ipv6NotTurnOn",
        Permanent,
        Eni,
        "enable IPv6 for the vSwitch of {eni}, or set `ipam.ipv6` to false",
    ),
    // Which addresses.
    code(
        "InvalidVSwitchId.IpInvalid",
        Permanent,
        Address,
        "the address is outside the CIDR block of the vSwitch of {eni}",
    ),
    code("InvalidVSwitchId.IpNotEnough", Permanent, VSwitchFull, VSWITCH_FULL),
    // The API reference says "Don't have enough private IPs in this switch"; its name says something else.
    code(
        "QuotaExceeded.PrivateIpAddress",
        Permanent,
        VSwitchFull,
        "the vSwitch of {eni} or {eni} itself is full; if `aliyun-eni-ipam doctor` shows a full ENI, delete pods \
         (`aliyun-eni-ipam list` shows which have an address) or use an instance type with more addresses per ENI; \
         otherwise use an ENI in a larger vSwitch",
    ),
    code("MaxEniPrivateIpsCountExceeded", Permanent, EniFull, ENI_FULL),
    code("MaxEniIpv6IpsCountExceeded", Permanent, EniFull, ENI_FULL),
    code("InvalidOperation.Ipv4CountExceeded", Permanent, EniFull, ENI_FULL),
    code("InvalidOperation.Ipv6CountExceeded", Permanent, EniFull, ENI_FULL),
    code("InvalidIp.Address", Permanent, Address, ADDRESS),
    // Requests name an address once, so "repeated" and "duplicated" mean that it exists: "Change the IP address".
    code("InvalidIp.IpAssigned", Permanent, AddressTaken, TAKEN),
    code("InvalidIp.IpRepeated", Permanent, AddressTaken, TAKEN),
    code("InvalidPrivateIpAddress.Duplicated", Permanent, AddressTaken, TAKEN),
    code("InvalidIPAddress.AlreadyUsed", Permanent, AddressTaken, TAKEN),
];

/// What is left when the code is not known: the HTTP status.
static THROTTLED: Row = code("", Throttled, Account, QUOTA);
static FAILED: Row = open("", SERVER);
static CONFLICT: Row = code("", Retry, Eni, BUSY);
static FORBIDDEN: Row = code("", Permanent, Forbidden, PROBABLY);
static UNKNOWN: Row = code("", Permanent, Request, "look up this code in Alibaba Cloud's API error center");

/// The code of a security token that has expired, and the other code and the words with which the API has been seen to say
/// the same.
const EXPIRED: &str = "InvalidSecurityToken.Expired";
const ALSO_EXPIRED: (&str, &str) = ("InvalidParameter", "SecurityToken.Expired");

/// What an answer with `code`, `message` and HTTP `status` means: a code's own row, that of its family, or that of the
/// status.
#[must_use]
pub fn judge(code: &str, message: &str, status: u16) -> &'static Row {
    let code = if code == ALSO_EXPIRED.0 && message.contains(ALSO_EXPIRED.1) { EXPIRED } else { code };
    let is_of = |row: &&Row| row.code.strip_suffix('*').is_some_and(|start| code.starts_with(start));
    let row = CODES.iter().find(|row| row.code == code).or_else(|| CODES.iter().find(is_of));
    row.unwrap_or_else(|| by_status(status))
}

/// What an answer without a code that is known means.
#[must_use]
pub fn by_status(status: u16) -> &'static Row {
    match status {
        429 => &THROTTLED,
        408 | 500..=599 => &FAILED,
        409 => &CONFLICT,
        401 | 403 => &FORBIDDEN,
        _ => &UNKNOWN,
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
        assert!(CODES.iter().all(|row| !row.remedy.is_empty()));
    }

    #[test]
    fn no_code_and_no_hint_makes_containerd_forget_a_pod() {
        for row in CODES {
            let text = format!("{} {}", row.code, row.remedy).to_lowercase();
            assert!(!text.contains("not found") && !text.contains("no such file or directory"), "{text}");
        }
    }

    #[test]
    fn a_code_counts_more_than_its_status() {
        assert_eq!(judge("InvalidIp.IpUnassigned", "", 500).disposition, Released);
        assert_eq!(judge("Operation.Conflict", "", 403).disposition, Retry);
        assert_eq!(judge("Forbidden.RAM", "", 503).disposition, Permanent);
    }

    #[test]
    fn new_members_of_a_family_are_recognized() {
        assert_eq!(judge("Throttling.NextYear", "", 400).disposition, Throttled);
        let maintenance = judge("ServiceUnavailable.Somehow", "", 400);
        assert_eq!((maintenance.disposition, maintenance.open), (Retry, true));
        for code in ["InvalidAccessKeyId.NextYear", "InvalidSecurityToken.NextYear"] {
            assert_eq!((judge(code, "", 400).disposition, judge(code, "", 400).subject), (Permanent, Key));
        }
        assert_eq!(judge("Throttling.User", "", 400).code, "Throttling.User");
    }

    #[test]
    fn an_expired_token_is_recognized_in_either_form() {
        let said = "\"SecurityToken.Expired\" is not valid.";
        assert_eq!(judge("InvalidParameter", said, 400).disposition, RefreshOnce);
        assert_eq!(judge("InvalidParameter", "something else", 400).disposition, Permanent);
        assert_eq!(judge("InvalidSecurityToken.Expired", "", 400).disposition, RefreshOnce);
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        for (status, disposition, open) in [
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
            assert_eq!((row.disposition, row.open), (disposition, open), "{status}");
        }
    }

    #[test]
    fn what_is_forbidden_is_probably_a_permission_and_never_taken_for_the_whole_node() {
        for (code, status) in
            [("Never.Seen", 403), ("Never.Seen", 401), ("Forbidden.Later", 400), ("NoPermission", 400)]
        {
            let subject = judge(code, "", status).subject;
            assert!(subject.denies_access() && !subject.is_the_caller(), "{code} {status}");
        }
        assert!(judge("Forbidden.RAM", "", 400).subject.is_the_caller());
        assert!(!judge("Never.Seen", "", 400).subject.denies_access());
    }
}
