//! What a runtime does with its pods, and what happens to it meanwhile: at random, and, before each phase's chaos, one
//! situation in which a single mistake of the plugin would be enough.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Effect, Fault, Node};

use crate::books::{Books, lock_eni};
use crate::dice::Dice;
use crate::moments::{is_asked, is_carried_out, is_on_its_way, wait, wait_until_begun};
use crate::pods::{Pods, add, call, choose, del};
use crate::report::Reports;
use crate::{ASSIGN, UNASSIGN};

/// How many pods live at the most, and how many at the least: so that lately released addresses are handed out again at once.
const MOST_PODS: usize = 24;
const FEWEST_PODS: usize = 8;

/// How many situations [`Runtime::one_situation`] knows.
const SITUATIONS: u64 = 7;

/// A node's runtime.
#[derive(Clone, Copy)]
pub(crate) struct Runtime<'a> {
    pub(crate) node: &'a Node,
    pub(crate) pods: &'a Pods,
    pub(crate) reports: &'a Reports<'a>,
    /// The configuration for commands.
    pub(crate) conflist: &'a Path,
    /// When the phase ends.
    pub(crate) end: Instant,
}

/// When a call is killed.
#[derive(Clone, Copy)]
enum Kill {
    /// While its request is on its way and still to be carried out.
    Asked,
    /// When its request was carried out, and is not answered.
    CarriedOut,
    /// Whenever.
    Somewhere,
}

/// What follows when an ADD was killed.
#[derive(Clone, Copy)]
enum Then {
    /// Nothing.
    Nothing,
    /// The runtime tries again.
    Add,
    /// The runtime deletes the pod.
    Del,
    /// The same, and the repetition of the ADD's request is refused, while the first one may be under way.
    RefusedDel,
    /// Somebody unassigns by hand what the ADD had got, and another pod gets it before the runtime deletes this one.
    ByHand,
}

