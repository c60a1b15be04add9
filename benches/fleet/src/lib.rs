//! A fleet of nodes on one account's quota: the plugin's own code, every call of it, in simulated time.
//!
//! A call waits for three things: for time to pass, for its turn at a lock, for an answer. Here it runs in a coroutine that is
//! suspended where it would wait, so one thread runs the calls of thousands of nodes, always the one whose moment comes next. The
//! files of each node's store are real, and so are its locks; ECS and instance metadata are those of the tests' simulator, one for
//! each node, behind the quota of one [`account`].

pub mod account;
mod calls;
mod clock;
mod node;
pub mod outcome;
pub mod scenario;
mod schedule;

pub use outcome::Outcome;
pub use scenario::{Fleet, SCENARIOS, Scenario};
