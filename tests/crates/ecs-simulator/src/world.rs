//! The inventory: what exists in the simulated region.
//!
//! All of it is plain data with public fields, so that a test can arrange any situation, also an impossible one. The
//! `with_…` methods build an initial world, the others change one that may be running.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnetwork::{Ipv4Network, Ipv6Network};

/// A region of the cloud as one account on one node sees it.
#[derive(Clone, Debug)]
pub struct World {
    /// The region. Requests that name another one find nothing.
    pub region_id: String,
    /// The zone of the instance and its vSwitches.
    pub zone_id: String,
    /// The network that the vSwitches belong to.
    pub vpc: Vpc,
    /// The subnets, by id.
    pub vswitches: BTreeMap<String, VSwitch>,
    /// The node: the instance that metadata describes.
    pub instance: Instance,
    /// The elastic network interfaces, by id.
    pub enis: BTreeMap<String, Eni>,
    /// How many addresses an ENI may hold that has no quota of its own.
    pub quota: Quota,
    /// How many addresses one request may be about.
    pub per_request: RequestLimits,
    /// Which free address an Assign hands out.
    pub policy: AddressPolicy,
    /// Long-lived access keys, by id.
    pub access_keys: BTreeMap<String, AccessKey>,
    /// The RAM role of the instance, which `AssumeRole` and `AssumeRoleWithOIDC` hand out as well.
    pub role: Role,
    /// The OIDC token that `AssumeRoleWithOIDC` accepts.
    pub oidc_token: String,
    /// Whether metadata demands a session token.
    pub token_mode: TokenMode,
    /// How long an API call takes. A mutation keeps its ENI busy meanwhile.
    pub latency: Duration,
    /// Seed of the random numbers that faults with a probability draw.
    pub seed: u64,
}

/// The virtual private cloud.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// For instance `vpc-bp1…`.
    pub id: String,
    /// The IPv4 block.
    pub cidr: Ipv4Network,
    /// The IPv6 block.
    pub cidr6: Option<Ipv6Network>,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct VSwitch {
    /// For instance `vsw-bp1…`.
    pub id: String,
    /// The IPv4 block. Its first and its last three addresses are reserved.
    pub cidr: Ipv4Network,
    /// The IPv4 gateway.
    pub gateway: Ipv4Addr,
    /// The IPv6 block.
    pub cidr6: Option<Ipv6Network>,
    /// The IPv6 gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// Where [`AddressPolicy::RoundRobin`] stands in each family.
    pub(crate) last_handed_out: (Option<u128>, Option<u128>),
}

/// An ECS instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// For instance `i-bp1…`.
    pub id: String,
    /// For instance `ecs.g7.large`.
    pub instance_type: String,
    /// The state, which decides whether the primary ENI can be changed.
    pub state: InstanceState,
}

/// The state of an instance.
#[expect(missing_docs, reason = "the names are those of the API")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    Pending,
    Running,
    Starting,
    Stopping,
    Stopped,
}

/// An elastic network interface.
#[derive(Clone, Debug)]
pub struct Eni {
    /// For instance `eni-bp1…`.
    pub id: String,
    /// Lower case, with colons.
    pub mac: String,
    /// Primary or secondary.
    pub kind: EniType,
    /// The state, which decides whether addresses can be changed.
    pub status: EniStatus,
    /// The instance that it is attached to.
    pub instance_id: Option<String>,
    /// The subnet.
    pub vswitch_id: String,
    /// The primary private address, which nothing can unassign.
    pub primary_ip: Ipv4Addr,
    /// The secondary IPv4 addresses, and all IPv6 addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The addresses that it is described with in their place, while descriptions lag behind.
    pub described: Option<BTreeSet<IpAddr>>,
    /// For how long descriptions do not show what a call has changed.
    pub description_lag: Duration,
    /// For how long metadata does not show what a call has changed.
    pub metadata_lag: Duration,
    /// The primary IPv6 address, which nothing can unassign; most ENIs have none.
    pub primary_ipv6: Option<Ipv6Addr>,
    /// How many addresses it may hold; `None`: as many as the others.
    pub quota: Option<Quota>,
    /// What calls have changed lately, the latest last.
    pub changes: Vec<Change>,
    /// Whether a cloud service owns it. Such an ENI cannot be changed.
    pub service_managed: bool,
    /// Its name.
    pub name: String,
    /// Its security groups.
    pub security_group_ids: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a call has done to an ENI.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// Which address it was.
    pub address: IpAddr,
    /// Whether it was assigned, and not unassigned.
    pub assigned: bool,
}

