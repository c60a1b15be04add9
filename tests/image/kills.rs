//! `install` and `uninstall`, killed at each of their changes: what is there is whole, and either of them goes on from there.

use harness::{Effect, Fault, Need};

use crate::host::Host;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Strace]:
        an_installation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone,
        an_uninstallation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone;
}

/// What changes something, or makes it durable. strace counts the calls of each name by themselves.
const CHANGES: [&str; 8] = ["rename", "unlink", "unlinkat", "mkdir", "fsync", "fdatasync", "fchmod", "write"];

/// More calls of one name than either makes.
const MOST: usize = 500;

/// The arguments of strace that kill the process when it makes its call of this name and number.
fn killed_at((name, number): (&str, usize)) -> Vec<String> {
    let inject = format!("inject={name}:signal=SIGKILL:when={number}");
    ["-qq", "-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject].map(str::to_owned).to_vec()
}

/// Calls `killed` with each call of each name until it says that the process has come to its end.
#[track_caller]
fn at_every_change(mut is_killed: impl FnMut((&'static str, usize)) -> bool) {
    let mut points = 0;
    for name in CHANGES {
        let killed = (1..MOST).take_while(|number| is_killed((name, *number))).count();
        assert!(killed < MOST - 1, "{name}");
        points += killed;
    }
    assert!(points > 10, "{points} points");
    println!("{points} points");
}

fn an_installation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone() {
    at_every_change(|at| {
        let host = Host::new();
        let answer = host.installing().under("strace", &killed_at(at)).run();
        host.expect_whole();
        if answer.status() == 0 {
            return false;
        }
        if at.1 % 2 == 0 {
            host.install();
        }
        let answer = host.uninstall(&[]);
        assert_eq!(answer.status(), 0, "{at:?}: {answer:?}");
        assert_eq!(host.has(), (false, false));
        true
    });
}

fn an_uninstallation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone() {
    at_every_change(|at| {
        let host = Host::new();
        host.install();
        let _ = host.node.add("c0").address();
        let refused = Fault::on("UnassignPrivateIpAddresses").times(1).effect(Effect::code("Forbidden.RAM"));
        host.node.cloud.inject(refused);
        host.node.del("c0").ok();
        let answer = host.command(&["uninstall"]).under("strace", &killed_at(at)).run();
        host.expect_whole();
        let ended = answer.status() == 0;
        if at.1 % 2 == 0 && !ended {
            // `doctor` does not pass over a release that was refused.
            let _ = host.node.operator(&["flush"]);
            host.install();
        }
        let answer = host.uninstall(&[]);
        assert_eq!((answer.status(), host.node.on_eni().len()), (0, 0), "{at:?}: {answer:?}");
        host.expect_clean();
        !ended
    });
}
