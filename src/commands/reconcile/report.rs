//! What `reconcile` says: the differences, and what to do about them.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::base::attachment::Attachment;
use crate::commands::causes;
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json, print_lines};
use crate::commands::reconcile::adopt::Adoption;
use crate::commands::reconcile::adoptable::Conflict;
use crate::commands::reconcile::compare::{Comparison, Ghost, InUse, record_in_words};
use crate::commands::reconcile::restore;
use crate::commands::releasing::Outcome;
use crate::commands::table;
use crate::store::State;

/// What was done about the differences.
#[derive(Default)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) adoption: Adoption,
    pub(super) restored: Vec<Ghost>,
}

/// Prints one document.
pub(super) fn print_as_json(found: &[Comparison], done: &Done) -> Result<(), CommandError> {
    print_json(&json!({
        "enis": found.iter().map(to_json).collect::<Vec<_>>(),
        "adopted": done.adoption.addresses(),
        "restored": done.restored.iter().map(|it| it.address).collect::<Vec<_>>(),
        "released": done.outcome.released,
        "left": done.outcome.left_addresses().collect::<Vec<_>>(),
        "causes": causes::to_json(&done.outcome.left),
        "unseen": Comparison::unseen(found),
    }))
}

/// Prints what was done, what is left, and what to do about it.
pub(super) fn print_in_words(found: &[Comparison], done: &Done) -> Result<(), CommandError> {
    done.adoption.print()?;
    show(found)?;
    restore::print(&done.restored, found)?;
    done.outcome.print()?;
    if done.outcome.released.is_empty() && found.iter().all(|it| it.orphans.is_empty()) {
        return Ok(());
    }
    let unseen = Comparison::unseen(found);
    print_lines(
        unseen.iter().map(|it| format!("Not looked at, so it may show that a pod has an orphan: {it}")),
    )
}

/// Prints the differences and the advice.
fn show(found: &[Comparison]) -> Result<(), CommandError> {
    let rows: Vec<_> = found.iter().flat_map(rows).collect();
    if rows.is_empty() {
        let enis: Vec<_> = found.iter().map(|it| it.eni.to_string()).collect();
        return print(format!("the records match ECS for {}", enis.join(", ")));
    }
    print_lines(table::render(["ENI", "WHAT", "ADDRESS", "WHY"], rows.into_iter()))?;
    if found.iter().any(|it| !it.orphans.is_empty()) {
        print("Orphans: to release them, run `aliyun-eni-ipam reconcile --release-orphans`.")?;
    }
    advise_on_pods(found)?;
    if found.iter().any(restore::is_advisable) {
        print(
            "Ghosts: the pod of an active one has no network; to ask ECS for its address again, run `aliyun-eni-ipam \
             reconcile --restore`.",
        )?;
    }
    if found.iter().flat_map(|it| &it.ghosts).any(|it| it.state == State::Releasing) {
        print("A releasing ghost ends by itself.")?;
    }
    if found.iter().any(|it| !it.reserved_ghosts().is_empty()) {
        print(
            "A ghost in the reserve is no pod's: an ADD that would take it gives it up, and so does `aliyun-eni-ipam reconcile \
             --release-orphans`.",
        )?;
    }
    Ok(())
}

