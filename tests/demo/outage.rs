//! Act 3: ECS does not work for a while.

use std::io;

use harness::Fault;

use crate::stage::Stage;
use crate::wire;

const PODS: [&str; 3] = ["api-0", "api-1", "api-2"];
const TIMEOUT_SECONDS: u64 = 3;

pub(crate) fn play(stage: &mut Stage) -> io::Result<()> {
    stage.screen.heading("3. ECS is down")?;
    stage.screen.say(&format!(
        "ECS answers 503. A DEL that failed would keep its pod from being deleted, so DEL tries for as long as \
         timeoutSeconds ({TIMEOUT_SECONDS} here) allows, records what is still to be released, and succeeds. Once a DEL has \
         given up, the next ones do not wait.",
    ))?;
    for pod in PODS {
        stage.add(pod);
    }
    stage.node.set("timeoutSeconds", TIMEOUT_SECONDS);
    stage.node.cloud.inject(Fault::code("ServiceUnavailable"));
    stage.screen.gap()?;
    for pod in PODS {
        let (answer, time) = stage.del(pod);
        let (status, time) = (answer.status(), time.as_secs_f64());
        stage.screen.output(&format!("DEL {pod}: exit status {status} after {time:.1} s"))?;
    }
    stage.screen.fact(&stage.inventory())?;
    stage.show_command("list")?;

    stage.screen.gap()?;
    stage.screen.say(
        "ECS is back. The next DEL or ADD on this ENI would release them. So does `flush`, which a timer runs on quiet nodes:",
    )?;
    stage.node.cloud.clear_faults();
    let earlier = stage.requests();
    stage.show_command("flush")?;
    for entry in stage.requests_after(earlier) {
        stage.screen.fact(&wire::summary(&entry))?;
    }
    stage.screen.fact(&stage.inventory())
}
