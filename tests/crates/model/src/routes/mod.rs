//! A model of its own: how a pod's rule is put in place and removed while the address changes hands. It has one address, which
//! ECS gives to one pod after another, on one ENI or another, and the rules that lead the address to an ENI's table.
//!
//! The order is that of libcni: ADD makes the record active, then the chained ADD puts the rule in place; the chained DEL removes
//! the rule, then DEL ends the record. A record names the address for one pod at a time: that is what the model of the protocol
//! ([`crate::protocol`]) is for, and here it is taken for granted.
//!
//! # What may come in between
//! Every process can be killed between any two steps, which takes its memory and its locks. A DEL may come twice, late, or while the
//! ADD still runs. A record may end without a chained DEL (`release`, or the GC of a runtime that does not call it). A network
//! manager may remove all rules at any moment, and so may a person (`routes --remove`).
//!
//! # What is left out
//! What does not depend on who has the address: links, tables, the mark. Records of an earlier boot, which need no rule. GC is a
//! repair that is killed before it adds.
//!
//! # What must hold
//! [`properties`], in every state. A rule for an address that nobody has is not among them: an ADD that its runtime has given up, or
//! a repair, can put the rule back between the chained DEL and the end of the record. It leads no pod astray, because the next pod's
//! ADD replaces it, and it stays until the next repair at most.

mod add;
mod del;
pub mod mistake;
pub mod model;
pub mod process;
pub mod properties;
mod repair;
pub mod state;
mod turn;
