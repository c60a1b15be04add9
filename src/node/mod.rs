//! What this machine is: the ENI that pods get addresses of, its region and its vSwitch, asked for once a boot and kept; and what
//! its pods are seen to use.

mod cni_cache;
mod default_route;
mod eni_choice;
pub(crate) mod eni_link;
pub(crate) mod enis;
pub(crate) mod facts;
mod host_routes;
pub(crate) mod network_enis;
pub(crate) mod ownership;
pub(crate) mod placement;
pub(crate) mod pods;
pub(crate) mod quota;
pub(crate) mod routing;
mod several;
