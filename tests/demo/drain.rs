//! Act 2: a node is drained.

use std::io;
use std::time::Duration;

use crate::stage::Stage;

const PODS: usize = 30;
const LATENCY: Duration = Duration::from_millis(200);

pub(crate) fn play(stage: &mut Stage) -> io::Result<()> {
    stage.screen.heading("2. A node is drained")?;
    stage.screen.say(&format!(
        "{PODS} pods are deleted at once. A request takes {} ms here, and ECS refuses a second change of an ENI while \
         one is under way. So the DELs share their requests: one of them holds the ENI's lock and releases up to 32 \
         addresses for all.",
        LATENCY.as_millis()
    ))?;
    stage.node.set("maxAddressesPerCall", 1);
    let alone = drain(stage, "one");
    stage.node.set("maxAddressesPerCall", 32);
    let shared = drain(stage, "all");
    stage.screen.gap()?;
    stage.screen.output(&format!("{:28}{:>10}{:>26}", "", "requests", "until all pods are gone"))?;
    for (name, (requests, time)) in [("one request a pod", alone), ("shared requests", shared)] {
        stage.screen.output(&format!("{name:28}{requests:>10}{:>24.1} s", time.as_secs_f64()))?;
    }
    stage.screen.fact(&stage.inventory())
}

/// Starts the pods, then deletes them all at once: how many requests and how long that took.
fn drain(stage: &mut Stage, name: &str) -> (usize, Duration) {
    let pods: Vec<_> = (0..PODS).map(|number| format!("{name}-{number}")).collect();
    stage.add_all(&pods);
    stage.node.cloud.set_latency(LATENCY);
    let earlier = stage.requests();
    let time = stage.del_all(&pods);
    stage.node.cloud.set_latency(Duration::ZERO);
    (stage.requests() - earlier, time)
}
