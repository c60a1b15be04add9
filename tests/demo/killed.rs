//! Act 4: an ADD is killed after ECS has acted and before it has answered.

use std::error::Error;

use harness::{Effect, Fault};

use crate::stage::Stage;
use crate::wire;

const POD: &str = "job-0";
const ASSIGN: &str = "AssignPrivateIpAddresses";

pub(crate) fn play(stage: &mut Stage) -> Result<(), Box<dyn Error>> {
    stage.screen.heading("4. kill -9 between request and answer")?;
    stage.screen.say(
        "ECS assigns an address, and ADD is killed before the answer arrives. Nobody knows the address. But ADD has \
         recorded its request before it sent it, with its ClientToken.",
    )?;
    let earlier = stage.requests();
    stage.node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let call = stage.node.call("ADD", POD).start();
    stage.wait_until("ECS has assigned an address", |node| {
        node.cloud.ledger()[earlier..].iter().any(|entry| entry.executed)
    })?;
    call.kill();
    stage.node.cloud.wait_until_idle()?;
    stage.screen.gap()?;
    stage.screen.output(&format!("ADD {POD}: killed"))?;
    stage.screen.fact(&stage.inventory())?;
    stage.show_command("list")?;

    stage.screen.gap()?;
    stage.screen.say(
        "The runtime saw the ADD fail, so it calls DEL. DEL repeats the request with the same ClientToken: ECS answers \
         the same address again, and DEL releases it. Without that DEL, `flush` does the same.",
    )?;
    stage.del(POD).0.ok();
    stage.screen.gap()?;
    stage.screen.output(&format!("DEL {POD}: exit status 0"))?;
    for entry in stage.requests_after(earlier) {
        let token = entry.client_token.as_deref().map_or_else(String::new, |token| format!(" ({token})"));
        stage.screen.fact(&format!("{}{token}", wire::summary(&entry)))?;
    }
    stage.screen.fact(&stage.inventory())?;
    Ok(())
}
