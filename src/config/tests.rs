//! The values that keys may have, and those that they may not.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use log::LevelFilter;
use serde_json::{Map, Value, json};

use super::*;
use crate::base::foreign::ForeignAddresses;
use crate::base::logging::{Format, Settings};
use crate::cloud::credentials::Source;

/// A section with these keys beside `type`.
fn section(keys: &Value) -> Map<String, Value> {
    let mut section = json!({"type": "aliyun-eni-ipam"}).as_object().unwrap().clone();
    section.extend(keys.as_object().unwrap().clone());
    section
}

fn address(keys: &Value) -> Result<AddressSettings, Error> {
    Ipam::new(&section(keys)).address()
}

fn refusal(keys: &Value) -> String {
    Ipam::new(&section(keys)).check_all().unwrap_err().to_string()
}

/// Expects an error that names the key and shows the value.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, key: &str, value: &str) {
    let error = result.unwrap_err();
    let Error::Invalid { key: named, value: shown, .. } = &error else { panic!("{error}") };
    assert_eq!((named.as_str(), shown), (key, &format!("{value:?}")));
}

#[test]
fn a_section_with_nothing_but_its_type_has_every_default() {
    let section = section(&json!({}));
    let ipam = Ipam::new(&section);
    assert_eq!(ipam.check_all(), Ok(()));
    assert_eq!(ipam.data_directory().as_deref(), Ok(Path::new("/var/lib/cni/aliyun-eni-ipam")));
    assert_eq!(ipam.timeout(), Ok(Duration::from_secs(25)));
    assert_eq!((ipam.fails_when_not_released(), ipam.max_per_request()), (Ok(false), Ok(32)));
    assert_eq!(ipam.gc_grace(), Ok(Duration::from_mins(1)));
    assert_eq!(ipam.status_fails_when_full(), Ok(false));
    let log = ipam.log();
    assert_eq!(
        (log.level, log.file.as_path(), log.format),
        (LevelFilter::Info, Path::new("/var/log/aliyun-eni-ipam.log"), Format::Text)
    );
    let address = ipam.address().unwrap();
    assert_eq!((address.ipv4, address.ipv6), (Family4::FromMetadata, false));
    assert!(address.interfaces.is_none());
    assert_eq!(ipam.reserve().unwrap(), ReserveSettings { reserve: 0, reuse_delay: Duration::from_mins(2) });
    assert!(address.region.is_none() && address.eni.is_none() && address.interface.is_none());
    assert!(address.gateway.is_none() && address.routes.is_empty() && address.resolv_conf.is_none());
    let cloud = ipam.cloud().unwrap().keeping_keys_in(Path::new("/cache"));
    assert_eq!(cloud.credentials, Source::Default);
    assert_eq!(cloud.endpoint, crate::cloud::http::endpoint::Choice::Vpc);
    assert_eq!(cloud.metadata_endpoint.to_string(), "http://100.100.100.200");
}

#[test]
fn foreign_addresses_are_single_ones_and_blocks_of_both_families() {
    let foreign =
        |value: Value| Ipam::new(&section(&json!({ "foreignAddresses": value }))).foreign_addresses();
    let named =
        foreign(json!(["192.168.0.10", "192.168.0.64/28", "2001:db8::10", "2001:db8:1::/112"])).unwrap();
    assert_eq!(named.to_string(), "192.168.0.10, 192.168.0.64/28, 2001:db8::10, 2001:db8:1::/112");
    assert_eq!(foreign(json!([])), Ok(ForeignAddresses::default()));
    // It would not be clear whether the address or its block is meant.
    assert!(foreign(json!(["192.168.0.10/24"])).is_err());
}

#[test]
fn null_is_the_same_as_no_such_key() {
    let null = KEYS.iter().filter(|key| key.name != "type").map(|key| (key.name.to_owned(), Value::Null));
    let section = section(&Value::Object(null.collect()));
    let ipam = Ipam::new(&section);
    assert_eq!(ipam.check_all(), Ok(()));
    assert_eq!(ipam.timeout(), Ok(Duration::from_secs(25)));
    assert_eq!(ipam.address(), address(&json!({})));
    assert_eq!(refusal(&json!({"type": null})), "ipam.type is null, but must be \"aliyun-eni-ipam\"");
}

