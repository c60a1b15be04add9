//! The error codes of the ECS API, as data.
//!
//! Statuses follow the published tables; where those leave one out, 400 or 403 is used, and a client must not care
//! because ECS itself tells errors apart by code. Several messages contain "not found", as the real ones do: a
//! container runtime may take such words in a plugin's error for success.

use Meaning::{Account, Full, Open, Released, Request, Retry, Stale, Throttled};

/// One error code with the HTTP status and a message as ECS words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The value of `Code` in the error document.
    pub code: &'static str,
    /// The HTTP status that comes with it.
    pub status: u16,
    /// The value of `Message`.
    pub message: &'static str,
    /// What the documentation says that it means to whoever is answered so.
    pub meaning: Meaning,
}

/// What a refused caller knows and should do.
///
/// This is the tests' own table, kept apart from the client's, so that a change of a class is a decision and not a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What was to be released is not there.
    Released,
    /// Something else is going on: ask again a little later.
    Retry,
    /// Too many requests: ask again later.
    Throttled,
    /// Ask again at once, with a fresh nonce, time stamp or key.
    Stale,
    /// The server had trouble and may have done what it was asked.
    Open,
    /// No address is left to give.
    Full,
    /// Somebody has to change the account, the key, its rights or the endpoint.
    Account,
    /// Somebody has to change this request, or what it is about.
    Request,
}

const fn entry(status: u16, meaning: Meaning, code: &'static str, message: &'static str) -> Code {
    Code { code, status, message, meaning }
}

