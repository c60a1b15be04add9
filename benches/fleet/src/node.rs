//! A node: its store on disk, its configuration, and its ENI in the cloud.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ecs_simulator::{Offline, Quota, World};
use serde_json::{Value, json};

use crate::scenario::Size;

/// Where the calls look for ECS and for instance metadata: no such hosts exist.
pub(crate) const ECS: &str = "ecs.fleet.invalid";
pub(crate) const METADATA: &str = "metadata.fleet.invalid";

/// How many nodes this process has made.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A node of a fleet.
pub(crate) struct Node {
    pub(crate) cloud: Offline,
    /// Whether ECS is changing the ENI.
    pub(crate) is_busy: bool,
    /// The configuration that `flush` reads.
    pub(crate) conflist: PathBuf,
    /// The configuration as a runtime passes it on.
    pub(crate) config: Value,
    eni: String,
}

impl Node {
    /// A node with this number in a fleet of that size, below `directory`.
    pub(crate) fn new(number: usize, directory: &Path, size: &Size) -> io::Result<Self> {
        let home = directory.join(number.to_string());
        fs::create_dir(&home)?;
        // Claims of the machine are by the ENI, and two fleets may run at a time.
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let eni = format!("eni-fleet{}x{unique}", std::process::id());
        let mut world = World::single_node().with_vswitch("10.0.0.0/20", "10.0.15.253");
        if let Some(mut secondary) = world.enis.remove(World::SECONDARY_ENI) {
            secondary.id.clone_from(&eni);
            world.enis.insert(eni.clone(), secondary);
        }
        world.quota = Quota { ipv4: 300, ipv6: 0 };
        world = world.with_most_per_request(size.most_per_request);
        let ipam = json!({
            "type": "aliyun-eni-ipam",
            "networkInterfaceId": eni,
            "allowInsecureEndpoint": true,
            "endpoint": format!("http://{ECS}"),
            "metadataEndpoint": format!("http://{METADATA}"),
            "credentials": {"source": "ecs-ram-role"},
            "dataDir": home.join("store"),
            "reserve": size.reserve,
        });
        let (name, version) = ("pods", "1.0.0");
        let conflist = home.join("10-pods.conflist");
        let plugins = json!([{"type": "ptp", "ipam": ipam}]);
        fs::write(&conflist, json!({"cniVersion": version, "name": name, "plugins": plugins}).to_string())?;
        let config = json!({"cniVersion": version, "name": name, "type": "ptp", "ipam": ipam});
        Ok(Self { cloud: Offline::new(world), is_busy: false, conflist, config, eni })
    }

    /// How many addresses its ENI has beside the primary one.
    pub(crate) fn addresses(&self) -> usize {
        self.cloud.with_world(|world| world.eni_mut(&self.eni).addresses.len())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Where this is root, the first ADD has left a claim.
        let _ = fs::remove_file(Path::new("/run/aliyun-eni-ipam").join(&self.eni));
    }
}
