//! How many ENIs an instance may have, and how many addresses each of them: `DescribeInstanceTypes`.

use serde::Deserialize;

use super::actions::{SET_BY, VERSION};
use super::client::Client;
use crate::base::deadline::Deadline;
use crate::base::region::RegionId;
use crate::cloud::rpc::{Action, Error};

const NAME: &str = "DescribeInstanceTypes";

/// How many ENIs an instance may have, and how many addresses each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// IPv4 addresses, the primary one included.
    pub ipv4: u64,
    /// IPv6 addresses.
    pub ipv6: u64,
    /// ENIs, the primary one included, if ECS says it.
    pub enis: Option<u64>,
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
        let action = Action { name: NAME, version: VERSION, mutates: false, parameters, set_by: SET_BY };
        let answer = self.call_in(region, &action, deadline)?;
        let unclear = || Error {
            request_id: Some(answer.request_id.clone().into()),
            ..Error::unknown(NAME, "the answer does not say how many addresses an ENI may have")
        };
        let page: Page = answer.read().map_err(|_| unclear())?;
        let mut types = page.instance_types.instance_type.into_iter();
        Ok(types.find(|it| it.instance_type_id == instance_type).map(|it| Quota {
            ipv4: it.eni_private_ip_address_quantity,
            ipv6: it.eni_ipv6_address_quantity,
            enis: it.eni_quantity,
        }))
    }
}

/// The answer as ECS writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    instance_types: InstanceTypes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceTypes {
    instance_type: Vec<InstanceType>,
}

#[expect(clippy::struct_field_names, reason = "the API's names")]
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceType {
    instance_type_id: String,
    eni_quantity: Option<u64>,
    eni_private_ip_address_quantity: u64,
    /// A type without IPv6 may leave it out.
    #[serde(default)]
    eni_ipv6_address_quantity: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::rpc::Answer;

    #[test]
    fn the_quota_is_read_from_the_documented_shape() {
        let answer = Answer::new(
            "R",
            r#"{"InstanceTypes": {"InstanceType": [
            {"InstanceTypeId": "ecs.g7.large", "EniPrivateIpAddressQuantity": 6, "EniIpv6AddressQuantity": 1}]}}"#,
        );
        let page: Page = answer.read().unwrap();
        let found = &page.instance_types.instance_type[0];
        assert_eq!((found.eni_private_ip_address_quantity, found.eni_ipv6_address_quantity), (6, 1));
    }

    #[test]
    fn an_answer_without_numbers_is_no_answer() {
        for body in [
            "{}",
            r#"{"InstanceTypes": {"InstanceType": null}}"#,
            r#"{"InstanceTypes": {"InstanceType": [{"InstanceTypeId": "ecs.g7.large"}]}}"#,
            r#"{"InstanceTypes": {"InstanceType": [
                {"InstanceTypeId": "ecs.g7.large", "EniPrivateIpAddressQuantity": "6"}]}}"#,
        ] {
            assert!(Answer::new("R", body).read::<Page>().is_err(), "{body}");
        }
    }
}
