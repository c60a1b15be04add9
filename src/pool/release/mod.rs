//! The shared release: whoever holds an ENI's lock unassigns for everybody.
//!
//! A DEL has made its record *releasing* before it comes here. Then either another call, which holds the ENI's lock, releases
//! it together with others, or the DEL takes the lock itself and becomes the leader for the rest. So a drained node makes one
//! request for the first pod and a few for all of the others, and ECS sees one mutation of an ENI at a time. What happened to
//! a request is written into the records and the ENI's state, so that nobody repeats a call that just failed.
//!
//! From the top down: [`one_record`], [`drain`] and [`backlog`] are the callers of [`step`], and ask [`decision`] before
//! each; a step is either of [`in_doubt`] or sends a [`batch`], and [`refused`] says what follows where ECS refuses that.

mod answer;
mod backlog;
mod backoff;
mod batch;
mod decision;
mod drain;
mod due;
mod eni_ownership;
mod in_doubt;
mod leader;
mod one_record;
mod refused;
mod releaser;
mod restore;
mod step;
mod surplus;
mod unexplained;
mod watch;

pub(crate) use answer::Answer;
pub(crate) use backoff::{after as backoff_after, pause as pause_after};
pub(crate) use drain::Drained;
pub(crate) use due::next_try;
pub(crate) use one_record::{DEFERRED, Outcome};
pub(crate) use releaser::Releaser;
pub(crate) use releaser::{DESCRIBE_LAG, REQUEST_TIMEOUT};
pub(crate) use restore::Restored;
pub(crate) use watch::{Doing, Watch};
