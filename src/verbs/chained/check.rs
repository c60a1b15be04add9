//! CHECK: what the attachment's addresses, their ENI and the node need is in place.

use std::collections::BTreeSet;

use super::tools::{deadline, metadata};
use crate::cni::Check;
use crate::config::ChainedOptions;
use crate::failure::{Failure, Result};
use crate::node::enis::known_or_asked;
use crate::routes::{Difference, DifferenceKind, Expected, Network};
use crate::store::Store;

/// What a person does about a difference.
const REMEDY: &str =
    "run `aliyun-eni-ipam routes --repair`; the next ADD of a pod on the same ENI repairs it as well";

/// Serves a CHECK. That the record and the previous result name the same addresses is the IPAM plugin's CHECK.
///
/// # Errors
/// What is not as it should be, and what to do.
pub(super) fn check(call: &Check, options: &ChainedOptions<'_>) -> Result<()> {
    let store = Store::open(&options.data_directory()?)?;
    let deadline = deadline();
    let Some(active) = store.active(&call.attachment)? else {
        return Err(Failure::NotRecorded { directory: store.directory().to_owned() });
    };
    let eni = &active.0.eni;
    let enis = known_or_asked(&metadata(options)?, &store, &active.0, deadline)?;
    let primary = enis.iter().find(|it| it.is_primary).map(|it| it.eni.clone());
    let pods = active.0.ips().map(|address| (address, eni.clone())).collect();
    let expected = Expected { enis, pods, others: BTreeSet::new() };
    // With this pod alone, all that other pods have looks left over.
    let concerns_it = |it: &Difference| {
        it.kind != DifferenceKind::LeftOver
            && it.eni.as_ref().is_none_or(|of| of == eni || Some(of) == primary.as_ref())
    };
    let differences = Network::open(deadline)?.differences(&expected)?;
    let found: Vec<_> = differences.iter().filter(|it| concerns_it(it)).map(ToString::to_string).collect();
    if found.is_empty() { Ok(()) } else { Err(Failure::Check(format!("{}: {REMEDY}", found.join("; ")))) }
}
