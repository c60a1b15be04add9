//! The pods of a node, and what their runtime knows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use harness::{Answer, Calling, Node};
use serde_json::json;

use crate::dice::Dice;
use crate::report::{Broken, Reports, Tally};

/// The network, beside the node's own, of every other pod on a node with a reserve. It keeps none.
const OTHERS: &str = "others";

/// A call about a pod, in the pod's network.
pub(crate) fn call<'a>(node: &'a Node, verb: &str, container: &str) -> Calling<'a> {
    let call = node.call(verb, container);
    let is_even = |digit: char| digit.to_digit(10).is_some_and(|digit| digit % 2 == 0);
    if has_others(node) && container.ends_with(is_even) { of_others(call) } else { call }
}

/// The GCs that a runtime makes.
pub(crate) fn gc_of_each_network(node: &Node) -> Vec<Calling<'_>> {
    let mut calls = vec![node.call("GC", "")];
    if has_others(node) {
        calls.push(of_others(node.call("GC", "")));
    }
    calls
}

fn has_others(node: &Node) -> bool {
    node.ipam.contains_key("reserve")
}

fn of_others(call: Calling<'_>) -> Calling<'_> {
    call.config(|config| {
        config["name"] = json!(OTHERS);
        config["ipam"]["reserve"] = json!(0);
    })
}

/// ADD.
pub(crate) fn add(node: &Node, container: &str) -> Answer {
    call(node, "ADD", container).run()
}

/// DEL.
pub(crate) fn del(node: &Node, container: &str) -> Answer {
    call(node, "DEL", container).run()
}

/// The pods of a node.
#[derive(Default)]
pub(crate) struct Pods {
    /// Those that live, by container, with their addresses.
    live: Mutex<BTreeMap<String, IpAddr>>,
    /// Those whose first ADD runs and will not be killed.
    adding: Mutex<BTreeSet<String>>,
    /// Those whose ADD was killed, and for which nobody calls DEL.
    forgotten: Mutex<BTreeSet<String>>,
    /// Those of which an old release came back from a backup.
    restored: Mutex<BTreeSet<String>>,
    tally: Mutex<Tally>,
    named: AtomicU64,
}

impl Pods {
    /// A name that no pod has had.
    pub(crate) fn name(&self) -> String {
        format!("pod-{}", self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// The first ADD of a container begins, and will not be killed.
    pub(crate) fn begin(&self, container: &str) {
        lock(&self.adding).insert(container.to_owned());
    }

    /// That ADD has ended.
    pub(crate) fn end(&self, container: &str) {
        lock(&self.adding).remove(container);
    }

    /// The containers whose first ADD runs now and will not be killed.
    pub(crate) fn adding(&self) -> BTreeSet<String> {
        lock(&self.adding).clone()
    }

    /// A pod lives from its ADD's success on.
    pub(crate) fn take(&self, reports: &Reports<'_>, container: &str, answer: &Answer) {
        self.count(|tally| tally.adds += 1);
        if answer.status() != 0 {
            let _ = answer.any_error();
            self.count(|tally| tally.failed_adds += 1);
            return;
        }
        let address = answer.address();
        let mut live = self.live();
        if let Some((other, _)) = live.iter().find(|(_, it)| **it == address) {
            reports.report(Broken::Theft, format!("{container} and {other} have {address}"));
        }
        live.insert(container.to_owned(), address);
    }

    /// A pod that ends. From the beginning of its DEL on it has no claim on its address.
    pub(crate) fn let_one_end(&self, dice: &mut Dice) -> Option<(String, IpAddr)> {
        let mut live = self.live();
        let chosen = choose(&live, dice)?;
        live.remove(&chosen.0);
        Some(chosen)
    }

    /// This pod ends.
    pub(crate) fn let_end(&self, container: &str) {
        self.live().remove(container);
    }

    /// Whether each living pod's address is on the ENI: that must be so at any time.
    pub(crate) fn look_at_living(&self, node: &Node, reports: &Reports<'_>) {
        // Nobody's DEL begins meanwhile.
        let live = self.live();
        let on_eni = node.on_eni();
        if let Some((container, address)) = live.iter().find(|(_, address)| !on_eni.contains(address)) {
            reports
                .report(Broken::Theft, format!("{address} of {container}, which lives, is not on the ENI"));
        }
    }

    /// Whether the pod lives and has this address.
    pub(crate) fn has(&self, container: &str, address: IpAddr) -> bool {
        self.live().get(container) == Some(&address)
    }

    /// The pods that live, with their addresses. None ends as long as this is held.
    pub(crate) fn live(&self) -> MutexGuard<'_, BTreeMap<String, IpAddr>> {
        lock(&self.live)
    }

    /// The container's ADD was killed, and nobody calls DEL.
    pub(crate) fn forget(&self, container: String) {
        lock(&self.forgotten).insert(container);
    }

    /// Whether nobody calls DEL for this container.
    pub(crate) fn is_forgotten(&self, container: &str) -> bool {
        lock(&self.forgotten).contains(container)
    }

    /// The runtime has called GC: nobody is forgotten any more.
    pub(crate) fn forget_nobody(&self) {
        lock(&self.forgotten).clear();
    }

    /// An old release of this container came back from a backup.
    pub(crate) fn restore(&self, container: String) {
        lock(&self.restored).insert(container);
    }

    /// Whether an old release of this container came back from a backup.
    pub(crate) fn is_restored(&self, container: &str) -> bool {
        lock(&self.restored).contains(container)
    }

    /// Deletes every pod.
    pub(crate) fn delete_all(&self, node: &Node) {
        for container in std::mem::take(&mut *self.live()).keys() {
            del(node, container).ok();
        }
    }

    /// What was done.
    pub(crate) fn tally(&self) -> Tally {
        *lock(&self.tally)
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut lock(&self.tally));
    }
}

/// One of the pods that live.
pub(crate) fn choose(live: &BTreeMap<String, IpAddr>, dice: &mut Dice) -> Option<(String, IpAddr)> {
    live.iter().nth(dice.index(live.len().max(1))).map(|(container, address)| (container.clone(), *address))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
