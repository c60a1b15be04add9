//! How many addresses the ENIs of an instance may have: `DescribeInstanceTypes`.

use serde_json::{Map, Value};

use super::actions::VERSION;
use super::api::Action;
use super::client::Client;
use super::error::Error;
use super::region::RegionId;
use crate::deadline::Deadline;

const NAME: &str = "DescribeInstanceTypes";

/// How many addresses one ENI may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// IPv4 addresses, the primary one included.
    pub ipv4: u64,
    /// IPv6 addresses.
    pub ipv6: u64,
}

impl Client {
    /// The quota of an instance type such as `ecs.g7.large`; nothing when ECS does not know the type.
    ///
    /// # Errors
    /// Among others when the answer has no numbers.
    pub fn quota(
        &self,
        region: &RegionId,
        instance_type: &str,
        deadline: Deadline,
    ) -> Result<Option<Quota>, Error> {
        let parameters = vec![
            ("RegionId".to_owned(), region.to_string()),
            ("InstanceTypes.1".to_owned(), instance_type.to_owned()),
        ];
        let action = Action { name: NAME, version: VERSION, mutates: false, parameters };
        let answer = self.call_in(region, &action, deadline)?;
        let unclear = || Error {
            request_id: Some(answer.request_id.clone().into()),
            ..Error::unknown(NAME, "the answer does not say how many addresses an ENI can have")
        };
        let types = list(&answer.body).ok_or_else(unclear)?;
        match types.iter().find(|it| it["InstanceTypeId"] == instance_type) {
            Some(found) => read(found).map(Some).ok_or_else(unclear),
            None => Ok(None),
        }
    }
}

fn list(body: &Map<String, Value>) -> Option<&Vec<Value>> {
    body.get("InstanceTypes")?.get("InstanceType")?.as_array()
}

fn read(entry: &Value) -> Option<Quota> {
    let number = |name: &str| entry.get(name).and_then(Value::as_u64);
    Some(Quota {
        ipv4: number("EniPrivateIpAddressQuantity")?,
        // A type without IPv6 may leave it out.
        ipv6: number("EniIpv6AddressQuantity").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_quota_is_read_from_the_documented_shape() {
        let body = json!({"InstanceTypes": {"InstanceType": [
            {"InstanceTypeId": "ecs.g7.large", "EniPrivateIpAddressQuantity": 6, "EniIpv6AddressQuantity": 1}]}});
        let types = list(body.as_object().unwrap()).unwrap();
        assert_eq!(read(&types[0]), Some(Quota { ipv4: 6, ipv6: 1 }));
    }

    #[test]
    fn an_answer_without_numbers_is_no_answer() {
        assert_eq!(read(&json!({"InstanceTypeId": "ecs.g7.large"})), None);
        assert_eq!(read(&json!({"EniPrivateIpAddressQuantity": "6"})), None);
        assert!(list(&Map::new()).is_none());
        assert!(list(json!({"InstanceTypes": {"InstanceType": null}}).as_object().unwrap()).is_none());
    }
}
