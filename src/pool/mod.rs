//! An address on its way from ECS to a pod and back: [`assign`] asks for it, [`release`] gives it back.

pub(crate) mod assign;
pub mod release;
