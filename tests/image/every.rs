//! `flush --every`.

use std::fs;
use std::process::Command;

use harness::{Effect, Fault, Need, Running, eventually};

use crate::host::Host;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        what_is_pending_is_released_again_and_again_until_somebody_ends_it,
        a_signal_ends_it_after_the_request_that_is_under_way,
        a_configuration_that_comes_later_is_used;
}

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn signal(running: &Running<'_>, name: &str) {
    let status = Command::new("kill").args([name, &running.pid().to_string()]).status();
    assert!(status.unwrap().success());
}

/// A node with this many releases that were refused once.
fn with_pending(count: usize) -> Host {
    let host = Host::new();
    fs::copy(host.given(), host.conflist()).unwrap();
    leave_pending(&host, count);
    host
}

fn leave_pending(host: &Host, count: usize) {
    for pod in 0..count {
        let _ = host.node.add(&format!("c{pod}")).address();
        host.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        host.node.del(&format!("c{pod}")).ok();
        host.node.cloud.clear_faults();
    }
    assert_eq!(host.node.counts()[2], count);
}

fn every<'h>(host: &'h Host, seconds: &str) -> Running<'h> {
    let net = host.net().display().to_string();
    host.node.program(&["flush", "--every", seconds, "--config", &net]).start()
}

fn what_is_pending_is_released_again_and_again_until_somebody_ends_it() {
    let host = with_pending(1);
    let running = every(&host, "1");
    for _ in 0..2 {
        eventually("nothing is pending", || host.node.counts() == [0, 0, 0, 0]);
        leave_pending(&host, 1);
    }
    eventually("nothing is pending", || host.node.counts() == [0, 0, 0, 0]);
    signal(&running, "-TERM");
    let answer = running.wait();
    assert_eq!(answer.status(), 0, "{answer:?}");
    // A line where something was done, and none where nothing was.
    let stdout = answer.stdout();
    assert!(
        stdout.lines().all(|line| line.starts_with("released 1 address") || line.contains("left 1 release")),
        "{stdout}"
    );
    assert!(stdout.contains("released 1 address"), "{stdout}");
}

fn a_signal_ends_it_after_the_request_that_is_under_way() {
    for name in ["-TERM", "-INT"] {
        let host = with_pending(1);
        host.node.cloud.clear_ledger();
        host.node.cloud.hold(UNASSIGN);
        let running = every(&host, "3600");
        eventually("ECS is asked", || host.node.cloud.count(UNASSIGN) == 1);
        signal(&running, name);
        host.node.cloud.let_go();
        let answer = running.wait();
        assert_eq!((answer.status(), host.node.on_eni().len()), (0, 0), "{answer:?}");
        assert_eq!(host.node.counts(), [0, 0, 0, 0], "{}", host.node.scene());
    }
}

fn a_configuration_that_comes_later_is_used() {
    let host = with_pending(1);
    fs::remove_file(host.conflist()).unwrap();
    let running = every(&host, "1");
    fs::copy(host.given(), host.conflist()).unwrap();
    eventually("nothing is pending", || host.node.counts() == [0, 0, 0, 0]);
    signal(&running, "-INT");
    assert_eq!(running.wait().status(), 0);
}