/// Every code that is documented for address assignment and release, and those common to all actions.
pub const TABLE: &[Code] = &[
    // Throttling.
    entry(400, Throttled, "Throttling", "Request was denied due to request throttling."),
    entry(400, Throttled, "Throttling.User", "Request was denied due to user flow control."),
    entry(400, Throttled, "Throttling.Api", "Request was denied due to api flow control."),
    entry(400, Throttled, "Rejected.Throttling", "Request was denied due to request throttling."),
    // Trouble on the server's side.
    entry(
        500,
        Open,
        "InternalError",
        "The request processing has failed due to some unknown error, exception or failure.",
    ),
    entry(
        503,
        Open,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
    entry(
        503,
        Open,
        "ServiceUnavailable.RegionMaintaining",
        "The region is being maintained. The service is temporarily unavailable.",
    ),
    entry(400, Open, "UnknownError", "The request processing has failed due to some unknown error."),
    // Conflicts and states that pass.
    entry(403, Retry, "Operation.Conflict", "The operation conflicts: ENI is processing another task."),
    entry(
        409,
        Retry,
        "OperationConflict",
        "The operation is conflicting with another operation in progress.",
    ),
    entry(403, Retry, "InvalidOperation.Conflict", "The operation may conflict with other operations."),
    entry(403, Retry, "LastTokenProcessing", "The last token request is processing."),
    entry(
        400,
        Retry,
        "InvalidOperation.InvalidEniState",
        "The current status of the ENI does not support this operation.",
    ),
    entry(
        400,
        Retry,
        "InvalidOperation.InvalidEcsState",
        "The current status of the ECS instance does not support this operation.",
    ),
    // Nonce, clock and security token.
    entry(
        400,
        Stale,
        "SignatureNonceUsed",
        "The request signature nonce has been used. Please use a new nonce for each request.",
    ),
    entry(
        400,
        Account,
        "InvalidTimeStamp.Format",
        "Specified time stamp or date value is not well formatted.",
    ),
    entry(400, Stale, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
    entry(400, Stale, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
    entry(400, Account, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."),
    entry(
        400,
        Account,
        "InvalidSecurityToken.MismatchWithAccessKey",
        "Specified SecurityToken mismatch with the AccessKey.",
    ),
    entry(400, Account, "MissingSecurityToken", "SecurityToken is mandatory for this action."),
    // Authentication and authorisation.
    entry(404, Account, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
    entry(400, Account, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."),
    entry(
        400,
        Account,
        "SignatureDoesNotMatch",
        "Specified signature does not match our calculation. Please check your AccessKeyId and AccessKeySecret.",
    ),
    entry(400, Account, "IncompleteSignature", "The request signature does not conform to Aliyun standards."),
    entry(
        403,
        Account,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    ),
    entry(403, Account, "Forbidden.SubUser", "The specified action is not available for you."),
    entry(
        403,
        Account,
        "Forbidden.Unauthorized",
        "A required authorization for the specified action is not found.",
    ),
    entry(403, Account, "Forbidden.AccessKeyDisabled", "The AccessKey is disabled."),
    entry(
        403,
        Account,
        "Forbidden.RiskControl",
        "This operation is forbidden by Aliyun Risk Control system.",
    ),
    entry(403, Account, "Forbidden.NotSupportRAM", "This operation does not support RAM users."),
    entry(400, Account, "Forbidden.RegionId", "The specified region is not available for this operation."),
    entry(403, Account, "InvalidUserType.NotSupported", "The account type does not support this operation."),
    entry(
        403,
        Account,
        "Abs.InvalidAccount.NotFound",
        "The Alibaba Cloud account is not found or the AccessKey is expired.",
    ),
    // A request that is wrong in itself. ECS documents 403 for a missing parameter of these actions.
    entry(
        403,
        Request,
        "MissingParameter",
        "An input parameter that is mandatory for processing this request is not supplied.",
    ),
    entry(400, Request, "InvalidParameter", "A specified parameter is not valid."),
    entry(400, Request, "UnsupportedParameter", "A specified parameter is not supported."),
    entry(
        404,
        Account,
        "InvalidApi.NotFound",
        "Specified api is not found, please check your url and method.",
    ),
    entry(400, Request, "InvalidAction", "The specified action is not valid."),
    entry(400, Request, "InvalidVersion", "Specified parameter Version is not valid."),
    entry(403, Account, "UnsupportedHTTPMethod", "This http method is not supported."),
    entry(403, Account, "InvalidProtocol.NeedSsl", "Your request is denied, and please use ssl to request."),
    entry(
        400,
        Request,
        "IdempotentParameterMismatch",
        "The request uses the same client token as a previous, but non-identical request.",
    ),
    entry(400, Request, "IdempotentFailed", "The previous idempotent request(s) has failed."),
    // Addresses.
    entry(403, Released, "InvalidIp.IpUnassigned", "The specified IP is not assigned on this ENI."),
    entry(403, Request, "InvalidIp.IpAssigned", "The specified IP has been assigned."),
    entry(403, Request, "InvalidIp.IpRepeated", "The specified IP addresses are repeated."),
    entry(403, Request, "InvalidIp.Address", "The specified IP address is not valid."),
    entry(
        400,
        Request,
        "InvalidIPAddress.AlreadyUsed",
        "The specified IPAddress is already used by other resource.",
    ),
    entry(
        400,
        Request,
        "InvalidPrivateIpAddress.Duplicated",
        "The specified private IP addresses are duplicated.",
    ),
    entry(
        403,
        Request,
        "InvalidVSwitchId.IpInvalid",
        "The specified private IP address is not found in the CIDR block of the VSwitch.",
    ),
    entry(
        403,
        Full,
        "InvalidVSwitchId.IpNotEnough",
        "The specified VSwitch does not have enough IP addresses.",
    ),
    entry(
        403,
        Full,
        "QuotaExceeded.PrivateIpAddress",
        "The quota of private IP addresses of the ENI is exceeded.",
    ),
    entry(
        403,
        Full,
        "MaxEniPrivateIpsCountExceeded",
        "The maximum number of private IPs of the ENI is exceeded.",
    ),
    entry(
        403,
        Full,
        "MaxEniIpv6IpsCountExceeded",
        "The maximum number of IPv6 addresses of the ENI is exceeded.",
    ),
    entry(
        403,
        Full,
        "InvalidOperation.Ipv4CountExceeded",
        "The maximum number of ipv4 addresses of the ENI is exceeded.",
    ),
    entry(
        403,
        Full,
        "InvalidOperation.Ipv6CountExceeded",
        "The maximum number of ipv6 addresses of the ENI is exceeded.",
    ),
    // Interfaces, instances and what surrounds them.
    entry(403, Request, "InvalidOperation.Ipv6NotSupport", "The instanceType does not support ipv6."),
    entry(403, Request, "InvalidVSwitch.Ipv6NotTurnOn", "The specified VSwitch ipv6 function not turn on."),
    entry(404, Released, "InvalidEniId.NotFound", "The specified ENI is not found."),
    entry(
        403,
        Request,
        "InvalidOperation.InvalidEniType",
        "The type of the ENI does not support this operation.",
    ),
    entry(
        403,
        Request,
        "InvalidOperation.EniServiceManaged",
        "The ENI is managed by a cloud service and does not support this operation.",
    ),
    entry(
        400,
        Request,
        "InvalidOperation.DetachPrimaryEniNotAllowed",
        "The primary ENI is not allowed to be detached.",
    ),
    entry(
        403,
        Request,
        "EniPerInstanceLimitExceeded",
        "The maximum number of ENIs of the instance is exceeded.",
    ),
    entry(400, Request, "InvalidInstanceID.Malformed", "The specified instance ID is malformed."),
    entry(404, Request, "InvalidInstanceId.NotFound", "The specified InstanceId is not found."),
    entry(404, Request, "InvalidEcsId.NotFound", "The specified ECS instance is not found."),
    entry(404, Request, "InvalidVSwitchId.NotFound", "The specified VSwitch is not found."),
    entry(404, Request, "InvalidSecurityGroupId.NotFound", "The specified security group is not found."),
    entry(403, Request, "InvalidSecurityGroupId.NotVpc", "The specified security group is not in a VPC."),
    entry(
        403,
        Request,
        "SecurityGroupInstanceLimitExceed",
        "The maximum number of instances in the security group is exceeded.",
    ),
    entry(
        403,
        Request,
        "InvalidOperation.AvailabilityZoneMismatch",
        "The VSwitch, the ENI and the instance are not in the same zone.",
    ),
    entry(
        403,
        Request,
        "InvalidOperation.VpcMismatch",
        "The ENI and the security group are not in the same virtual private cloud.",
    ),
    // The security token service.
    entry(404, Request, "EntityNotExist.Role", "The role is not found."),
    entry(400, Request, "AuthenticationFail.OIDCToken.Invalid", "This OIDC token is invalid."),
];

/// Looks a code up in [`TABLE`].
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    TABLE.iter().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_their_statuses_are_errors() {
        let codes: BTreeSet<_> = TABLE.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), TABLE.len());
        assert!(TABLE.iter().all(|entry| (400..600).contains(&entry.status) && !entry.message.is_empty()));
    }

    #[test]
    fn some_messages_read_like_those_that_mislead_a_runtime() {
        assert!(TABLE.iter().filter(|entry| entry.message.contains("not found")).count() > 5);
    }

    #[test]
    fn a_code_is_looked_up_by_its_whole_name() {
        assert_eq!(find("Throttling.User").unwrap().status, 400);
        assert_eq!(find("Throttling.Use"), None);
    }
}
