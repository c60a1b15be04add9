//! The plugin's main job on a simulated cloud: two ADDs, a DEL, the DEL again. The plugin runs as a container runtime runs
//! it; no account and no root are needed.

#![expect(clippy::print_stdout, reason = "that is what a demo is for")]

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use harness::{Answer, Node};

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::new(plugin()?);
    println!("A node with the ENI {} and a simulated cloud at {}.\n", Node::ENI, node.cloud.endpoint());
    let calls = [("ADD", "web-0", "/var/run/netns/web-0"), ("ADD", "web-1", "/var/run/netns/web-1")];
    for (command, container, netns) in calls {
        step(&node, command, container, netns);
    }
    step(&node, "DEL", "web-0", "/var/run/netns/web-0");
    step(&node, "DEL", "web-0", "");
    println!("What `aliyun-eni-ipam list` says now:\n{}", node.operator(&["list"]).stdout());
    Ok(())
}

/// Makes a call, and shows what it answered and what it did.
fn step(node: &Node, command: &str, container: &str, netns: &str) {
    node.cloud.clear_ledger();
    let answer = node.call(command, container).env("CNI_NETNS", netns).run();
    println!("{command} {container}   CNI_NETNS={netns:?}");
    println!("  answered  {}", shown(&answer));
    for entry in node.cloud.ledger() {
        let addresses: Vec<_> = entry.addresses.iter().map(ToString::to_string).collect();
        println!("  ECS saw   {} {}", entry.action, addresses.join(", "));
    }
    let recorded: Vec<_> = node.recorded().iter().map(ToString::to_string).collect();
    let on_eni: Vec<_> = node.on_eni().iter().map(ToString::to_string).collect();
    println!("  so the store has [{}] and the ENI has [{}]\n", recorded.join(", "), on_eni.join(", "));
}

fn shown(answer: &Answer) -> String {
    let stdout = answer.stdout();
    let document = if stdout.is_empty() { "nothing, which is success" } else { stdout.trim_end() };
    format!("{document} (exit status {})", answer.status())
}

/// The plugin's binary, beside this example's: Cargo does not build it for an example, so that is done here.
fn plugin() -> Result<PathBuf, Box<dyn Error>> {
    let examples = env::current_exe()?;
    let profile = examples.parent().and_then(|directory| directory.parent()).ok_or("no target directory")?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "aliyun-eni-ipam"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err("the plugin could not be built".into());
    }
    Ok(profile.join("aliyun-eni-ipam"))
}
