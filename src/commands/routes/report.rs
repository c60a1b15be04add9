//! What `routes` prints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::base::eni::EniId;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::output::{print, print_json, print_lines};
use crate::commands::routes::repairing::Repair;
use crate::commands::table;
use crate::node::eni_link;
use crate::routes::{Change, Difference, DifferenceKind, EniNetwork, Expected};

/// The state of the node's routes.
#[derive(Default)]
pub(super) struct Report {
    pub(super) expected: Expected,
    /// What this call has changed.
    pub(super) changes: Vec<Change>,
    /// What is otherwise than it should be.
    pub(super) differences: Vec<Difference>,
    /// Why there is nothing to compare with, and what to do.
    pub(super) unrouted: Option<String>,
}

const HEAD: [&str; 5] = ["ENI", "KIND", "LINK", "TABLE", "PODS"];

impl Report {
    pub(super) fn of(repair: Repair) -> Self {
        let Repair { changes, left, expected } = repair;
        Self { expected, changes, differences: left, unrouted: None }
    }

    /// Of a node where this plugin routes no pods; `network` is one that could have them routed.
    pub(super) fn unrouted(network: &Network) -> Self {
        let main = match network.main_plugin() {
            "" => "the main plugin",
            main => main,
        };
        let why = format!(
            "no network has its pods routed by this plugin: pods on secondary ENIs need {} behind {main} in `plugins` of {}; \
             `aliyun-eni-ipam doctor` says more",
            network.entry(),
            network.file().display()
        );
        Self { unrouted: Some(why), ..Self::default() }
    }

    /// Prints it; fails if something is otherwise than it should be.
    pub(super) fn print(&self, as_json: bool) -> Result<(), CommandError> {
        if as_json {
            print_json(&self.to_json())?;
        } else if let Some(why) = &self.unrouted {
            print(why)?;
        } else {
            print_lines(self.table())?;
            print_lines(&self.changes)?;
            print_lines(&self.differences)?;
            print_lines(self.conclusion())?;
        }
        if self.differences.is_empty() { Ok(()) } else { Err(CommandError::LeftOver) }
    }

    fn table(&self) -> Vec<String> {
        let pods = self.pods();
        table::render(
            HEAD,
            self.expected.enis.iter().map(|eni| {
                [
                    eni.eni.to_string(),
                    if eni.is_primary { "primary" } else { "secondary" }.to_owned(),
                    eni_link::find(&eni.mac).unwrap_or_default(),
                    eni.table().map_or_else(String::new, |table| table.to_string()),
                    pods.get(&eni.eni).map_or(0, Vec::len).to_string(),
                ]
            }),
        )
    }

    /// The addresses of pods on each ENI.
    fn pods(&self) -> BTreeMap<&EniId, Vec<IpAddr>> {
        let mut pods: BTreeMap<&EniId, Vec<IpAddr>> = BTreeMap::new();
        for (address, eni) in &self.expected.pods {
            pods.entry(eni).or_default().push(*address);
        }
        pods
    }

    /// The last line.
    fn conclusion(&self) -> Option<&'static str> {
        let has = |kind| self.differences.iter().any(|it| it.kind == kind);
        if self.differences.is_empty() {
            Some("the node's routes are as they should be")
        } else if has(DifferenceKind::Missing) || has(DifferenceKind::LeftOver) {
            Some(
                "`aliyun-eni-ipam routes --repair` puts in place what is missing and removes what is left over",
            )
        } else {
            Some("`aliyun-eni-ipam doctor` says what to do about it")
        }
    }

    fn to_json(&self) -> Value {
        let pods = self.pods();
        let eni = |eni: &EniNetwork| {
            json!({
                "networkInterfaceId": eni.eni,
                "mac": eni.mac,
                "primary": eni.is_primary,
                "link": eni_link::find(&eni.mac),
                "table": eni.table(),
                "pods": pods.get(&eni.eni).cloned().unwrap_or_default(),
            })
        };
        json!({
            "routed": self.unrouted.is_none(),
            "enis": self.expected.enis.iter().map(eni).collect::<Vec<_>>(),
            "differences": self.differences.iter().map(difference_to_json).collect::<Vec<_>>(),
            "changes": self.changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn difference_to_json(difference: &Difference) -> Value {
    let kind = match difference.kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::LeftOver => "leftOver",
        DifferenceKind::InTheWay => "inTheWay",
    };
    json!({
        "kind": kind,
        "networkInterfaceId": difference.eni,
        "address": difference.address,
        "what": difference.what,
    })
}
