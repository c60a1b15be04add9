//! What the plugin answered.

use std::net::IpAddr;
use std::process::Output;

use serde_json::Value;

use crate::{Scene, schema};

/// The answer to a call, and the scene in which it was given.
#[derive(Debug)]
pub struct Answer {
    what: String,
    output: Output,
    scene: Scene,
}

impl Answer {
    pub(crate) fn new(what: String, output: Output, scene: Scene) -> Self {
        Self { what, output, scene }
    }

    /// What was printed to stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What was printed to stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The exit status; -1 for a signal.
    #[must_use]
    pub fn status(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    /// Ends the test with everything that helps to see why.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, expected: &str) -> ! {
        panic!(
            "{}: expected {expected}\nstatus {}\nstdout: {}\nstderr: {}\n{}",
            self.what,
            self.output.status,
            self.stdout(),
            self.stderr(),
            self.scene
        );
    }

    /// The one JSON document on stdout. That of a command is as its schema in docs/schemas says.
    ///
    /// # Panics
    /// When there is none, or more than that, or another one.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let document = serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|_| self.fail("exactly one JSON document on stdout"));
        if let Some(name) = schema::of_command(&self.what) {
            let complaints = schema::complaints(name, &document);
            if !complaints.is_empty() {
                self.fail(&format!("what docs/schemas/{name}.schema.json says: {complaints:#?}"));
            }
        }
        document
    }

    /// Expects success without a document, as of every verb but ADD.
    ///
    /// # Panics
    /// When the call has failed, or printed something.
    #[track_caller]
    pub fn ok(&self) {
        if self.status() != 0 || !self.output.stdout.is_empty() {
            self.fail("success and nothing on stdout");
        }
    }

    /// Expects success; the result.
    ///
    /// # Panics
    /// When the call has failed.
    #[must_use]
    #[track_caller]
    pub fn result(&self) -> Value {
        if self.status() != 0 {
            self.fail("success");
        }
        self.json()
    }

    /// Expects success; the first address of the result.
    ///
    /// # Panics
    /// When the call has failed, or has no address.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> IpAddr {
        self.addresses().first().copied().unwrap_or_else(|| self.fail("an address"))
    }

    /// Expects success; the addresses of a result of 0.3.0 or later.
    ///
    /// # Panics
    /// When the call has failed.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let result = self.result();
        let ips = result["ips"].as_array().into_iter().flatten();
        let without_prefix = |ip: &Value| ip["address"].as_str()?.split('/').next()?.parse().ok();
        ips.map(|ip| without_prefix(ip).unwrap_or_else(|| self.fail("addresses"))).collect()
    }

    /// Expects a failure with this code: exactly one document with an integer code, none of the words that make containerd
    /// forget a pod, and a status other than 0. The text as a runtime shows it.
    ///
    /// # Panics
    /// When it is anything else.
    #[must_use]
    #[track_caller]
    pub fn error(&self, code: u64) -> String {
        let text = self.any_error();
        if self.json()["code"] != code {
            self.fail(&format!("code {code}"));
        }
        text
    }

    /// Expects a failure, whatever its code.
    ///
    /// # Panics
    /// When it is anything else.
    #[must_use]
    #[track_caller]
    pub fn any_error(&self) -> String {
        let document = self.json();
        let text = format!(
            "{}; {}",
            document["msg"].as_str().unwrap_or_else(|| self.fail("a msg")),
            document["details"].as_str().unwrap_or_default()
        );
        let misread =
            ["not found", "no such file or directory"].iter().any(|it| text.to_lowercase().contains(it));
        if self.status() == 0 || document["code"].as_u64().is_none() || misread {
            self.fail("an error");
        }
        text
    }
}
