//! The calls that put rules and routes in place and remove them, killed and failed at each of their system calls, in a network
//! namespace with links that stand for the ENIs.
//!
//! What must hold at every moment: the neighbour, a pod that lives throughout, has its rules, and what others have put there is
//! untouched. And whatever comes next ends well: the same call again leaves what one call would have left, the pod's DEL leaves
//! nothing of the pod, the next pod with its address has its own rule and no other, and after a `flush` nothing differs from what
//! it should be.
//!
//! Nothing of this is about power: a boot takes all rules and routes with it, and the file of the lock has no content. What is in
//! the store was written by the IPAM plugin, whose power cuts are in [`power_cuts`](crate::power_cuts).

pub(crate) mod failing_calls;
pub(crate) mod kill_points;
mod situations;
mod stage;

pub(crate) use situations::in_every_situation;