/// What an ENI is to its instance.
#[expect(missing_docs, reason = "the names are those of the API")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EniType {
    Primary,
    Secondary,
}

/// The state of an ENI.
#[expect(missing_docs, reason = "the names are those of the API")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EniStatus {
    Available,
    Attaching,
    InUse,
    Detaching,
    Deleting,
}

/// How many addresses each ENI may hold.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// IPv4 addresses, the primary one included.
    pub ipv4: usize,
    /// IPv6 addresses.
    pub ipv6: usize,
}

/// How many addresses one request may name or ask for. The documents name different numbers, and for an ENI in use none.
#[derive(Clone, Debug)]
pub struct RequestLimits {
    /// For IPv4.
    pub ipv4: FamilyLimits,
    /// For IPv6.
    pub ipv6: FamilyLimits,
    /// The code of the refusal, which no document names.
    pub code: String,
}

/// The most addresses of a family in one request; `None`: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyLimits {
    /// Of one to assign.
    pub assign: Option<usize>,
    /// Of one to unassign.
    pub unassign: Option<usize>,
}

impl FamilyLimits {
    /// The same for both actions.
    #[must_use]
    pub const fn both(most: Option<usize>) -> Self {
        Self { assign: most, unassign: most }
    }
}

impl RequestLimits {
    /// The numbers that the newest documents name.
    #[must_use]
    pub fn documented() -> Self {
        Self {
            ipv4: FamilyLimits { assign: Some(49), unassign: Some(32) },
            ipv6: FamilyLimits::both(Some(10)),
            code: "InvalidParameter".to_owned(),
        }
    }
}

/// Which free address is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// The lowest: a released address is handed out again at once.
    LowestFree,
    /// The next one after the last that was handed out: a released address comes back late.
    RoundRobin,
}

/// A long-lived access key.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The secret.
    pub secret: String,
    /// Whether it may be used at all.
    pub active: bool,
    /// What it may call.
    pub permission: Permission,
}

/// The actions that a caller may use. Anything else is answered `Forbidden.RAM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Every action.
    All,
    /// These, by name.
    Only(BTreeSet<String>),
}

impl Permission {
    /// Permission for the named actions alone.
    pub fn only<'a>(actions: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Only(actions.into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn allows(&self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(actions) => actions.contains(action),
        }
    }
}

/// A RAM role that hands out short-lived credentials.
#[derive(Clone, Debug)]
pub struct Role {
    /// The name, as metadata lists it.
    pub name: String,
    /// What its credentials may call.
    pub permission: Permission,
    /// How long credentials from metadata live. New ones appear 30 minutes before the end, or at half time where
    /// that is later.
    pub lifetime: Duration,
}

/// Whether the metadata service can be read without a session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMode {
    /// A token may be sent, and is checked when it is.
    Optional,
    /// Without a token nothing is answered.
    Required,
}

impl VSwitch {
    /// A subnet without IPv6. It exists once it is among the world's `vswitches`.
    #[must_use]
    pub fn new(id: &str, cidr: Ipv4Network, gateway: Ipv4Addr) -> Self {
        let (cidr6, gateway6) = (None, None);
        Self { id: id.to_owned(), cidr, gateway, cidr6, gateway6, last_handed_out: (None, None) }
    }
}

impl Eni {
    /// A secondary ENI, in use on the node and in its vSwitch.
    #[must_use]
    pub fn new(id: &str, mac: &str, primary_ip: Ipv4Addr) -> Self {
        Self {
            id: id.to_owned(),
            mac: mac.to_owned(),
            kind: EniType::Secondary,
            status: EniStatus::InUse,
            instance_id: Some(World::INSTANCE_ID.to_owned()),
            vswitch_id: World::VSWITCH_ID.to_owned(),
            primary_ip,
            addresses: BTreeSet::new(),
            described: None,
            description_lag: Duration::ZERO,
            metadata_lag: Duration::ZERO,
            primary_ipv6: None,
            quota: None,
            changes: Vec::new(),
            service_managed: false,
            name: String::new(),
            security_group_ids: vec!["sg-bp1simulated00000001".to_owned()],
            tags: BTreeMap::new(),
        }
    }

