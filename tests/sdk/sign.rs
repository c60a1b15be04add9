//! The plugin's signatures, for comparison with those of Alibaba Cloud's SDKs: reads calls, one JSON object a line, and
//! answers each with the query and the headers that the plugin would send.

use std::error::Error;
use std::io::{self, BufRead, Write};

use aliyun_eni_ipam::inside::base::AccessKey;
use aliyun_eni_ipam::inside::cloud::signature::{Call, SignatureMethod};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A call as `cases.py` writes it.
#[derive(Deserialize)]
struct Case {
    algorithm: String,
    method: String,
    host: String,
    action: String,
    version: String,
    /// In any order.
    parameters: Vec<(String, String)>,
    nonce: String,
    timestamp: String,
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        writeln!(stdout, "{}", signed(&case)?)?;
    }
    Ok(())
}

fn signed(case: &Case) -> Result<Value, Box<dyn Error>> {
    let call = Call {
        method: &case.method,
        host: &case.host,
        action: &case.action,
        version: &case.version,
        parameters: &case.parameters,
        nonce: &case.nonce,
        timestamp: &case.timestamp,
    };
    let (id, secret) = (&case.access_key_id, &case.access_key_secret);
    let credentials = match &case.security_token {
        Some(token) => AccessKey::temporary(id, secret, token, None),
        None => AccessKey::permanent(id, secret),
    };
    let signed = case.algorithm.parse::<SignatureMethod>()?.sign(&call, &credentials);
    let headers: Map<_, _> = signed.headers.into_iter().map(|(k, v)| (k.to_owned(), json!(v))).collect();
    Ok(json!({"query": signed.query, "headers": headers}))
}
