//! A simulator of what a CNI plugin needs of Alibaba Cloud: the ECS API for elastic network interfaces (ENIs), the
//! security token service (STS), and the instance metadata service. It listens on the loopback interface, checks
//! signatures, keeps an inventory, records every call, and fails in the ways in which clouds and networks do.
//!
//! ```
//! use ecs_simulator::{Effect, Fault, Simulator, World};
//!
//! let simulator = Simulator::start(World::single_node())?;
//! // The next release is carried out, but its caller does not learn of it.
//! simulator.inject(Fault::on("UnassignPrivateIpAddresses").times(1).effect(Effect::DropAfter));
//! println!("{} {}", simulator.endpoint(), simulator.metadata_endpoint());
//! assert_eq!(simulator.count("UnassignPrivateIpAddresses"), 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What is simulated
//!
//! - Both signature methods, `HMAC-SHA1` and `ACS3-HMAC-SHA256`; access keys, session tokens, permissions by action.
//! - `AssignPrivateIpAddresses`, `UnassignPrivateIpAddresses`, `AssignIpv6Addresses`, `UnassignIpv6Addresses`,
//!   `DescribeNetworkInterfaces`, `DescribeNetworkInterfaceAttribute`, `DescribeInstanceTypes`, `DescribeRegions`,
//!   and of STS `AssumeRole`, `AssumeRoleWithOIDC`, `GetCallerIdentity`. Prefixes in the place of addresses are not.
//! - One mutation of an ENI at a time: a second one is answered `Operation.Conflict`.
//! - An Unassign takes all addresses that it names off the ENI, or none where one of them is not there. The real
//!   service does not document which it does; a client must be right either way.
//!
//! # The control API
//!
//! The same in other languages: the binary `ecs-simulator` runs a simulator, and under `/_control/` at the metadata
//! service's port there is
//!
//! | command | |
//! |---|---|
//! | `GET ledger` | array of the [`Entry`]s, members as its fields |
//! | `GET count?action=A` | number of calls of an action |
//! | `GET addresses?eni=E` | array of an ENI's secondary addresses |
//! | `GET overlaps` | number, see [`Simulator::overlaps`] |
//! | `GET metadata-requests` | array of `[method, path, had_token]` |
//! | `POST faults` | a fault or an array of them |
//! | `POST fault/K` | one of the [`NamedFault`]s in the place of all other faults; `none`: no fault |
//! | `POST metadata-faults` | the same, with `path` (a prefix), `times` and an effect |
//! | `POST assign`, `POST unassign` | `{"eni": …, "address": …}`, behind the API's back |
//! | `POST hold` | `{"action": …}`: holds back all requests of an action |
//! | `POST hold-late` | holds back what is late and would act otherwise |
//! | `POST let-go` | handles what is held back, and holds nothing back any more |
//! | `POST latency` | `{"ms": …}` |
//! | `POST clock` | `{"offset_seconds": …}` |
//! | `POST world` | see [`World::apply_json`] |
//! | `POST clear` | ends all faults, and empties the ledger and the log of metadata requests |
//!
//! A fault is written `{"action": …, "eni": …, "address": …, "times": …, "skip": …, "probability": …, "effect": …}`, where
//! all but `effect` can be left out. Effects are those of [`Effect`] in lower case: `delay`, `delay_answer` and `late` with
//! `ms`; `error` with `code` and, where [`codes::TABLE`] is not to decide, `message`, `status`, `retry_after_ms`; `html`
//! and `empty` with `status`; `drop_before`, `drop_after`, `stall`, `stall_after`, `html_502_after_acting`, `garbage`,
//! `truncated_body`, `endless_body`, `huge_headers`.
//!
//! A POST answers `{}`; a mistake is answered 400 with `{"error": …}`.

mod actions;
mod api;
mod authenticate;
mod clock;
mod cloud;
pub mod codes;
mod control;
mod end;
mod error;
mod faults;
mod fields;
mod handout;
mod http;
mod ledger;
mod metadata;
mod named_faults;
mod offline;
mod overrides;
mod render;
mod rpc;
mod server;
mod sessions;
mod shared;
pub mod signature;
mod simulator;
mod spoil;
mod tls;
mod welcome;
mod world;

pub use cloud::Saved;
pub use faults::{Dice, Effect, Fault};
pub use ledger::Entry;
pub use named_faults::NamedFault;
pub use offline::{Offline, Reply};
pub use simulator::Simulator;
pub use tls::{LOOPBACK_AUTHORITY, LOOPBACK_CERTIFICATE, LOOPBACK_KEY};
pub use welcome::welcome;
pub use world::{
    AccessKey, AddressPolicy, Change, Eni, EniStatus, EniType, FamilyLimits, Instance, InstanceState,
    Permission, Quota, RequestLimits, Role, TokenMode, VSwitch, Vpc, World,
};
