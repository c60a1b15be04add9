//! A server that answers with a key: `ALIBABA_CLOUD_CREDENTIALS_URI`.

use ureq::http::Uri;

use super::error::Error;
use super::keys;
use super::origin::{Absence, Origin};
use crate::base::access_key::AccessKey;
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::cloud::http::{Endpoint, Http, Request};
use crate::cloud::rpc::PATIENCE;

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

/// The server that the environment names.
pub(super) fn from_environment(environment: &Environment) -> Result<Origin, Absence> {
    let uri = environment.get(VARIABLE).ok_or_else(|| Absence::unset(format!("{VARIABLE} is not set")))?;
    split(uri).map_err(Absence::broken)?;
    Ok(Origin::Uri(uri.to_owned()))
}

/// Server and path. Plain http is this source's custom: it is meant for a helper on the same host.
fn split(uri: &str) -> Result<(Endpoint, String), String> {
    // What it is set to may be a secret in itself, so it is not repeated.
    let invalid = || format!("{VARIABLE} is not an http URL");
    let parsed: Uri = uri.parse().map_err(|_| invalid())?;
    let (scheme, authority) = parsed.scheme_str().zip(parsed.authority()).ok_or_else(invalid)?;
    let endpoint = Endpoint::parse_any(&format!("{scheme}://{authority}")).map_err(|_| invalid())?;
    Ok((endpoint, parsed.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)))
}

/// The key that the server has at present.
pub(super) fn fetch(uri: &str, direct: &Http, deadline: Deadline) -> Result<AccessKey, Error> {
    let (endpoint, target) = split(uri).map_err(|problem| Error::lasting(&problem))?;
    let request = Request {
        method: "GET",
        endpoint: &endpoint,
        target: &target,
        headers: &[],
        body: "",
        patience: PATIENCE,
        set_by: VARIABLE,
    };
    let response = direct.exchange(&request, deadline).map_err(|failure| Error {
        transient: failure.transient,
        ..Error::lasting(&format!("{VARIABLE}: {}", failure.message))
    })?;
    if response.status != 200 {
        return Err(Error::transient(&format!("{VARIABLE}: {endpoint} answered HTTP {}", response.status)));
    }
    keys::from_flat_json(&response.body)
        .map_err(|problem| Error::transient(&format!("{VARIABLE}: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_split_into_server_and_path() {
        let (endpoint, target) = split("http://127.0.0.1:6666/keys?role=a").unwrap();
        assert_eq!(
            (endpoint.to_string().as_str(), target.as_str()),
            ("http://127.0.0.1:6666", "/keys?role=a")
        );
        assert_eq!(split("https://keys.example.com").unwrap().1, "/");
        for bad in ["", "keys", "file:///etc/keys", "http://user:password@host/"] {
            let problem = split(bad).unwrap_err();
            assert!(!problem.contains("password"), "{problem}");
        }
    }
}
