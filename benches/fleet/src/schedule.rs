//! The calls that run, and whose moment comes next.

use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use generator::{Generator, Gn};

/// A call's own memory, in words. Debug builds need more.
const STACK: usize = if cfg!(debug_assertions) { 64 << 10 } else { 16 << 10 };

thread_local! {
    /// What the call that begins does.
    static BODY: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// Suspends the call that runs.
#[expect(
    deprecated,
    reason = "its successor is for those who have the coroutine at hand; a call waits far below that"
)]
fn suspend() {
    generator::yield_with(());
}

/// A call that has begun.
struct Call {
    node: usize,
    /// `None` while it runs.
    body: Option<Generator<'static, (), ()>>,
    /// How often it has gone on: an event for an earlier wait is over.
    step: u64,
    looks: Option<Looks>,
}

/// A call that waits for what others do.
#[derive(Clone, Copy)]
struct Looks {
    /// How often it looks.
    every: Duration,
    since: Duration,
    /// When it will look, as far as is known.
    due: Duration,
}

/// What happens at a moment.
enum Event {
    Begin { node: usize, body: Box<dyn FnOnce()> },
    GoOn { call: u64, step: u64 },
}

/// An event in its place: of those at one moment, the first that was asked for comes first.
struct Planned {
    moment: Duration,
    number: u64,
    event: Event,
}

/// All calls of all nodes.
#[derive(Default)]
pub(crate) struct Schedule(RefCell<State>);

#[derive(Default)]
struct State {
    now: Duration,
    events: BinaryHeap<Reverse<Planned>>,
    last: u64,
    calls: HashMap<u64, Call>,
    /// Those of each node that wait for others.
    waiting: HashMap<usize, Vec<u64>>,
    current: Option<(u64, usize)>,
    most_calls: usize,
}

impl State {
    fn at(&mut self, moment: Duration, event: Event) {
        self.last += 1;
        self.events.push(Reverse(Planned { moment: moment.max(self.now), number: self.last, event }));
    }

    fn go_on_at(&mut self, moment: Duration, call: u64) {
        let step = self.calls.get(&call).map_or(0, |it| it.step);
        self.at(moment, Event::GoOn { call, step });
    }

    /// Lets those look who wait for others on `node`: `mover` has done something.
    fn tell_others(&mut self, node: usize, mover: u64) {
        let now = self.now;
        for call in self.waiting.get(&node).cloned().unwrap_or_default() {
            let Some(Call { looks: Some(looks), .. }) = self.calls.get_mut(&call) else { continue };
            let due = looks.next_after(now);
            if call != mover && due < looks.due {
                looks.due = due;
                self.go_on_at(due, call);
            }
        }
    }
}

impl Looks {
    /// When it looks for the first time after `now`.
    fn next_after(&self, now: Duration) -> Duration {
        if self.every.is_zero() {
            return now;
        }
        let looks = now.saturating_sub(self.since).as_nanos() / self.every.as_nanos() + 1;
        self.since + self.every * u32::try_from(looks).unwrap_or(u32::MAX)
    }
}

