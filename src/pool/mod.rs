//! An address from ECS to a pod and back: an [`attempt`] gets it by [`assign`], [`release`] gives it back.

pub(crate) mod assign;
pub(crate) mod attempt;
pub(crate) mod release;
