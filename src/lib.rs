//! A CNI IPAM plugin for Alibaba Cloud ECS: a pod's address is a secondary private IP of one of the node's elastic
//! network interfaces (ENIs).
//!
//! The binary is the product; this library is its inside, laid open for the tests. From the top down, and imports run
//! in no other direction:
//!
//! - [`verbs`] serves the calls of container runtimes, [`operator`] the commands of people;
//! - [`release`] gives addresses back: whoever holds an ENI's lock does so for everybody;
//! - [`config`] reads the `ipam` section of a network configuration, [`failure`] turns what went wrong into CNI errors;
//! - [`store`] keeps the records, [`ecs`] talks to the cloud, [`cni`] speaks the protocol, and none of the three knows
//!   another;
//! - [`clock`], [`deadline`], [`eni`], [`logging`], [`printable`] and [`random`] are for all.
//!
//! `ARCHITECTURE.md` has the promises, the life of a DEL, and the reasons.

pub mod clock;
pub mod cni;
pub mod config;
pub mod deadline;
pub mod ecs;
pub mod eni;
pub mod failure;
pub mod logging;
mod metrics;
pub mod operator;
pub mod printable;
pub mod random;
pub mod release;
mod session;
pub mod store;
pub mod verbs;
