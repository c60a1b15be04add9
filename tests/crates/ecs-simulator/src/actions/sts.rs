//! The security token service.

use std::time::Duration;

use serde_json::json;

use super::{Answer, Context, Outcome};
use crate::error::ApiError;
use crate::world::World;

/// Bounds of `DurationSeconds`, and what it is when it is absent.
const DURATIONS: std::ops::RangeInclusive<u64> = 900..=43_200;
const DEFAULT_DURATION: u64 = 3600;

/// Credentials of the role, for a caller who has signed the request.
pub(super) fn assume_role(context: Context<'_>) -> Outcome {
    issue(context)
}

/// Credentials of the role, for whoever has the OIDC token.
pub(super) fn assume_role_with_oidc(context: Context<'_>) -> Outcome {
    let Context { cloud, call, .. } = &context;
    if call.required("OIDCProviderArn")? != World::OIDC_PROVIDER_ARN {
        return Err(ApiError::invalid("OIDCProviderArn"));
    }
    if call.required("OIDCToken")? != cloud.world.oidc_token {
        return Err(ApiError::new("AuthenticationFail.OIDCToken.Invalid"));
    }
    issue(context)
}

/// Who the caller is.
pub(super) fn caller_identity(context: &Context<'_>) -> Answer {
    let arn = context.caller.map(|caller| caller.arn.as_str()).unwrap_or_default();
    let kind = if arn.contains(":assumed-role/") { "AssumedRoleUser" } else { "RAMUser" };
    Answer::unchanged(json!({
        "AccountId": World::ACCOUNT_ID,
        "Arn": arn,
        "IdentityType": kind,
        "UserId": "300000000000000001",
        "PrincipalId": "300000000000000001",
    }))
}

fn issue(context: Context<'_>) -> Outcome {
    let Context { cloud, call, now, .. } = context;
    let name = call.required("RoleSessionName")?;
    let role = call.required("RoleArn")?;
    if !role.eq_ignore_ascii_case(&cloud.world.role_arn()) {
        return Err(ApiError::new("EntityNotExist.Role"));
    }
    let duration = call.parsed("DurationSeconds")?.unwrap_or(DEFAULT_DURATION);
    if !DURATIONS.contains(&duration) {
        return Err(ApiError::invalid("DurationSeconds"));
    }
    let session = cloud.sessions.issue(&cloud.world, name, now, Duration::from_secs(duration));
    Ok(Answer::unchanged(json!({
        "Credentials": session.credentials(),
        "AssumedRoleUser": {"Arn": session.arn, "AssumedRoleId": format!("300000000000000002:{name}")},
    })))
}
