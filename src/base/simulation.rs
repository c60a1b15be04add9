//! What a call cannot decide itself: which time it is, what chance brings, what a server answers. With the feature `simulation` a
//! thread can have all that from a [`World`], so that the calls of many nodes run in one process and in no time.
//!
//! The plugin is built without this.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// What the calls of one thread live in. Only one of them runs at a time: each until it waits for something.
pub trait World {
    /// What the wall clock showed when the time was zero.
    fn began(&self) -> SystemTime;

    /// The time that has passed. It never goes back within a process.
    fn time(&self) -> Duration;

    /// Suspends this call until `moment`.
    fn sleep_until(&self, moment: Duration);

    /// Suspends this call until another one of its node has gone on, but no longer than until `moment`. Whoever looks for what
    /// others have done `every` so often, goes on the next time that it would look.
    fn wait_for_others(&self, every: Duration, moment: Duration);

    /// Random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// Suspends this call until the request is answered, but no longer than until `moment`.
    fn exchange(&self, request: &Request<'_>, moment: Duration) -> Result<Response, NoResponse>;
}

/// A request of HTTP.
pub struct Request<'a> {
    /// The host and port.
    pub authority: &'a str,
    /// `GET` and the like.
    pub method: &'a str,
    /// Path and query, encoded.
    pub target: &'a str,
    /// The headers.
    pub headers: &'a [(&'static str, String)],
}

/// What came back.
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Nothing came back.
pub struct NoResponse {
    /// Whether the request has left.
    pub sent: bool,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// From now on, calls in this thread live in `world`.
pub fn enter(world: Rc<dyn World>) {
    WORLD.set(Some(world));
}

/// The world of this thread, if it has one.
pub(crate) fn world() -> Option<Rc<dyn World>> {
    WORLD.with_borrow(Clone::clone)
}

/// The moment at which the time of every world was zero.
fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

pub(super) fn now() -> Option<Instant> {
    world().map(|world| zero() + world.time())
}

pub(super) fn wall_clock() -> Option<SystemTime> {
    world().map(|world| world.began() + world.time())
}

pub(crate) fn sleep(time: Duration) {
    match world() {
        Some(world) => world.sleep_until(world.time() + time),
        None => thread::sleep(time),
    }
}

/// Sleeps for `time`, where others may make that needless. Whether there is a world to do so in.
pub(super) fn wait_for_others(every: Duration, time: Duration) -> bool {
    world().inspect(|world| world.wait_for_others(every, world.time() + time)).is_some()
}

/// Random bytes; false where there is no world.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    world().inspect(|world| world.fill(bytes)).is_some()
}
