//! A CNI IPAM plugin for Alibaba Cloud ECS: a pod's address is a secondary private IP of an ENI.

pub mod clock;
pub mod cni;
pub mod config;
pub mod deadline;
pub mod ecs;
pub mod eni;
pub mod failure;
pub mod logging;
pub mod operator;
pub mod random;
pub mod release;
mod session;
pub mod store;
pub mod verbs;