    /// The IPv4 addresses that it is described with, the primary one first.
    pub(crate) fn ipv4s(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.with_primary_ipv4(self.described_addresses())
    }

    /// The IPv6 addresses that it is described with, the primary one first.
    pub(crate) fn ipv6s(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.with_primary_ipv6(self.described_addresses())
    }

    /// The IPv4 addresses that metadata shows, the primary one first.
    pub(crate) fn ipv4s_of_metadata(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.with_primary_ipv4(self.as_it_was(self.metadata_lag))
    }

    /// The IPv6 addresses that metadata shows, the primary one first.
    pub(crate) fn ipv6s_of_metadata(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.with_primary_ipv6(self.as_it_was(self.metadata_lag))
    }

    fn with_primary_ipv4(&self, addresses: BTreeSet<IpAddr>) -> impl Iterator<Item = Ipv4Addr> {
        let secondary = addresses.into_iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        std::iter::once(self.primary_ip).chain(secondary)
    }

    fn with_primary_ipv6(&self, addresses: BTreeSet<IpAddr>) -> impl Iterator<Item = Ipv6Addr> {
        let others = addresses.into_iter().filter_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        });
        self.primary_ipv6.into_iter().chain(others)
    }

    fn described_addresses(&self) -> BTreeSet<IpAddr> {
        self.described.clone().unwrap_or_else(|| self.as_it_was(self.description_lag))
    }

    /// The addresses without what calls have changed since `lag` ago.
    fn as_it_was(&self, lag: Duration) -> BTreeSet<IpAddr> {
        let mut shown = self.addresses.clone();
        for change in self.changes.iter().rev().filter(|it| it.at.elapsed() < lag) {
            if change.assigned {
                shown.remove(&change.address);
            } else {
                shown.insert(change.address);
            }
        }
        shown
    }

    /// Puts addresses on the ENI, as a call does.
    pub(crate) fn assign(&mut self, addresses: &[IpAddr]) {
        self.addresses.extend(addresses);
        self.note(addresses, true);
    }

    /// Takes addresses off the ENI, as a call does.
    pub(crate) fn unassign(&mut self, addresses: &[IpAddr]) {
        self.addresses.retain(|address| !addresses.contains(address));
        self.note(addresses, false);
    }

    fn note(&mut self, addresses: &[IpAddr], assigned: bool) {
        let (at, lag) = (Instant::now(), self.description_lag.max(self.metadata_lag));
        self.changes.retain(|change| change.at.elapsed() < lag);
        self.changes.extend(addresses.iter().map(|&address| Change { at, address, assigned }));
    }
}

impl World {
    /// The region of [`World::single_node`].
    pub const REGION_ID: &'static str = "cn-hangzhou";
    /// The node of [`World::single_node`].
    pub const INSTANCE_ID: &'static str = "i-bp1simulated0000001";
    /// The vSwitch of [`World::single_node`].
    pub const VSWITCH_ID: &'static str = "vsw-bp1simulated0000001";
    /// The primary ENI of [`World::single_node`].
    pub const PRIMARY_ENI: &'static str = "eni-bp1primary00000000001";
    /// The secondary ENI of [`World::single_node`].
    pub const SECONDARY_ENI: &'static str = "eni-bp1secondary000000001";
    /// An access key that may call everything.
    pub const ACCESS_KEY_ID: &'static str = "LTAISimulatedKey000001";
    /// Its secret, with characters that a careless encoding breaks.
    pub const ACCESS_KEY_SECRET: &'static str = "SimulatedSecret+/=00000000000001";
    /// The RAM role of the node.
    pub const ROLE_NAME: &'static str = "NodeRole";
    /// The account that owns everything.
    pub const ACCOUNT_ID: &'static str = "1234567890123456";
    /// The OIDC provider that `AssumeRoleWithOIDC` knows.
    pub const OIDC_PROVIDER_ARN: &'static str = "acs:ram::1234567890123456:oidc-provider/simulated";

