//! `install` and `uninstall`, killed at each of their changes: what is there is whole, and either of them goes on from there.

use harness::{Effect, Fault, Need};

use crate::host::Host;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Strace]:
        an_installation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone,
        an_uninstallation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone;
}

/// What changes something, or makes it durable.
const CHANGES: &str =
    "rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,fsync,fdatasync,fchmod";

/// More changes than either makes.
const MOST: usize = 200;

/// The arguments of strace that kill the process at its change of this number.
fn killed_at(number: usize) -> Vec<String> {
    let inject = format!("inject={CHANGES}:signal=SIGKILL:when={number}");
    ["-qq", "-o", "/dev/null", "-e", &format!("trace={CHANGES}"), "-e", &inject].map(str::to_owned).to_vec()
}

/// Calls `killed` with 1, 2 and so on until it says that the process has come to its end.
#[track_caller]
fn at_every_change(mut is_killed: impl FnMut(usize) -> bool) {
    let killed = (1..MOST).take_while(|number| is_killed(*number)).count();
    assert!((3..MOST - 1).contains(&killed), "{killed} points");
    println!("{killed} points");
}

fn an_installation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone() {
    at_every_change(|number| {
        let host = Host::new();
        let answer = host.installing().under("strace", &killed_at(number)).run();
        host.expect_whole();
        if answer.status() == 0 {
            return false;
        }
        if number % 2 == 0 {
            host.install();
        }
        let answer = host.uninstall(&[]);
        assert_eq!(answer.status(), 0, "{number}: {answer:?}");
        assert_eq!(host.has(), (false, false));
        true
    });
}

fn an_uninstallation_that_is_killed_at_any_change_is_whole_and_can_be_ended_or_undone() {
    at_every_change(|number| {
        let host = Host::new();
        host.install();
        let _ = host.node.add("c0").address();
        let refused = Fault::on("UnassignPrivateIpAddresses").times(1).effect(Effect::code("Forbidden.RAM"));
        host.node.cloud.inject(refused);
        host.node.del("c0").ok();
        let answer = host.command(&["uninstall"]).under("strace", &killed_at(number)).run();
        host.expect_whole();
        let ended = answer.status() == 0;
        if number % 2 == 0 && !ended {
            host.install();
        }
        let answer = host.uninstall(&[]);
        assert_eq!((answer.status(), host.node.on_eni().len()), (0, 0), "{number}: {answer:?}");
        host.expect_clean();
        !ended
    });
}
