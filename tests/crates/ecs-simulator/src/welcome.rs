//! What the program says when it has started.

use crate::Simulator;

/// What is there, and the next command to type.
#[must_use]
pub fn welcome(simulator: &Simulator) -> String {
    let (room, enis) = simulator.with_world(|world| (world.quota.ipv4.saturating_sub(1), world.enis.clone()));
    let enis: Vec<_> =
        enis.values().map(|eni| format!("  ENI        {}, {}", eni.id, eni.primary_ip)).collect();
    format!(
        "\
A simulated node on Alibaba Cloud; Ctrl-C ends it.
  ECS API    {}
  metadata   {}
{}
             each with room for {room} pods
Next, in another terminal:
  CNI_PATH=target/debug cargo run -- doctor --config conf-examples/simulator.conflist
",
        simulator.endpoint(),
        simulator.metadata_endpoint(),
        enis.join("\n"),
    )
}
