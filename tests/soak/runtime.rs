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
use crate::pods::{Pods, choose};
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

/// When an ADD is killed.
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

/// What happens to a DEL.
#[derive(Clone, Copy)]
enum Trouble {
    Nothing,
    /// Its request is carried out late.
    Late,
    /// Its request is lost.
    Lost,
    /// It is killed while its request is on its way and still to be carried out.
    KilledOnTheWay,
    /// It is killed somewhere.
    Killed,
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
            match dice.roll(40) {
                0..=1 => self.flush(),
                2 => self.restore_old_release(dice),
                3..=7 => self.overtaken_add(dice),
                8..=13 => {
                    let kill = [Kill::Asked, Kill::CarriedOut, Kill::Somewhere][dice.index(3)];
                    let then = [Then::Nothing, Then::Add, Then::Del, Then::RefusedDel, Then::ByHand];
                    self.killed_add(kill, then[dice.index(5)], dice);
                }
                _ if count <= FEWEST_PODS => self.add(),
                14..=25 if count < MOST_PODS => self.add(),
                _ => {
                    let trouble = match dice.roll(10) {
                        0 => Trouble::Late,
                        1 => Trouble::Lost,
                        2 | 3 => Trouble::KilledOnTheWay,
                        4 => Trouble::Killed,
                        _ => Trouble::Nothing,
                    };
                    if let Some((container, address)) = self.pods.let_one_end(dice) {
                        self.delete(&container, address, trouble, dice);
                    }
                }
            }
        }
    }

    /// Plays one situation, with nobody else there and no other faults.
    pub(crate) fn one_situation(&self, number: u64, dice: &mut Dice) {
        while self.pods.live().len() < 2 && self.goes_on() {
            self.add();
        }
        match number % SITUATIONS {
            0 => self.hand_on(Trouble::KilledOnTheWay, dice),
            1 => self.hand_on(Trouble::Late, dice),
            2 => {
                // One that no description shows yet.
                let container = self.pods.name();
                let answer = self.node.add(&container);
                self.pods.count(|tally| tally.adds += 1);
                if answer.status() == 0 {
                    self.delete(&container, answer.address(), Trouble::Lost, dice);
                }
            }
            3 => self.killed_add(Kill::Asked, Then::RefusedDel, dice),
            4 => self.killed_add(Kill::CarriedOut, Then::ByHand, dice),
            5 => {
                self.restore_old_release(dice);
                self.flush();
            }
            _ => self.overtaken_add(dice),
        }
    }

    /// A pod's address becomes free while a request to unassign it is still on its way, and is the first one to be handed out.
    fn hand_on(&self, trouble: Trouble, dice: &mut Dice) {
        if let Some((container, address)) = self.pods.let_lowest_end() {
            self.delete(&container, address, trouble, dice);
            self.add();
        }
    }

    /// What a timer does.
    fn flush(&self) {
        let _ = self.node.operator_with(self.conflist, &["flush"]);
    }

    fn add(&self) {
        let container = self.pods.name();
        self.pods.begin(&container);
        let answer = self.node.add(&container);
        self.pods.end(&container);
        self.pods.take(self.reports, &container, &answer);
    }

    /// The runtime gives up on an ADD and deletes the pod while the ADD runs. Nobody comes again.
    fn overtaken_add(&self, dice: &mut Dice) {
        let container = self.pods.name();
        self.pods.begin(&container);
        let mut call = self.node.call("ADD", &container).start();
        // A DEL that comes before the ADD has begun would find nothing.
        wait_until_begun(&mut call, self.node, &container);
        thread::sleep(Duration::from_millis(dice.roll(30)));
        self.node.del(&container).ok();
        let _ = call.wait();
        self.pods.end(&container);
        self.pods.count(|tally| tally.overtaken_adds += 1);
    }

    fn killed_add(&self, kill: Kill, then: Then, dice: &mut Dice) {
        let (node, container) = (self.node, self.pods.name());
        match kill {
            Kill::Asked => self.next_assign(Effect::Delay(Duration::from_millis(200 + dice.roll(400)))),
            Kill::CarriedOut => self.next_assign(Effect::DelayAnswer(Duration::from_millis(200))),
            Kill::Somewhere => {}
        }
        let mut call = node.call("ADD", &container).start();
        match kill {
            Kill::Asked => wait(&mut call, || is_asked(node, &container)),
            Kill::CarriedOut => wait(&mut call, || is_carried_out(node, &container)),
            Kill::Somewhere => thread::sleep(Duration::from_millis(dice.roll(60))),
        }
        call.kill();
        self.pods.count(|tally| tally.kills += 1);
        match then {
            Then::Nothing => self.pods.forget(container),
            Then::Add => self.pods.take(self.reports, &container, &node.add(&container)),
            Then::Del => node.del(&container).ok(),
            Then::RefusedDel => {
                self.next_assign(Effect::code("QuotaExceeded.PrivateIpAddress"));
                node.del(&container).ok();
            }
            Then::ByHand => {
                if self.release_by_hand(&container) {
                    self.add();
                }
                node.del(&container).ok();
            }
        }
    }

    fn next_assign(&self, effect: Effect) {
        self.node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effect));
    }

    fn delete(&self, container: &str, address: IpAddr, trouble: Trouble, dice: &mut Dice) {
        let node = self.node;
        let time = Duration::from_millis(400 + dice.roll(1000));
        let effect = match trouble {
            Trouble::Late => Some(Effect::Late(time)),
            Trouble::Lost => Some(Effect::DropBefore),
            Trouble::KilledOnTheWay => Some(Effect::Delay(time)),
            Trouble::Killed | Trouble::Nothing => None,
        };
        if let Some(effect) = effect {
            node.cloud.inject(Fault::on(UNASSIGN).address(address).times(1).effect(effect));
        }
        let mut call = node.call("DEL", container).start();
        match trouble {
            Trouble::KilledOnTheWay => wait(&mut call, || is_on_its_way(node, address)),
            Trouble::Killed => thread::sleep(Duration::from_millis(dice.roll(60))),
            Trouble::Late | Trouble::Lost | Trouble::Nothing => {}
        }
        if matches!(trouble, Trouble::KilledOnTheWay | Trouble::Killed) {
            call.kill();
            self.pods.count(|tally| tally.kills += 1);
        } else {
            call.wait().ok();
        }
        self.pods.count(|tally| tally.dels += 1);
        // The runtime repeats it, whatever became of the first.
        node.del(container).ok();
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
        let books = Books::read(node);
        let Some(intent) = books.assigning.iter().find(|entry| entry.is_of(container)) else { return false };
        let assigned = intent.tokens().into_iter().flat_map(|token| node.cloud.assigned_under(&token));
        let nobodys: Vec<_> = assigned.filter(|&it| !books.name(it) && node.on_eni().contains(&it)).collect();
        for &address in &nobodys {
            node.cloud.unassign(Node::ENI, address);
        }
        !nobodys.is_empty()
    }
}
