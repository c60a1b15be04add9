//! The actions, in both signatures, with permanent and temporary keys.

use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::base::Family;
use aliyun_eni_ipam::inside::base::hex128;
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::codes::Subject;
use aliyun_eni_ipam::inside::cloud::{Client, EniKind, Quota, Settings, Want};
use aliyun_eni_ipam::inside::cloud::{Disposition, ErrorKind, SignatureMethod};
use ecs_simulator::World;

use crate::setup::{address, assign_one, client, eni, region, settings, simulator, soon};

#[test]
fn every_action_works_in_both_signatures_with_both_kinds_of_key() {
    for signature in [SignatureMethod::HmacSha1, SignatureMethod::Acs3HmacSha256] {
        for credentials in [Source::Environment, Source::EcsRamRole { role_name: None }] {
            let simulator = simulator();
            let client =
                Client::new(Settings { signature, credentials: credentials.clone(), ..settings(&simulator) });
            for family in [Family::V4, Family::V6] {
                let token = format!("{signature:?}-{family:?}");
                let assigned = client
                    .assign(&region(), &eni(), family, &Want::Count(3), &token, soon())
                    .unwrap()
                    .addresses;
                assert_eq!(assigned.len(), 3);
                let described = client.describe(&region(), &eni(), soon()).unwrap().unwrap();
                assert!(assigned.iter().all(|address| described.addresses.contains(address)));
                client.unassign(&region(), &eni(), &assigned, soon()).unwrap();
                assert!(simulator.addresses(World::SECONDARY_ENI).is_empty());
            }
            let ledger = simulator.ledger();
            assert!(ledger.iter().all(|call| call.signature_method == signature.name()));
            assert!(ledger.iter().all(|call| call.status == 200), "{signature:?} {credentials:?}");
        }
    }
}

#[test]
fn addresses_can_be_chosen() {
    let simulator = simulator();
    let client = client(&simulator);
    for (family, chosen) in [(Family::V4, "192.168.0.77"), (Family::V6, "2001:db8:1234:1a00::77")] {
        let want = Want::Addresses(vec![address(chosen)]);
        let assigned = client.assign(&region(), &eni(), family, &want, chosen, soon()).unwrap().addresses;
        assert_eq!(assigned, [address(chosen)]);
    }
}

#[test]
fn a_request_about_more_addresses_than_ecs_takes_is_refused_as_a_request_and_changes_nothing() {
    let simulator = simulator();
    simulator.with_world(|world| world.set_most_per_request(Some(10)));
    let client = client(&simulator);
    for (family, start) in [(Family::V4, "192.168.0."), (Family::V6, "2001:db8:1234:1a00::")] {
        let addresses: Vec<_> = (100..111).map(|last| address(&format!("{start}{last}"))).collect();
        let assign = |want: &Want| {
            let token = hex128().unwrap();
            client.assign(&region(), &eni(), family, want, &token, soon()).map(|it| it.addresses)
        };
        let these = |count: usize| Want::Addresses(addresses[..count].to_vec());
        let refusals = [
            assign(&Want::Count(11)).unwrap_err(),
            assign(&these(11)).unwrap_err(),
            client.unassign(&region(), &eni(), &addresses, soon()).unwrap_err(),
        ];
        for error in refusals {
            assert_eq!(error.kind, ErrorKind::Refused(Disposition::Permanent), "{error}");
            assert_eq!(error.subject(), Subject::Request, "{error}");
            assert!(!error.to_string().contains("ClientToken"), "{error}");
        }
        assert!(simulator.addresses(World::SECONDARY_ENI).is_empty());
        assert_eq!(assign(&Want::Count(10)).unwrap().len(), 10);
        assert_eq!(assign(&these(10)).unwrap(), addresses[..10]);
        client.unassign(&region(), &eni(), &addresses[..10], soon()).unwrap();
        simulator.with_world(|world| world.eni_mut(World::SECONDARY_ENI).addresses.clear());
    }
}

#[test]
fn an_assignment_that_is_repeated_with_its_token_returns_the_same_addresses() {
    let simulator = simulator();
    let client = client(&simulator);
    let assign =
        || client.assign(&region(), &eni(), Family::V4, &Want::Count(2), "token", soon()).unwrap().addresses;
    assert_eq!(assign(), assign());
    assert_eq!(simulator.addresses(World::SECONDARY_ENI).len(), 2);
}

#[test]
fn a_description_tells_primary_from_secondary() {
    let simulator = simulator();
    let client = client(&simulator);
    let assigned = assign_one(&client, Family::V4);
    let eni = client.describe(&region(), &eni(), soon()).unwrap().unwrap();
    assert_eq!((eni.kind, eni.service_managed, eni.status.as_str()), (EniKind::Secondary, false, "InUse"));
    assert_eq!(eni.instance_id.as_deref(), Some(World::INSTANCE_ID));
    assert_eq!(eni.vswitch_id.as_deref(), Some(World::VSWITCH_ID));
    assert_eq!(eni.mac.as_deref(), Some("00:16:3e:00:00:02"));
    assert_eq!(eni.primary, [address("192.168.0.11")].into());
    assert_eq!(eni.addresses, [assigned].into());

    let primary = EniId::try_from(World::PRIMARY_ENI.to_owned()).unwrap();
    assert_eq!(client.describe(&region(), &primary, soon()).unwrap().unwrap().kind, EniKind::Primary);
}

#[test]
fn the_quota_of_an_instance_type_is_told() {
    let simulator = simulator();
    simulator.with_world(|world| (world.quota.ipv4, world.quota.ipv6) = (6, 1));
    let client = client(&simulator);
    let quota = client.quota(&region(), "ecs.g7.large", soon()).unwrap();
    assert_eq!(quota, Some(Quota { ipv4: 6, ipv6: 1, enis: Some(3) }));
    assert_eq!(client.quota(&region(), "ecs.none", soon()).unwrap(), None);
}

#[test]
fn an_eni_that_does_not_exist_is_described_as_nothing() {
    let simulator = simulator();
    let other = EniId::try_from("eni-none".to_owned()).unwrap();
    assert_eq!(client(&simulator).describe(&region(), &other, soon()).unwrap(), None);
}

#[test]
fn addresses_of_both_families_in_one_request_are_not_sent() {
    let simulator = simulator();
    let client = client(&simulator);
    let both = [address("192.168.0.77"), address("2001:db8::77")];
    for addresses in [&both[..], &[]] {
        let error = client.unassign(&region(), &eni(), addresses, soon()).unwrap_err();
        assert_eq!((error.kind, error.transient), (ErrorKind::NotSent, false));
    }
    let want = Want::Addresses(both.to_vec());
    let error = client.assign(&region(), &eni(), Family::V4, &want, "token", soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    assert!(simulator.ledger().is_empty());
}

#[test]
fn building_a_client_dials_nothing() {
    let simulator = simulator();
    let client = client(&simulator);
    assert_eq!(client.clock_skew(), None);
    assert!(simulator.ledger().is_empty() && simulator.metadata_requests().is_empty());
}
