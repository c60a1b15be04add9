//! Act 1: one pod.

use std::io;

use crate::stage::Stage;
use crate::wire;

const POD: &str = "web-0";
const ADD: &str = "CNI_COMMAND=ADD CNI_CONTAINERID=web-0 CNI_IFNAME=eth0 ... aliyun-eni-ipam < network.json";
const DEL: &str = "CNI_COMMAND=DEL CNI_CONTAINERID=web-0 CNI_IFNAME=eth0 ... aliyun-eni-ipam < network.json";

pub(crate) fn play(stage: &mut Stage) -> io::Result<()> {
    stage.screen.heading("1. One pod")?;
    stage.screen.say(
        "host-local picks an address from a file, and the cloud knows nothing of it. Here ADD has ECS assign an \
         address to the ENI, so the VPC routes it to this node. The request is signed:",
    )?;
    stage.screen.gap()?;
    stage.screen.fact(&stage.inventory())?;
    let earlier = stage.requests();
    let answer = stage.add(POD);
    stage.screen.command(ADD)?;
    show_requests(stage, earlier)?;
    stage.screen.output(answer.stdout().trim_end())?;
    stage.screen.fact(&stage.inventory())?;

    stage.screen.gap()?;
    stage.screen.say("DEL gives the address back, and returns when ECS has confirmed it:")?;
    let earlier = stage.requests();
    stage.del(POD).0.ok();
    stage.screen.command(DEL)?;
    show_requests(stage, earlier)?;
    stage.screen.fact(&stage.inventory())?;

    stage.screen.gap()?;
    stage.screen.say("Runtimes call DEL twice for most pods. The second one costs nothing:")?;
    let earlier = stage.requests();
    stage.del(POD).0.ok();
    stage.screen.command(DEL)?;
    show_requests(stage, earlier)
}

fn show_requests(stage: &Stage, earlier: usize) -> io::Result<()> {
    let requests = stage.requests_after(earlier);
    stage.screen.fact(&format!("requests to ECS: {}", requests.len()))?;
    requests.iter().try_for_each(|entry| stage.screen.output(&wire::request_line(entry)))
}
