//! The plugin's default credential chain, for comparison with Alibaba Cloud's own: looks for a key in the environment
//! that it is started with, and prints where it found which, or why there is none.
//!
//! `sdk-credentials --metadata URL [--sts URL] [--proxy URL]`

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::Environment;
use aliyun_eni_ipam::inside::cloud::Endpoint;
use aliyun_eni_ipam::inside::cloud::{Client, Settings};
use aliyun_eni_ipam::inside::cloud::{Proxy, StsServer};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings { environment: Environment::inherited(), ..Settings::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--metadata" => settings.metadata_endpoint = Endpoint::parse_any(&value)?,
            "--sts" => settings.sts = StsServer::parse(&value, None, false)?,
            "--proxy" => settings.proxy = Proxy::parse(&value)?,
            _ => return Err(format!("unknown option {flag}").into()),
        }
    }
    let answer = match Client::new(settings).credentials(Deadline::after(Duration::from_secs(20))) {
        Ok(found) => json!({"source": found.source, "key": found.key.access_key_id}),
        Err(error) => json!({"source": null, "error": error.to_string()}),
    };
    writeln!(io::stdout(), "{answer}")?;
    Ok(())
}
