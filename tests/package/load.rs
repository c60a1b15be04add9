//! Calls that go on while something else happens.

use std::fs;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Calling, Node, Ready, eventually};

use crate::debian::Debian;

/// As many callers as there are at a time.
const CALLERS: usize = 4;

/// At least as many calls are made while the event lasts.
pub(crate) const CALLS: usize = 100;

/// As many pods come and go before and after.
const AROUND: usize = 10;

/// What went on.
#[derive(Debug)]
pub(crate) struct Load {
    /// How many ADDs and as many DELs were made in all; each has succeeded.
    pub(crate) pods: usize,
    /// How many of these calls were under way at a moment of the event.
    pub(crate) meanwhile: usize,
    pub(crate) event: Duration,
}

/// A call of the plugin that the package has installed, as Debian's containerd makes it.
pub(crate) fn call<'a>(debian: &Debian, node: &'a Node, verb: &str, container: &str) -> Calling<'a> {
    // The default store and log are those of the package, and the test sees them elsewhere.
    let defaults = |config: &mut serde_json::Value| {
        config["ipam"].as_object_mut().expect("ipam").retain(|key, _| key != "dataDir" && key != "logFile");
    };
    let call = node.call(verb, container).config(defaults).env("CNI_PATH", "/usr/lib/cni");
    // The node's own program is the test's, which is not there.
    let program = ["sh", "-c", "exec /usr/lib/cni/aliyun-eni-ipam"].map(str::to_owned);
    let call = call.env("CNI_CACHE_DIR", "/var/lib/cni");
    call.under("nsenter", &[debian.enter().as_slice(), &program].concat())
}

/// Has pods come and go, one after the other at each of some callers, from before the event to after it. The event can ask how
/// many calls have ended since it began. No call may fail.
pub(crate) fn under_load(
    debian: &Debian,
    node: &Node,
    name: &str,
    event: impl FnOnce(&dyn Fn() -> usize),
) -> Load {
    let (done, pods) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    let times = &Mutex::new(Vec::new());
    let measured = |verb: &str, container: &str| {
        let begin = Instant::now();
        let answer = call(debian, node, verb, container).run();
        times.lock().expect("times").push((begin, Instant::now()));
        answer
    };
    let caller = |number: usize| {
        // Whoever fails ends the others, too.
        let _end = Ends(done);
        for pod in 0.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let container = format!("{name}-{number}-{pod}");
            assert!(measured("ADD", &container).address().is_ipv4());
            measured("DEL", &container).ok();
            pods.fetch_add(1, Ordering::Relaxed);
        }
    };
    let come_and_go = || {
        let before = pods.load(Ordering::Relaxed);
        let gone = || done.load(Ordering::Relaxed) || pods.load(Ordering::Relaxed) >= before + AROUND;
        eventually("pods come and go", gone);
    };
    let (begin, end) = thread::scope(|scope| {
        let _end = Ends(done);
        for number in 0..CALLERS {
            scope.spawn(move || caller(number));
        }
        come_and_go();
        let begin = Instant::now();
        let ended = || times.lock().expect("times").iter().filter(|(_, end)| *end > begin).count();
        event(&|| {
            assert!(!done.load(Ordering::Relaxed), "no call has failed");
            ended()
        });
        let end = Instant::now();
        come_and_go();
        (begin, end)
    });
    let times = times.lock().expect("times");
    let meanwhile = times.iter().filter(|(first, last)| *first < end && *last > begin).count();
    Load { pods: pods.load(Ordering::Relaxed), meanwhile, event: end - begin }
}

/// Ends the load with what it is part of, whether that succeeds or panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// ADDs for which the plugin has been started and has read nothing yet.
pub(crate) fn started<'a>(debian: &Debian, node: &'a Node, containers: &[String]) -> Vec<Ready<'a>> {
    let ready: Vec<_> = containers.iter().map(|it| call(debian, node, "ADD", it).ready()).collect();
    eventually("the plugin runs", || ready.iter().all(|it| runs_plugin(it.pid())));
    ready
}

/// Whether `nsenter` has a child that has become the plugin.
fn runs_plugin(nsenter: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{nsenter}/task/{nsenter}/children")).unwrap_or_default();
    let mut names = children
        .split_whitespace()
        .filter_map(|child| fs::read_to_string(format!("/proc/{child}/comm")).ok());
    names.any(|name| name.trim() == "aliyun-eni-ipam")
}

/// Lets calls go on that have been [`started`]: the addresses that they get.
pub(crate) fn go_on(calls: Vec<Ready<'_>>) -> Vec<IpAddr> {
    let running: Vec<_> = calls.into_iter().map(Ready::go).collect();
    running.into_iter().map(|call| call.wait().address()).collect()
}