/// Says what to do about what pods have and no record of theirs names. None of it may cost a pod its address.
fn advise_on_pods(found: &[Comparison]) -> Result<(), CommandError> {
    let in_use = || found.iter().flat_map(|it| &it.in_use).map(|it| it.adopter.is_ok());
    let conflicts = || found.iter().flat_map(|it| &it.conflicts).map(|it| it.adopter.is_ok());
    let advice = [
        (
            in_use().any(|can_be_adopted| can_be_adopted),
            "In use: a pod has the address though no record says so. To record it again, run `aliyun-eni-ipam reconcile --adopt`.",
        ),
        (
            in_use().any(|can_be_adopted| !can_be_adopted),
            "Leave an address alone that is in use and cannot be recorded: it is an orphan when its pod has ended.",
        ),
        (
            conflicts().any(|can_be_adopted| can_be_adopted),
            "Conflicts: the record is out of date, and its release would take the address from the pod that has it now. Do not \
             release it; run `aliyun-eni-ipam reconcile --adopt`, which gives the address to that pod.",
        ),
        (
            conflicts().any(|can_be_adopted| !can_be_adopted),
            "A conflict that `--adopt` cannot settle: do not release the record. Delete the pod that uses the address, so that \
             it gets another one.",
        ),
    ];
    print_lines(advice.iter().filter(|(applies, _)| *applies).map(|(_, text)| text))
}

fn to_json(found: &Comparison) -> Value {
    let ghost = |ghost: &Ghost| {
        json!({
            "address": ghost.address,
            "containerId": ghost.owner.container_id,
            "ifname": ghost.owner.ifname,
            "state": ghost.state.name(),
            "pod": ghost.pod.as_ref().map(ToString::to_string),
            "why": ghost.why,
        })
    };
    let in_use = |it: &InUse| json!({ "address": it.address, "by": it.by, "why": it.adopter.as_ref().err() });
    let conflict = |it: &Conflict| {
        json!({
            "address": it.address,
            "containerId": it.owner.container_id,
            "ifname": it.owner.ifname,
            "state": it.state.name(),
            "usedBy": it.used_by,
            "why": it.adopter.as_ref().err(),
        })
    };
    let in_doubt = |(address, why): &(IpAddr, String)| json!({ "address": address, "why": why });
    json!({
        "networkInterfaceId": found.eni,
        "regionId": found.region,
        "orphans": found.orphans,
        "inUse": found.in_use.iter().map(in_use).collect::<Vec<_>>(),
        "conflicts": found.conflicts.iter().map(conflict).collect::<Vec<_>>(),
        "foreign": found.foreign.keys().collect::<Vec<_>>(),
        "ghosts": found.ghosts.iter().map(ghost).collect::<Vec<_>>(),
        "undecided": found.in_doubt.iter().map(in_doubt).collect::<Vec<_>>(),
        "problem": found.problem,
    })
}

/// A row for each difference: the ENI, the kind, the address, and an explanation.
fn rows(found: &Comparison) -> Vec<[String; 4]> {
    let row = |what: &str, address: Option<IpAddr>, text: String| {
        let address = address.map(|it| it.to_string()).unwrap_or_default();
        [found.eni.to_string(), what.to_owned(), address, text]
    };
    let mut rows: Vec<_> = found.problem.iter().map(|why| row("problem", None, why.clone())).collect();
    rows.extend(
        found.orphans.iter().map(|it| row("orphan", Some(*it), "no record has this address".to_owned())),
    );
    rows.extend(found.in_use.iter().map(|it| {
        let text = format!("used by {}{}", it.by, but(&it.adopter));
        row("in-use", Some(it.address), text)
    }));
    rows.extend(found.conflicts.iter().map(|it| {
        let record = record_in_words(it.state, &it.owner);
        let text = format!("{record}; used by {}{}", it.used_by, but(&it.adopter));
        row("conflict", Some(it.address), text)
    }));
    let recorded = found.foreign.iter().filter_map(|(address, why)| Some((address, why.as_ref()?)));
    rows.extend(recorded.map(|(it, why)| row("foreign", Some(*it), why.clone())));
    rows.extend(found.in_doubt.iter().map(|(it, why)| row("in-doubt", Some(*it), why.clone())));
    rows.extend(found.ghosts.iter().map(|it| row("ghost", Some(it.address), it.record())));
    rows
}

/// Why an address cannot be recorded for who uses it.
fn but(adopter: &Result<Attachment, String>) -> String {
    adopter.as_ref().err().map(|why| format!(", but {why}")).unwrap_or_default()
}