impl Runtime<'_> {
    /// Whether the phase goes on.
    pub(crate) fn goes_on(&self) -> bool {
        Instant::now() < self.end && !self.reports.any()
    }

    /// Adds, deletes and kills until the phase ends.
    pub(crate) fn trouble(&self, mut dice: Dice) {
        let dice = &mut dice;
        while self.goes_on() {
            let count = self.pods.live().len();
            match dice.roll(44) {
                0..=1 => self.flush(),
                2 => self.restore_old_release(dice),
                3..=7 => self.overtaken_add(dice),
                8..=13 => {
                    let (kill, effect) = match dice.roll(3) {
                        0 => (Kill::Asked, Some(Effect::Delay(Duration::from_millis(200 + dice.roll(400))))),
                        1 => (Kill::CarriedOut, Some(answered_late())),
                        _ => (Kill::Somewhere, None),
                    };
                    let then = [Then::Nothing, Then::Add, Then::Del, Then::RefusedDel, Then::ByHand];
                    self.killed_add(kill, effect, then[dice.index(5)], dice);
                }
                14..=17 if count < MOST_PODS => self.burst(dice),
                14..=29 if count < MOST_PODS => drop(self.add()),
                _ if count <= FEWEST_PODS => drop(self.add()),
                _ => {
                    let late = Duration::from_millis(400 + dice.roll(1000));
                    let (kill, effect) = match dice.roll(10) {
                        0 => (None, Some(Effect::Late(late))),
                        1 => (None, Some(Effect::DropBefore)),
                        2 | 3 => (Some(Kill::Asked), Some(Effect::Delay(late))),
                        4 => (Some(Kill::Somewhere), None),
                        _ => (None, None),
                    };
                    if let Some((container, address)) = self.pods.let_one_end(dice) {
                        self.delete(&container, address, kill, effect, dice);
                    }
                }
            }
        }
    }

    /// Plays one situation, with nobody else there and no other faults.
    pub(crate) fn one_situation(&self, number: u64, dice: &mut Dice) {
        self.node.cloud.hold_late();
        match number % SITUATIONS {
            0 => self.hand_on(Some(Kill::Asked), Effect::Hold, dice),
            1 => self.hand_on(None, Effect::Late(Duration::ZERO), dice),
            // No description shows the pod's address yet.
            2 => self.hand_on(None, Effect::DropBefore, dice),
            3 => self.killed_add(Kill::Asked, Some(Effect::Hold), Then::RefusedDel, dice),
            4 => self.killed_add(Kill::CarriedOut, Some(answered_late()), Then::ByHand, dice),
            5 => {
                drop(self.add());
                self.restore_old_release(dice);
                self.flush();
            }
            _ => self.overtaken_add(dice),
        }
        self.node.cloud.let_go();
        self.node.cloud.wait_until_idle().expect("the simulator is there");
        self.pods.look_at_living(self.node, self.reports);
    }

    /// The node boots, and no pod survives that. Some come again under their names while the timer's `flush` runs; nobody calls DEL for
    /// the others. No call may be running, and nobody looks.
    pub(crate) fn reboot(&self, dice: &mut Dice) {
        let gone = std::mem::take(&mut *self.pods.live());
        self.node.reboot();
        // So that it meets ADDs in the middle: some take a record over after it has read it.
        let pause = Duration::from_millis(dice.roll(60));
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(pause);
                self.flush();
            });
            // It goes through them in the other order.
            for container in gone.into_keys().rev() {
                self.pods.forget(container.clone());
                if dice.roll(3) > 0 {
                    self.pods.take(self.reports, &container, &add(self.node, &container));
                }
            }
        });
        self.pods.look_at_living(self.node, self.reports);
    }

    /// A pod's address becomes free, and is the first one to be handed out: the last pod got the lowest that was free. What
    /// happens to the request that unassigned it can still be on its way.
    fn hand_on(&self, kill: Option<Kill>, effect: Effect, dice: &mut Dice) {
        if let Some((container, address)) = self.add() {
            self.pods.let_end(&container);
            self.delete(&container, address, kill, Some(effect), dice);
            drop(self.add());
        }
    }

    /// What a timer does.
    fn flush(&self) {
        let _ = self.node.operator_with(self.conflist, &["flush"]);
    }

    /// A pod begins; with what address, if it gets one.
    fn add(&self) -> Option<(String, IpAddr)> {
        let container = self.pods.name();
        self.pods.begin(&container);
        let answer = add(self.node, &container);
        self.pods.end(&container);
        self.pods.take(self.reports, &container, &answer);
        (answer.status() == 0).then(|| (container, answer.address()))
    }

    /// Several pods begin together, and share requests. One ADD or none is killed, whoever of them asks by then.
    fn burst(&self, dice: &mut Dice) {
        let containers: Vec<_> = (0..3 + dice.roll(4)).map(|_| self.pods.name()).collect();
        let killed = dice.index(2 * containers.len());
        for container in containers.iter().enumerate().filter(|(index, _)| *index != killed).map(|it| it.1) {
            self.pods.begin(container);
        }
        let mut calls: Vec<_> =
            containers.iter().map(|it| Some(call(self.node, "ADD", it).start())).collect();
        if let Some(call) = calls.get_mut(killed).and_then(Option::take) {
            thread::sleep(Duration::from_millis(dice.roll(60)));
            call.kill();
            self.pods.forget(containers[killed].clone());
            self.pods.count(|tally| tally.kills += 1);
        }
        for (container, call) in containers.iter().zip(calls) {
            let Some(call) = call else { continue };
            let answer = call.wait();
            self.pods.end(container);
            self.pods.take(self.reports, container, &answer);
        }
        self.pods.count(|tally| tally.bursts += 1);
    }

    /// The runtime gives up on an ADD and deletes the pod while the ADD runs. Nobody comes again.
    fn overtaken_add(&self, dice: &mut Dice) {
        let container = self.pods.name();
        self.pods.begin(&container);
        let mut call = call(self.node, "ADD", &container).start();
        // A DEL that comes before the ADD has begun would find nothing.
        wait_until_begun(&mut call, self.node, &container);
        thread::sleep(Duration::from_millis(dice.roll(30)));
        del(self.node, &container).ok();
        let _ = call.wait();
        self.pods.end(&container);
        self.pods.count(|tally| tally.overtaken_adds += 1);
    }

    /// An ADD is killed, whose request something happens to.
    fn killed_add(&self, kill: Kill, effect: Option<Effect>, then: Then, dice: &mut Dice) {
        let (node, container) = (self.node, self.pods.name());
        if let Some(effect) = effect {
            self.next_assign(effect);
        }
        let mut call = call(node, "ADD", &container).start();
        match kill {
            Kill::Asked => wait(&mut call, || is_asked(node, &container)),
            Kill::CarriedOut => wait(&mut call, || is_carried_out(node, &container)),
            Kill::Somewhere => thread::sleep(Duration::from_millis(dice.roll(60))),
        }
        call.kill();
        self.pods.count(|tally| tally.kills += 1);
        match then {
            Then::Nothing => self.pods.forget(container),
            Then::Add => self.pods.take(self.reports, &container, &add(node, &container)),
            Then::Del => del(node, &container).ok(),
            Then::RefusedDel => {
                self.next_assign(Effect::code("QuotaExceeded.PrivateIpAddress"));
                del(node, &container).ok();
            }
            Then::ByHand => {
                if self.release_by_hand(&container) {
                    drop(self.add());
                }
                del(node, &container).ok();
            }
        }
    }

    fn next_assign(&self, effect: Effect) {
        self.node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effect));
    }

    /// A pod is deleted, and something happens to the request or to the call.
    fn delete(
        &self,
        container: &str,
        address: IpAddr,
        kill: Option<Kill>,
        effect: Option<Effect>,
        dice: &mut Dice,
    ) {
        let node = self.node;
        if let Some(effect) = effect {
            node.cloud.inject(Fault::on(UNASSIGN).address(address).times(1).effect(effect));
        }
        let mut call = call(node, "DEL", container).start();
        match kill {
            Some(Kill::Asked | Kill::CarriedOut) => wait(&mut call, || is_on_its_way(node, address)),
            Some(Kill::Somewhere) => thread::sleep(Duration::from_millis(dice.roll(60))),
            None => {}
        }
        if kill.is_some() {
            call.kill();
            self.pods.count(|tally| tally.kills += 1);
        } else {
            call.wait().ok();
        }
        self.pods.count(|tally| tally.dels += 1);
        // The runtime repeats it, whatever became of the first.
        del(node, container).ok();
    }

    /// A file comes back from a backup: a release that names what a living pod has in use.
    fn restore_old_release(&self, dice: &mut Dice) {
        // Its DEL waits for this.
        let live = self.pods.live();
        let Some((container, _)) = choose(&live, dice) else { return };
        let books = Books::read(self.node);
        let Some(record) = books.active.iter().find(|entry| entry.is_of(&container)) else { return };
        let name = format!("{}.2026-01-01T00:00:00Z.{:016x}", record.name, dice.roll(u64::MAX));
        let releasing = self.node.store().join("releasing");
        let draft = releasing.join(format!(".{name}"));
        self.pods.restore(container);
        let _ = fs::copy(&record.path, &draft).and_then(|_| fs::rename(&draft, releasing.join(name)));
    }

    /// A person unassigns in the console what an ADD that was killed had got: whether it had got something. Only what no record
    /// names, as `reconcile` advises.
    fn release_by_hand(&self, container: &str) -> bool {
        let node = self.node;
        let Some(_lock) = lock_eni(node) else { return false };
        let books = Books::read_at_once(node);
        let Some(intent) = books.assigning.iter().find(|entry| entry.is_of(container)) else { return false };
        let assigned = intent.tokens().into_iter().flat_map(|token| node.cloud.assigned_under(&token));
        let nobodys: Vec<_> = assigned.filter(|&it| !books.name(it) && node.on_eni().contains(&it)).collect();
        for &address in &nobodys {
            node.cloud.unassign(Node::ENI, address);
        }
        !nobodys.is_empty()
    }
}

/// What leaves the time to kill a call whose request is carried out.
fn answered_late() -> Effect {
    Effect::DelayAnswer(Duration::from_millis(200))
}
