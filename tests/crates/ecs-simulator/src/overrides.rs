//! Changes to a world that are written as JSON, for tests in other languages.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::fields::{Fields, required};
use crate::world::{AddressPolicy, Eni, InstanceState, TokenMode, World};

impl World {
    /// Changes what an object's members name:
    ///
    /// | key | value |
    /// |---|---|
    /// | `latency_ms` | duration of each API call |
    /// | `quota_ipv4`, `quota_ipv6` | addresses of an ENI, the primary one included |
    /// | `most_per_request` | addresses in one request, whatever its action and family; 0: any number |
    /// | `most_per_assign`, `most_per_unassign`, `most_per_assign_ipv6`, `most_per_unassign_ipv6` | the same for one action |
    /// | `too_many_code` | the code of the refusal of more |
    /// | `vswitch_cidr`, `gateway` | the vSwitch's IPv4 block; the gateway is its third last address if it is not given |
    /// | `policy` | `lowest_free` or `round_robin` |
    /// | `token_mode` | `optional` or `required` |
    /// | `instance_state` | `Pending`, `Running`, `Starting`, `Stopping` or `Stopped` |
    /// | `role_name` | name of the instance's role; empty where it has none |
    /// | `role_lifetime_ms` | lifetime of the role's credentials |
    /// | `oidc_token` | the OIDC token that is accepted |
    /// | `enis` | more secondary ENIs on the node: `[{"id": …, "mac": …, "primary_ip": …, "tags": {…}}]` |
    ///
    /// # Errors
    ///
    /// If a key is unknown or a value is wrong; the world may then be changed in part.
    pub fn apply_json(&mut self, overrides: &Value) -> Result<(), String> {
        let mut fields = Fields::of(overrides)?;
        set(&mut self.latency, fields.milliseconds("latency_ms")?);
        set(&mut self.quota.ipv4, fields.number("quota_ipv4")?);
        set(&mut self.quota.ipv6, fields.number("quota_ipv6")?);
        let any = |most: usize| (most > 0).then_some(most);
        if let Some(most) = fields.number("most_per_request")? {
            self.set_most_per_request(any(most));
        }
        let limits = &mut self.per_request;
        set(&mut limits.ipv4.assign, fields.number("most_per_assign")?.map(any));
        set(&mut limits.ipv4.unassign, fields.number("most_per_unassign")?.map(any));
        set(&mut limits.ipv6.assign, fields.number("most_per_assign_ipv6")?.map(any));
        set(&mut limits.ipv6.unassign, fields.number("most_per_unassign_ipv6")?.map(any));
        set(&mut limits.code, fields.text("too_many_code")?);
        set(&mut self.role.lifetime, fields.milliseconds("role_lifetime_ms")?);
        set(&mut self.role.name, fields.text("role_name")?);
        set(&mut self.oidc_token, fields.text("oidc_token")?);
        let policies =
            [("lowest_free", AddressPolicy::LowestFree), ("round_robin", AddressPolicy::RoundRobin)];
        set(&mut self.policy, fields.word("policy", &policies)?);
        let modes = [("optional", TokenMode::Optional), ("required", TokenMode::Required)];
        set(&mut self.token_mode, fields.word("token_mode", &modes)?);
        let states = [
            ("Pending", InstanceState::Pending),
            ("Running", InstanceState::Running),
            ("Starting", InstanceState::Starting),
            ("Stopping", InstanceState::Stopping),
            ("Stopped", InstanceState::Stopped),
        ];
        set(&mut self.instance.state, fields.word("instance_state", &states)?);
        let cidr: Option<ipnetwork::Ipv4Network> = fields.parsed("vswitch_cidr")?;
        let gateway: Option<Ipv4Addr> = fields.parsed("gateway")?;
        match (cidr, gateway) {
            (Some(cidr), gateway) => {
                let third_last = Ipv4Addr::from(u32::from(cidr.broadcast()).saturating_sub(2));
                self.set_vswitch(cidr, gateway.unwrap_or(third_last));
            }
            (None, Some(gateway)) => {
                for vswitch in self.vswitches.values_mut() {
                    vswitch.gateway = gateway;
                }
            }
            (None, None) => {}
        }
        // Last: their addresses are in the vSwitch as it is now.
        for written in fields.list("enis")? {
            let eni = eni(&written)?;
            self.enis.insert(eni.id.clone(), eni);
        }
        fields.finish()
    }
}

/// Reads an ENI.
fn eni(written: &Value) -> Result<Eni, String> {
    let mut fields = Fields::of(written)?;
    let id = required("id", fields.text("id")?)?;
    let mac = required("mac", fields.text("mac")?)?;
    let mut eni = Eni::new(&id, &mac, required("primary_ip", fields.parsed("primary_ip")?)?);
    eni.tags = fields.texts("tags")?;
    fields.finish()?;
    Ok(eni)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::FamilyLimits;
    use serde_json::json;

    #[test]
    fn what_is_named_is_changed() {
        let mut world = World::single_node();
        let overrides = json!({
            "latency_ms": 5, "quota_ipv4": 6, "policy": "lowest_free", "vswitch_cidr": "10.0.0.0/20",
            "role_name": "Other", "most_per_request": 10, "most_per_unassign_ipv6": 0, "too_many_code": "Own",
            "enis": [{"id": "eni-a", "mac": "00:16:3e:00:00:03", "primary_ip": "10.0.0.12", "tags": {"k": "v"}}],
        });
        world.apply_json(&overrides).unwrap();
        assert_eq!(world.latency.as_millis(), 5);
        assert_eq!((world.quota.ipv4, world.quota.ipv6), (6, 250));
        assert_eq!(world.per_request.ipv4, FamilyLimits::both(Some(10)));
        assert_eq!(world.per_request.ipv6, FamilyLimits { assign: Some(10), unassign: None });
        assert_eq!(world.per_request.code, "Own");
        assert_eq!(world.policy, AddressPolicy::LowestFree);
        assert_eq!(world.vswitches[World::VSWITCH_ID].gateway, Ipv4Addr::new(10, 0, 15, 253));
        assert_eq!(world.role.name, "Other");
        let eni = &world.enis["eni-a"];
        assert_eq!((eni.primary_ip, eni.tags["k"].as_str()), (Ipv4Addr::new(10, 0, 0, 12), "v"));
    }

    #[test]
    fn mistakes_are_named() {
        let mut world = World::single_node();
        for (overrides, named) in [
            (json!({"latency": 5}), "unknown key latency"),
            (json!({"latency_ms": -5}), "latency_ms"),
            (json!({"policy": "random"}), "policy"),
            (json!({"most_per_request": -1}), "most_per_request"),
            (json!({"gateway": "192.168.0"}), "gateway"),
            (json!([]), "not an object"),
            (json!({"enis": {}}), "enis"),
            (json!({"enis": [{"id": "eni-a"}]}), "mac is missing"),
            (json!({"enis": [{"tags": 1, "id": "a", "mac": "m", "primary_ip": "10.0.0.1"}]}), "tags"),
        ] {
            assert!(world.apply_json(&overrides).unwrap_err().contains(named), "{overrides}");
        }
    }
}
