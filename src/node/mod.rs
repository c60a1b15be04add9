//! What this machine is: the ENI that pods get addresses of, its region and its vSwitch. Asked for once a boot and kept.

pub(crate) mod eni_link;
pub(crate) mod facts;
pub(crate) mod ownership;
pub(crate) mod placement;