#[test]
fn the_type_is_required_and_this_plugins() {
    let without = Map::new();
    let error = Ipam::new(&without).check_all().unwrap_err();
    assert_eq!(error.to_string(), "ipam.type is missing, but must be \"aliyun-eni-ipam\"");
    assert_eq!(
        refusal(&json!({"type": "host-local"})),
        "ipam.type is \"host-local\", but must be \"aliyun-eni-ipam\""
    );
}

#[test]
fn numbers_may_come_as_floats_because_other_tools_write_them_so() {
    for (number, seconds) in [("25", 25), ("25.0", 25), ("2.5e1", 25), ("600", 600), ("1", 1)] {
        let section: Map<String, Value> =
            serde_json::from_str(&format!(r#"{{"timeoutSeconds": {number}}}"#)).unwrap();
        assert_eq!(Ipam::new(&section).timeout(), Ok(Duration::from_secs(seconds)), "{number}");
    }
    for number in ["0", "0.0", "-1", "-1.0", "2.5", "601", "1e300", "-0.5", "18446744073709551616", "\"25\""]
    {
        let section: Map<String, Value> =
            serde_json::from_str(&format!(r#"{{"timeoutSeconds": {number}}}"#)).unwrap();
        let error = Ipam::new(&section).timeout().unwrap_err();
        let (key, expected) = ("timeoutSeconds".to_owned(), "a whole number from 1 to 600".to_owned());
        let value = section[&key].to_string();
        assert_eq!(error, Error::Invalid { key, value, expected });
    }
}

#[test]
fn every_number_has_its_range() {
    let grace = |value: Value| Ipam::new(&section(&json!({"gcGraceSeconds": value}))).gc_grace();
    assert_eq!(grace(json!(0)), Ok(Duration::ZERO));
    assert_eq!(grace(json!(86_400)), Ok(Duration::from_hours(24)));
    assert!(grace(json!(86_401)).is_err());
    let most = |value: Value| Ipam::new(&section(&json!({"maxAddressesPerCall": value}))).max_per_request();
    assert_eq!(most(json!(1)), Ok(1));
    assert_eq!(most(json!(50)), Ok(50));
    assert!(most(json!(0)).is_err() && most(json!(51)).is_err());
    let reserve = |value: Value| Ipam::new(&section(&json!({"reserve": value}))).reserve();
    assert_eq!(reserve(json!(500)).map(|it| it.reserve), Ok(500));
    assert!(reserve(json!(501)).is_err());
}

#[test]
fn a_block_is_written_with_its_prefix_and_without_host_bits() {
    for (keys, text) in [
        (json!({"subnet": "192.168.0.0/24"}), "192.168.0.0/24"),
        (json!({"subnet": "10.0.0.0/8"}), "10.0.0.0/8"),
        (json!({"subnet": "192.168.0.16/28"}), "192.168.0.16/28"),
    ] {
        assert_eq!(address(&keys).unwrap().ipv4, Family4::Block(text.parse().unwrap()));
    }
    for text in [
        "",
        "192.168.0.0",
        "192.168.0.0/",
        "192.168.0.0/33",
        "192.168.0.0/-1",
        "192.168.0.0/255.255.255.0",
        "192.168.0.0/+24",
        "192.168.0.1/24",
        "192.168.0/24",
        "192.168.0.0/24/24",
        " 192.168.0.0/24",
        "2001:db8::/64",
    ] {
        assert_refused(address(&json!({"subnet": text})), "subnet", text);
    }
    let block6 = |text: &str| address(&json!({"subnet6": text})).map(|settings| settings.subnet6.unwrap());
    assert_eq!(block6("2001:db8::/64"), Ok("2001:db8::/64".parse().unwrap()));
    for text in ["2001:db8::", "2001:db8::1/64", "192.168.0.0/24", "2001:db8::/129"] {
        assert_refused(block6(text), "subnet6", text);
    }
}

#[test]
fn ipv4_can_be_off_only_where_ipv6_is_on() {
    assert_eq!(address(&json!({"subnet": "off", "ipv6": true})).unwrap().ipv4, Family4::Off);
    for keys in [json!({"subnet": "off"}), json!({"subnet": "off", "ipv6": false})] {
        let error = address(&keys).unwrap_err().to_string();
        assert_eq!(
            error,
            "ipam.subnet is \"off\", but must be a CIDR block, because \"off\" needs ipam.ipv6 to be true"
        );
    }
}

#[test]
fn a_gateway_is_an_address_of_its_family_and_on_the_link() {
    let gateway = |keys: &Value| address(keys).map(|settings| settings.gateway.unwrap());
    let first = IpAddr::from([192, 168, 0, 1]);
    assert_eq!(gateway(&json!({"gateway": "192.168.0.1"})), Ok(first));
    assert_eq!(gateway(&json!({"gateway": "192.168.0.1", "subnet": "192.168.0.0/24"})), Ok(first));
    for outside in ["192.168.1.1", "10.0.0.1", "169.254.1.1"] {
        let error =
            gateway(&json!({"gateway": outside, "subnet": "192.168.0.0/24"})).unwrap_err().to_string();
        let expected = "an address inside ipam.subnet, 192.168.0.0/24";
        assert_eq!(error, format!("ipam.gateway is {outside:?}, but must be {expected}"));
    }
    for text in ["", "router", "192.168.0.1/24", "192.168.0.01", "192.168.0", "2001:db8::1"] {
        assert_refused(gateway(&json!({"gateway": text})), "gateway", text);
    }
    // An IPv6 gateway is often known by its link-local address.
    for text in ["fe80::1", "2001:db8::fff5"] {
        let keys = json!({"gateway6": text, "subnet6": "2001:db8::/64", "ipv6": true});
        assert_eq!(address(&keys).unwrap().gateway6, Some(text.parse().unwrap()));
    }
    assert_refused(address(&json!({"gateway6": "192.168.0.1"})), "gateway6", "192.168.0.1");
}

#[test]
fn interfaces_are_several_names_or_all_but_the_primary_one() {
    let interfaces = |value: Value| address(&json!({"interfaces": value})).map(|it| it.interfaces);
    let named = Interfaces::Named(vec!["eth2".into(), "eth1".into()]);
    assert_eq!(interfaces(json!(["eth2", "eth1"])), Ok(Some(named)));
    assert_eq!(interfaces(json!("secondary")), Ok(Some(Interfaces::Secondary)));
    assert_eq!(interfaces(Value::Null), Ok(None));
    for wrong in [json!("eth1"), json!([]), json!(["eth1", "eth1"]), json!([""]), json!([1])] {
        let error = interfaces(wrong.clone()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("ipam.interfaces is {wrong}, but must be \"secondary\" or ")),
            "{error}"
        );
    }
}

#[test]
fn what_each_eni_has_for_itself_cannot_be_set_for_several() {
    for (key, value) in [
        ("networkInterfaceId", "eni-1"),
        ("interface", "eth1"),
        ("subnet", "192.168.0.0/24"),
        ("gateway", "192.168.0.253"),
        ("subnet6", "2001:db8::/64"),
        ("gateway6", "fe80::1"),
    ] {
        let keys = json!({"interfaces": "secondary", "ipv6": true, key: value});
        assert_eq!(
            refusal(&keys),
            format!("ipam.{key} is {value:?}, but must be left out where ipam.interfaces names the ENIs")
        );
    }
    let keys = json!({"interfaces": "secondary", "ipv6": true, "subnet": "off", "gateway": null});
    assert_eq!(address(&keys).unwrap().ipv4, Family4::Off);
}

#[test]
fn paths_are_absolute() {
    for key in ["dataDir", "caFile", "resolvConf", "metricsFile", "logFile"] {
        assert_eq!(Ipam::new(&section(&json!({key: "/a"}))).check_all(), Ok(()), "{key}");
        for value in [json!(""), json!("a"), json!("./a"), json!("~/a"), json!(5), json!(["/a"])] {
            let text = refusal(&json!({key: value}));
            assert_eq!(text, format!("ipam.{key} is {value}, but must be an absolute path"));
        }
    }
}

#[test]
fn a_flag_is_true_or_false() {
    for key in ["ipv6", "allowInsecureEndpoint", "statusFailsWhenFull"] {
        for value in [json!(true), json!(false)] {
            assert_eq!(Ipam::new(&section(&json!({key: value}))).check_all(), Ok(()));
        }
        for value in [json!("true"), json!(1), json!(0.0), json!([])] {
            assert_eq!(
                refusal(&json!({key: value})),
                format!("ipam.{key} is {value}, but must be true or false")
            );
        }
    }
}

#[test]
fn a_choice_is_one_of_its_values_to_the_letter() {
    let fails =
        |value: Value| Ipam::new(&section(&json!({"onReleaseFailure": value}))).fails_when_not_released();
    assert_eq!((fails(json!("defer")), fails(json!("fail"))), (Ok(false), Ok(true)));
    for value in [json!(""), json!("Fail"), json!("fail "), json!(true)] {
        let text = fails(value.clone()).unwrap_err().to_string();
        assert_eq!(text, format!("ipam.onReleaseFailure is {value}, but must be \"defer\" or \"fail\""));
    }
    for value in ["HMAC-SHA1", "ACS3-HMAC-SHA256"] {
        assert!(Ipam::new(&section(&json!({"signatureMethod": value}))).cloud().is_ok(), "{value}");
    }
}

#[test]
fn a_log_that_cannot_be_set_up_falls_back_to_the_default() {
    let section = section(&json!({"logLevel": "loud", "logFile": "relative", "logFormat": "xml"}));
    let log = Ipam::new(&section).log();
    assert_eq!(
        (log.level, log.file.as_path()),
        (LevelFilter::Info, Path::new("/var/log/aliyun-eni-ipam.log"))
    );
    for (text, level) in [("error", LevelFilter::Error), ("trace", LevelFilter::Trace)] {
        let section = self::section(&json!({"logLevel": text, "logFile": "/a", "logFormat": "json"}));
        assert_eq!(Ipam::new(&section).log(), Settings { level, file: "/a".into(), format: Format::Json });
    }
}

#[test]
fn each_source_of_credentials_reads_its_own_keys() {
    let source = |credentials: Value| {
        let section = section(&json!({"credentials": credentials}));
        Ipam::new(&section).cloud().map(|cloud| cloud.keeping_keys_in(Path::new("/cache")).credentials)
    };
    for (credentials, expected) in [
        (json!({}), Source::Default),
        (json!({"source": null}), Source::Default),
        (json!({"source": "env"}), Source::Environment),
        (json!({"source": "oidc"}), Source::Oidc),
        (json!({"source": "uri"}), Source::Uri),
        (json!({"source": "ecs-ram-role"}), Source::EcsRamRole { role_name: None }),
        (
            json!({"source": "ecs-ram-role", "roleName": "r"}),
            Source::EcsRamRole { role_name: Some("r".into()) },
        ),
        (
            json!({"source": "file", "path": "/a", "profile": "p"}),
            Source::File { path: "/a".into(), profile: Some("p".into()) },
        ),
        // What another source would need is no matter.
        (json!({"source": "env", "path": 5}), Source::Environment),
    ] {
        assert_eq!(source(credentials), Ok(expected));
    }
    let error = source(json!({"source": "file"})).unwrap_err().to_string();
    assert_eq!(
        error,
        "ipam.credentials.path is missing, but must be the absolute path of the credentials file"
    );
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    for keys in [
        json!({"credentials": "swordfish"}),
        json!({"credentials": ["swordfish"]}),
        json!({"proxy": "socks5://user:swordfish@proxy.example.com"}),
        json!({"proxy": {"url": "http://user:swordfish@proxy.example.com"}}),
        json!({"endpoint": "https://user:swordfish@ecs.example.com"}),
        json!({"endpoint": "https://user:swordfish@ecs.example.com/@"}),
        json!({"metadataEndpoint": "http://user:swordfish@100.100.100.200"}),
    ] {
        let text = refusal(&keys);
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn a_long_value_is_shortened() {
    let text = refusal(&json!({"regionId": "é".repeat(1000)}));
    assert!(text.len() < 300 && text.contains("éé...,"), "{text}");
}

#[test]
fn a_key_that_is_not_known_is_told_from_one_that_is() {
    let section = section(&json!({"regionID": "x", "ranges": [], "dataDir": "/a",
        "credentials": {"source": "ecs-ram-role", "rolename": "r"}}));
    let unknown: Vec<_> = Ipam::new(&section).unknown_keys().iter().map(ToString::to_string).collect();
    assert_eq!(
        unknown,
        [
            "ipam.credentials.rolename (did you mean ipam.credentials.roleName?)",
            "ipam.ranges",
            "ipam.regionID (did you mean ipam.regionId?)"
        ]
    );
    assert_eq!(Ipam::new(&section).check_all(), Ok(()));
}

#[test]
fn the_table_has_each_key_once_with_what_holds_without_it() {
    let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), KEYS.len());
    assert!(KEYS.iter().all(|key| !key.default.is_empty()));
}