impl Planned {
    fn place(&self) -> (Duration, u64) {
        (self.moment, self.number)
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Planned {}

impl Schedule {
    /// The present time.
    pub(crate) fn now(&self) -> Duration {
        self.0.borrow().now
    }

    /// The node of the call that runs.
    pub(crate) fn current_node(&self) -> usize {
        self.0.borrow().current.map(|(_, node)| node).unwrap_or_default()
    }

    /// The most calls that were under way at one moment.
    pub(crate) fn most_calls(&self) -> usize {
        self.0.borrow().most_calls
    }

    /// A call of `node` begins at `moment`.
    pub(crate) fn begin_at(&self, moment: Duration, node: usize, body: impl FnOnce() + 'static) {
        self.0.borrow_mut().at(moment, Event::Begin { node, body: Box::new(body) });
    }

    /// Suspends the call that runs until `moment`.
    pub(crate) fn sleep_until(&self, moment: Duration) {
        let mut state = self.0.borrow_mut();
        if let Some((call, _)) = state.current {
            state.go_on_at(moment, call);
        }
        drop(state);
        suspend();
    }

    /// Suspends the call that runs until another one of its node has gone on, or until `moment`.
    pub(crate) fn wait_for_others(&self, every: Duration, moment: Duration) {
        let mut state = self.0.borrow_mut();
        if let Some((call, node)) = state.current {
            let now = state.now;
            state.go_on_at(moment, call);
            if let Some(it) = state.calls.get_mut(&call) {
                it.looks = Some(Looks { every, since: now, due: moment });
            }
            state.waiting.entry(node).or_default().push(call);
        }
        drop(state);
        suspend();
    }

    /// Lets time pass until nothing is left to be done, or `is_over` says so of the next moment.
    pub(crate) fn run(&self, mut is_over: impl FnMut(Duration) -> bool) {
        loop {
            let next = self.0.borrow().events.peek().map(|Reverse(next)| next.moment);
            if next.is_none_or(&mut is_over) {
                return;
            }
            let mut state = self.0.borrow_mut();
            let Some(Reverse(Planned { moment, event, .. })) = state.events.pop() else { return };
            state.now = moment;
            drop(state);
            match event {
                Event::Begin { node, body } => self.begin(node, body),
                Event::GoOn { call, step } => self.go_on(call, step),
            }
        }
    }

    fn begin(&self, node: usize, body: Box<dyn FnOnce()>) {
        let mut state = self.0.borrow_mut();
        state.last += 1;
        let number = state.last;
        BODY.set(Some(body));
        // A coroutine's function has to be fit for another thread, which a call's is not.
        let body = Some(Gn::new_opt(STACK, || BODY.take().into_iter().for_each(|body| body())));
        state.calls.insert(number, Call { node, body, step: 0, looks: None });
        state.most_calls = state.most_calls.max(state.calls.len());
        drop(state);
        self.go_on(number, 0);
    }

    /// Runs a call until it waits again or ends.
    fn go_on(&self, number: u64, step: u64) {
        let mut state = self.0.borrow_mut();
        let Some(call) = state.calls.get_mut(&number).filter(|call| call.step == step) else { return };
        call.step += 1;
        let (node, has_only_looked) = (call.node, call.looks.take().is_some());
        let Some(mut body) = call.body.take() else { return };
        if has_only_looked && let Some(waiting) = state.waiting.get_mut(&node) {
            waiting.retain(|it| *it != number);
        }
        state.current = Some((number, node));
        drop(state);
        body.resume();
        let mut state = self.0.borrow_mut();
        state.current = None;
        let mut waits_on = false;
        if body.is_done() {
            state.calls.remove(&number);
        } else if let Some(call) = state.calls.get_mut(&number) {
            call.body = Some(body);
            waits_on = call.looks.is_some();
        }
        // Who has looked and waits on has changed nothing.
        if !(has_only_looked && waits_on) {
            state.tell_others(node, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    /// When it begins, on which node, and what it does.
    type Timed = (u64, usize, fn(&Schedule));

    /// Runs `calls`, each at its moment on its node, and returns what they have noted, each with the moment.
    fn run(calls: &[Timed]) -> Vec<(u64, u64)> {
        let schedule = Rc::new(Schedule::default());
        let notes = Rc::new(RefCell::new(Vec::new()));
        for (index, (moment, node, body)) in (0..).zip(calls.iter().copied()) {
            let (schedule_of_call, notes) = (Rc::clone(&schedule), Rc::clone(&notes));
            schedule.begin_at(ms(moment), node, move || {
                body(&schedule_of_call);
                let now = schedule_of_call.now().as_millis();
                notes.borrow_mut().push((index, u64::try_from(now).unwrap()));
            });
        }
        schedule.run(|_| false);
        notes.take()
    }

    #[test]
    fn calls_go_on_in_the_order_of_their_moments() {
        let sleep: fn(&Schedule) = |schedule| schedule.sleep_until(ms(30));
        let short: fn(&Schedule) = |schedule| schedule.sleep_until(schedule.now() + ms(5));
        assert_eq!(run(&[(0, 0, sleep), (10, 0, short), (20, 1, short)]), [(1, 15), (2, 25), (0, 30)]);
    }

    #[test]
    fn who_waits_for_others_looks_after_one_of_its_own_node_has_gone_on() {
        let wait: fn(&Schedule) = |schedule| schedule.wait_for_others(ms(100), ms(900));
        let at_once: fn(&Schedule) = |schedule| schedule.wait_for_others(ms(0), ms(900));
        let end: fn(&Schedule) = |_| {};
        // The second waits on another node, and the third for no look.
        let calls = [(0, 0, wait), (0, 1, wait), (10, 0, at_once), (250, 0, end)];
        assert_eq!(run(&calls), [(0, 100), (2, 100), (3, 250), (1, 900)]);
    }
}