    /// One node with a primary and a secondary ENI in one vSwitch.
    ///
    /// # Panics
    ///
    /// Never: the addresses below are valid.
    #[must_use]
    #[expect(clippy::expect_used, reason = "constant addresses")]
    pub fn single_node() -> Self {
        let cidr = "192.168.0.0/24".parse().expect("a block");
        let mut vswitch = VSwitch::new(Self::VSWITCH_ID, cidr, Ipv4Addr::new(192, 168, 0, 253));
        vswitch.cidr6 = Some("2001:db8:1234:1a00::/64".parse().expect("a block"));
        vswitch.gateway6 = Some("2001:db8:1234:1a00:ffff:ffff:ffff:fff5".parse().expect("an address"));
        let mut primary = Eni::new(Self::PRIMARY_ENI, "00:16:3e:00:00:01", Ipv4Addr::new(192, 168, 0, 10));
        primary.kind = EniType::Primary;
        let secondary = Eni::new(Self::SECONDARY_ENI, "00:16:3e:00:00:02", Ipv4Addr::new(192, 168, 0, 11));
        let key = AccessKey {
            secret: Self::ACCESS_KEY_SECRET.to_owned(),
            active: true,
            permission: Permission::All,
        };
        Self {
            region_id: Self::REGION_ID.to_owned(),
            zone_id: "cn-hangzhou-i".to_owned(),
            vpc: Vpc {
                id: "vpc-bp1simulated0000001".to_owned(),
                cidr: "192.168.0.0/16".parse().expect("a block"),
                cidr6: Some("2001:db8:1234:1a00::/56".parse().expect("a block")),
            },
            vswitches: BTreeMap::from([(vswitch.id.clone(), vswitch)]),
            instance: Instance {
                id: Self::INSTANCE_ID.to_owned(),
                instance_type: "ecs.g7.large".to_owned(),
                state: InstanceState::Running,
            },
            enis: [primary, secondary].into_iter().map(|eni| (eni.id.clone(), eni)).collect(),
            quota: Quota { ipv4: 250, ipv6: 250 },
            per_request: RequestLimits::documented(),
            policy: AddressPolicy::RoundRobin,
            access_keys: BTreeMap::from([(Self::ACCESS_KEY_ID.to_owned(), key)]),
            role: Role {
                name: Self::ROLE_NAME.to_owned(),
                permission: Permission::All,
                lifetime: Duration::from_hours(6),
            },
            oidc_token: "simulated.oidc.token".to_owned(),
            token_mode: TokenMode::Optional,
            latency: Duration::ZERO,
            seed: 1,
        }
    }

    /// With no more than so many addresses in one request, whatever its action and family; `None`: with any number.
    #[must_use]
    pub fn with_most_per_request(mut self, most: impl Into<Option<usize>>) -> Self {
        self.set_most_per_request(most.into());
        self
    }

    /// Sets how many addresses there may be in one request, whatever its action and family; `None`: any number.
    pub fn set_most_per_request(&mut self, most: Option<usize>) {
        self.per_request.ipv4 = FamilyLimits::both(most);
        self.per_request.ipv6 = FamilyLimits::both(most);
    }

    /// With another ENI.
    #[must_use]
    pub fn with_eni(mut self, eni: Eni) -> Self {
        self.enis.insert(eni.id.clone(), eni);
        self
    }

    /// With other limits for each ENI: IPv4 addresses, the primary one included, and IPv6 addresses.
    #[must_use]
    pub fn with_quota(mut self, ipv4: usize, ipv6: usize) -> Self {
        self.quota = Quota { ipv4, ipv6 };
        self
    }

    /// With another IPv4 block and gateway of the vSwitch, see [`World::set_vswitch`].
    ///
    /// # Panics
    ///
    /// If `cidr` or `gateway` cannot be parsed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a mistake in the test that calls this")]
    pub fn with_vswitch(mut self, cidr: &str, gateway: &str) -> Self {
        self.set_vswitch(cidr.parse().expect("an IPv4 block"), gateway.parse().expect("an IPv4 address"));
        self
    }

