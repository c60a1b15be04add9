//! Before the plugin goes: what it keeps for later pods, and what is still to be released, goes back to ECS.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::base::text::reason;
use crate::commands::error::CommandError;
use crate::commands::install::steps::Steps;
use crate::commands::networks::Network;
use crate::context::CallContext;
use crate::failure::Result;
use crate::node::facts::known_region;
use crate::store::Kept;

const NAME: &str = "releases";

/// Releases all but what pods have, within the time of a `flush`. Whether nothing is left of that.
pub(super) fn release_all(
    networks: &[Network],
    files: &[PathBuf],
    steps: &mut Steps,
) -> std::result::Result<bool, CommandError> {
    if networks.is_empty() {
        steps.unchanged(NAME, "without a configuration nothing can be asked of ECS")?;
        return Ok(true);
    }
    let mut is_all = true;
    let mut served = BTreeSet::new();
    for network in networks {
        if network.store_directory().is_ok_and(|directory| served.insert(directory))
            && let Err(failure) = give_up_reserve(network)
        {
            is_all = false;
            steps.failed(NAME, failure)?;
        }
    }
    for file in files {
        match flush(file) {
            Ok(flushed) => is_all &= say(&flushed, steps)?,
            Err(why) => {
                is_all = false;
                steps.failed(NAME, why)?;
            }
        }
    }
    Ok(is_all)
}

/// Makes releases of the whole reserve of the network's store.
fn give_up_reserve(network: &Network) -> Result<()> {
    let context = CallContext::open(network.ipam())?;
    let region = context.ipam.address().ok().and_then(|settings| known_region(&context.store, &settings));
    let nothing = |_: &EniId, _: &str, _: Family| Some(0);
    let kept = Kept { of: &nothing, most: usize::MAX, region: region.as_ref() };
    context.store.release_all_surplus(&kept, context.deadline)?;
    Ok(())
}

/// Runs `flush` with this file as the whole configuration: a process of its own, as a timer runs it.
fn flush(file: &Path) -> std::result::Result<Value, String> {
    let why = |error| format!("cannot run `flush`: {}", reason(&error));
    let mut command = Command::new("/proc/self/exe");
    command.args(["flush", "--json", "--config"]).arg(file);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(why)?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`flush` ended with {} and without an answer", output.status))
}

/// Says what a `flush` has done. Whether it has left nothing.
fn say(flushed: &Value, steps: &mut Steps) -> std::result::Result<bool, CommandError> {
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let released = count(&flushed["released"]);
    let releasing = flushed["releasing"].as_array().map_or(&[][..], Vec::as_slice);
    for left in releasing {
        let addresses: Vec<_> =
            left["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (eni, why) = (left["networkInterfaceId"].as_str(), left["lastError"].as_str());
        let addresses =
            if addresses.is_empty() { "a request in doubt".to_owned() } else { addresses.join(", ") };
        steps.left(
            NAME,
            format!(
                "{addresses} on {} is still releasing: {}",
                eni.unwrap_or("an ENI"),
                why.unwrap_or("no reason is known")
            ),
        )?;
    }
    let waiting = count(&flushed["earlierBoot"]["waiting"]);
    if waiting > 0 {
        steps.left(NAME, format!("{waiting} of an earlier boot wait until ten minutes after boot"))?;
    }
    if released > 0 {
        steps.done(
            NAME,
            format!("released {released} {}", if released == 1 { "address" } else { "addresses" }),
        )?;
    } else if releasing.is_empty() && waiting == 0 {
        steps.unchanged(NAME, "nothing was left to be released")?;
    }
    Ok(releasing.is_empty() && waiting == 0)
}
