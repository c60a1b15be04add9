//! What a kubelet, a container runtime and the timer of `flush` do on a node. Each function runs in a coroutine.

use std::io::Cursor;
use std::rc::Rc;
use std::time::Duration;

use aliyun_eni_ipam::inside::commands::flush_silently;
use aliyun_eni_ipam::{cni, verbs};
use rand::Rng;

use crate::clock::Surroundings;

/// `OnUnitActiveSec` and `RandomizedDelaySec` of conf-examples/systemd/aliyun-eni-ipam-flush.timer.
const TIMER: Duration = Duration::from_mins(1);
const SPREAD: Duration = Duration::from_secs(30);

/// After how long a kubelet tries a pod again that did not start: with a new sandbox, and so with a new containerID.
const NEW_SANDBOX: (u64, u64) = (10, 20);

/// A pod, from its first call on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pod {
    pub(crate) node: usize,
    /// The number of its sandbox, unlike any other.
    pub(crate) sandbox: u64,
}

/// Starts a pod: tries until it has an address. Returns what became of it: the sandbox that has one.
pub(crate) fn start(world: &Rc<Surroundings>, mut pod: Pod) -> Pod {
    loop {
        if call(world, "ADD", pod) {
            return pod;
        }
        call(world, "DEL", pod);
        let (least, most) = NEW_SANDBOX;
        let pause = Duration::from_secs(world.chance.borrow_mut().random_range(least..most));
        world.schedule.sleep_until(world.schedule.now() + pause);
        pod.sandbox = world.next_sandbox();
    }
}

/// Ends a pod. Runtimes send a second DEL a little later.
pub(crate) fn end(world: &Rc<Surroundings>, pod: Pod) {
    call(world, "DEL", pod);
    let pause = world.chance.borrow_mut().random_range(1.0..3.0);
    world.schedule.sleep_until(world.schedule.now() + Duration::from_secs_f64(pause));
    call(world, "DEL", pod);
}

/// Runs `flush` for ever, as the timer does.
pub(crate) fn flush(world: &Rc<Surroundings>, node: usize) {
    let conflist = world.nodes.borrow()[node].conflist.clone();
    loop {
        let spread = SPREAD.mul_f64(world.chance.borrow_mut().random_range(0.0..1.0));
        world.schedule.sleep_until(world.schedule.now() + TIMER + spread);
        // What is left over it says itself, and the next one tries again.
        let _ = flush_silently(&conflist);
    }
}

/// One call of the plugin; whether it succeeded.
fn call(world: &Rc<Surroundings>, verb: &'static str, pod: Pod) -> bool {
    let environment = cni::Environment {
        command: Some(verb.into()),
        container_id: Some(format!("{:064x}", pod.sandbox).into()),
        netns: Some("/run/netns/pod".into()),
        ifname: Some("eth0".into()),
        args: None,
    };
    let config = world.nodes.borrow()[pod.node].config.to_string();
    let began = world.schedule.now();
    let done = cni::read_call(&environment, Cursor::new(config))
        .map_err(|refusal| refusal.to_string())
        .and_then(|call| verbs::serve(&call, &mut |_| Ok(())).map_err(|failure| failure.to_string()));
    let took = world.schedule.now().saturating_sub(began);
    world.note(verb, took, done.is_ok());
    done.is_ok()
}
