//! Who calls, and whether that is true and allowed.
//!
//! A call makes a [`Claim`], in one of the two protocols; the checks on it are the same for both, in the order in which
//! the cloud makes them: form, time, key, security token, signature, nonce, permission.

use std::time::{Duration, SystemTime};

use crate::clock::parse_timestamp;
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::http::Request;
use crate::rpc::{Call, Protocol};
use crate::signature::{
    ACS3_HMAC_SHA256, Acs3Request, HMAC_SHA1, acs3_signature, rpc_signature, rpc_string_to_sign, sha256_hex,
};
use crate::world::{Permission, World};

/// How far a timestamp may be from the server's time.
const WINDOW: Duration = Duration::from_mins(15);

/// Somebody whose signature was right.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) arn: String,
}

/// What a signed call says of itself.
struct Claim<'a> {
    protocol: Protocol,
    access_key_id: &'a str,
    timestamp: &'a str,
    nonce: &'a str,
    security_token: Option<&'a str>,
    signature: &'a str,
    string_to_sign: String,
}

/// Checks a call's signature, and that its caller may use the action.
pub(crate) fn authenticate(
    cloud: &mut Cloud,
    now: SystemTime,
    request: &Request,
    call: &Call,
) -> Result<Caller, ApiError> {
    let claim = match call.protocol {
        Protocol::Rpc => Claim::rpc(request, call)?,
        Protocol::Acs3 => Claim::acs3(request)?,
    };
    check_time(claim.timestamp, now)?;
    let key = Key::find(cloud, claim.access_key_id)?;
    key.check_token(cloud, claim.security_token, now)?;
    if claim.expected(&key.secret) != claim.signature {
        let text = &claim.string_to_sign;
        return Err(ApiError::new("SignatureDoesNotMatch").message(format!(
            "Specified signature does not match our calculation. server string to sign is:{text}"
        )));
    }
    if !cloud.nonces.insert((claim.access_key_id.to_owned(), claim.nonce.to_owned())) {
        return Err(ApiError::new("SignatureNonceUsed"));
    }
    if !key.permission.allows(&call.action) {
        return Err(ApiError::new("Forbidden.RAM"));
    }
    Ok(Caller { arn: key.arn })
}

/// The access key and the signature method that a call names, right or wrong.
pub(crate) fn claimed(request: &Request, call: &Call) -> (Option<String>, String) {
    let (key, method) = match call.protocol {
        Protocol::Rpc => (call.text("AccessKeyId"), call.text("SignatureMethod")),
        Protocol::Acs3 => {
            let authorization = request.header("authorization").unwrap_or_default();
            (field(authorization, "Credential"), authorization.split_whitespace().next())
        }
    };
    (key.map(str::to_owned), method.unwrap_or_default().to_owned())
}

impl<'a> Claim<'a> {
    fn rpc(request: &Request, call: &'a Call) -> Result<Self, ApiError> {
        let access_key_id = call.required("AccessKeyId")?;
        if call.required("SignatureMethod")? != HMAC_SHA1 {
            return Err(ApiError::invalid("SignatureMethod"));
        }
        if call.required("SignatureVersion")? != "1.0" {
            return Err(ApiError::invalid("SignatureVersion"));
        }
        let parameters = call.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let string_to_sign = rpc_string_to_sign(&request.method, parameters);
        // An HMAC-SHA1 has 20 bytes, which are 28 characters in Base64.
        let signature = call.required("Signature")?;
        if signature.len() != 28 {
            return Err(incomplete(&string_to_sign));
        }
        Ok(Self {
            protocol: Protocol::Rpc,
            access_key_id,
            timestamp: call.required("Timestamp")?,
            nonce: call.required("SignatureNonce")?,
            security_token: call.text("SecurityToken"),
            signature,
            string_to_sign,
        })
    }

