//! A CNI IPAM plugin for Alibaba Cloud ECS: a pod's address is a secondary private IP of one of the node's elastic
//! network interfaces (ENIs).
//!
//! The binary is the product; this library is its inside, laid open for the tests. From the top down, and imports run
//! in no other direction:
//!
//! - [`verbs`] serves the calls of container runtimes, [`commands`] the commands of people;
//! - [`pool`] gets addresses from ECS and gives them back: whoever holds an ENI's lock releases for everybody;
//! - [`config`] reads the `ipam` section of a network configuration, [`failure`] turns what went wrong into CNI errors;
//! - [`store`] keeps the records, [`cloud`] talks to Alibaba Cloud, [`cni`] speaks the protocol, and none of the three knows
//!   another;
//! - [`base`] is for all.
//!
//! `ARCHITECTURE.md` has the promises, the life of a DEL, and the reasons.

pub mod base;
pub mod cloud;
pub mod cni;
pub mod commands;
pub mod config;
mod context;
pub mod failure;
mod metrics;
mod node;
pub mod pool;
pub mod store;
pub mod verbs;