    /// With another way of choosing free addresses.
    #[must_use]
    pub fn with_policy(mut self, policy: AddressPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// With another access key that may call what `permission` says.
    #[must_use]
    pub fn with_access_key(mut self, id: &str, secret: &str, permission: Permission) -> Self {
        let key = AccessKey { secret: secret.to_owned(), active: true, permission };
        self.access_keys.insert(id.to_owned(), key);
        self
    }

    /// With another demand for metadata tokens.
    #[must_use]
    pub fn with_token_mode(mut self, mode: TokenMode) -> Self {
        self.token_mode = mode;
        self
    }

    /// With another lifetime of the role's credentials.
    #[must_use]
    pub fn with_role_lifetime(mut self, lifetime: Duration) -> Self {
        self.role.lifetime = lifetime;
        self
    }

    /// With another OIDC token that is accepted.
    #[must_use]
    pub fn with_oidc_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.oidc_token);
        self
    }

    /// With another state of the instance.
    #[must_use]
    pub fn with_instance_state(mut self, state: InstanceState) -> Self {
        self.instance.state = state;
        self
    }

    /// With another duration of each API call.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// With another seed of random numbers.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Gives the vSwitch of [`World::single_node`] another IPv4 block. Its ENIs keep their primary address's place
    /// in the block, and the VPC grows where it has to.
    pub fn set_vswitch(&mut self, cidr: Ipv4Network, gateway: Ipv4Addr) {
        let Some(vswitch) = self.vswitches.get_mut(Self::VSWITCH_ID) else { return };
        let old = u32::from(vswitch.cidr.network());
        let new = u32::from(cidr.network());
        vswitch.cidr = cidr;
        vswitch.gateway = gateway;
        for eni in self.enis.values_mut().filter(|eni| eni.vswitch_id == Self::VSWITCH_ID) {
            eni.primary_ip = Ipv4Addr::from(u32::from(eni.primary_ip).wrapping_sub(old).wrapping_add(new));
        }
        if !(self.vpc.cidr.contains(cidr.network()) && self.vpc.cidr.contains(cidr.broadcast())) {
            self.vpc.cidr = cidr;
        }
    }

    /// An ENI, to be changed.
    ///
    /// # Panics
    ///
    /// If there is none of that id.
    pub fn eni_mut(&mut self, id: &str) -> &mut Eni {
        self.enis.get_mut(id).unwrap_or_else(|| panic!("the world has no ENI {id}"))
    }

    /// The name by which `AssumeRole` knows the role.
    #[must_use]
    pub fn role_arn(&self) -> String {
        format!("acs:ram::{}:role/{}", Self::ACCOUNT_ID, self.role.name.to_lowercase())
    }

    /// The ENIs that are attached to the node, the primary one first.
    pub(crate) fn attached_enis(&self) -> Vec<&Eni> {
        let mut attached: Vec<_> =
            self.enis.values().filter(|eni| eni.instance_id.as_deref() == Some(&self.instance.id)).collect();
        attached.sort_by_key(|eni| eni.kind == EniType::Secondary);
        attached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_block_keeps_the_places_of_primary_addresses() {
        let world = World::single_node().with_vswitch("10.1.16.0/20", "10.1.31.253");
        assert_eq!(world.enis[World::PRIMARY_ENI].primary_ip, Ipv4Addr::new(10, 1, 16, 10));
        assert_eq!(world.enis[World::SECONDARY_ENI].primary_ip, Ipv4Addr::new(10, 1, 16, 11));
        assert!(world.vpc.cidr.contains(Ipv4Addr::new(10, 1, 31, 253)));
    }

    #[test]
    fn a_block_within_the_vpc_leaves_the_vpc_alone() {
        let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253");
        assert_eq!(world.vpc.cidr.to_string(), "192.168.0.0/16");
        assert_eq!(world.enis[World::PRIMARY_ENI].primary_ip, Ipv4Addr::new(192, 168, 0, 10));
    }

    #[test]
    fn the_primary_eni_comes_first_among_the_attached() {
        let early = Eni::new("eni-a", "00:16:3e:00:00:03", Ipv4Addr::new(192, 168, 0, 12));
        let mut elsewhere = Eni::new("eni-b", "00:16:3e:00:00:04", Ipv4Addr::new(192, 168, 0, 13));
        elsewhere.instance_id = None;
        let world = World::single_node().with_eni(early).with_eni(elsewhere);
        let ids: Vec<_> = world.attached_enis().iter().map(|eni| eni.id.clone()).collect();
        assert_eq!(ids, [World::PRIMARY_ENI, "eni-a", World::SECONDARY_ENI]);
    }

    #[test]
    fn permission_is_by_action() {
        let permission = Permission::only(["DescribeNetworkInterfaces"]);
        assert!(permission.allows("DescribeNetworkInterfaces"));
        assert!(!permission.allows("UnassignPrivateIpAddresses"));
        assert!(Permission::All.allows("UnassignPrivateIpAddresses"));
    }
}