    fn acs3(request: &'a Request) -> Result<Self, ApiError> {
        let authorization = request.header("authorization").unwrap_or_default();
        let fields = authorization.strip_prefix(ACS3_HMAC_SHA256).unwrap_or_default().trim();
        let part = |name| field(fields, name).filter(|value| !value.is_empty());
        let (Some(access_key_id), Some(signed), Some(signature)) =
            (part("Credential"), part("SignedHeaders"), part("Signature"))
        else {
            return Err(ApiError::new("IncompleteSignature"));
        };
        let header = |name| request.header(name).filter(|value| !value.is_empty());
        let required = |name| header(name).ok_or_else(|| ApiError::missing(name));
        let content_sha256 = required("x-acs-content-sha256")?;
        if content_sha256 != sha256_hex(&request.body) {
            return Err(ApiError::invalid("x-acs-content-sha256"));
        }

        let mut names: Vec<_> = signed.split(';').collect();
        names.sort_unstable();
        let to_sign = Acs3Request {
            method: &request.method,
            query: request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            headers: names.iter().map(|name| (*name, request.header(name).unwrap_or_default())).collect(),
            content_sha256,
        };
        let string_to_sign = to_sign.string_to_sign();
        let must_be_signed = |name: &str| name == "host" || name.starts_with("x-acs-");
        if request.headers.iter().any(|(name, _)| must_be_signed(name) && !names.contains(&name.as_str())) {
            return Err(incomplete(&string_to_sign));
        }
        Ok(Self {
            protocol: Protocol::Acs3,
            access_key_id,
            timestamp: required("x-acs-date")?,
            nonce: required("x-acs-signature-nonce")?,
            security_token: header("x-acs-security-token"),
            signature,
            string_to_sign,
        })
    }

    fn expected(&self, secret: &str) -> String {
        match self.protocol {
            Protocol::Rpc => rpc_signature(secret, &self.string_to_sign),
            Protocol::Acs3 => acs3_signature(secret, &self.string_to_sign),
        }
    }
}

/// A field of `Authorization`: `Credential=…,SignedHeaders=…,Signature=…`.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    fields.split([',', ' ']).find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
}

fn incomplete(string_to_sign: &str) -> ApiError {
    ApiError::new("IncompleteSignature").message(format!(
        "The request signature does not conform to Aliyun standards. server string to sign is:{string_to_sign}"
    ))
}

fn check_time(timestamp: &str, now: SystemTime) -> Result<(), ApiError> {
    let time = parse_timestamp(timestamp).ok_or_else(|| ApiError::new("InvalidTimeStamp.Format"))?;
    let distance = now.duration_since(time).unwrap_or_else(|error| error.duration());
    if distance > WINDOW { Err(ApiError::new("InvalidTimeStamp.Expired")) } else { Ok(()) }
}

/// An access key of either kind.
struct Key {
    secret: String,
    permission: Permission,
    arn: String,
    /// The token and the end of short-lived credentials.
    session: Option<(String, SystemTime)>,
}

impl Key {
    fn find(cloud: &Cloud, id: &str) -> Result<Self, ApiError> {
        if let Some(key) = cloud.world.access_keys.get(id) {
            if !key.active {
                return Err(ApiError::new("InvalidAccessKeyId.Inactive"));
            }
            return Ok(Self {
                secret: key.secret.clone(),
                permission: key.permission.clone(),
                arn: format!("acs:ram::{}:user/simulated", World::ACCOUNT_ID),
                session: None,
            });
        }
        let session = cloud.sessions.find(id).ok_or_else(|| ApiError::new("InvalidAccessKeyId.NotFound"))?;
        Ok(Self {
            secret: session.secret.clone(),
            permission: session.permission.clone(),
            arn: session.arn.clone(),
            session: Some((session.token.clone(), session.expires)),
        })
    }

    fn check_token(&self, cloud: &Cloud, token: Option<&str>, now: SystemTime) -> Result<(), ApiError> {
        let code = match (&self.session, token) {
            (None, None) => return Ok(()),
            (Some((own, expires)), Some(token)) if own == token => {
                if now < *expires {
                    return Ok(());
                }
                "InvalidSecurityToken.Expired"
            }
            (Some(_), None) => "MissingSecurityToken",
            (_, Some(token)) if cloud.sessions.knows_token(token) => {
                "InvalidSecurityToken.MismatchWithAccessKey"
            }
            (_, Some(_)) => "InvalidSecurityToken.Malformed",
        };
        Err(ApiError::new(code))
    }
}
