//! A model of the protocol by which ADD, DEL, GC and `flush` share a store and an ENI: small enough for a model checker to
//! go through every state, in every order in which several processes can take their steps, be killed between them, and
//! have their requests lost, answered in vain or carried out late.
//!
//! # What a step is
//! One file operation, one lock taken or let go, one request sent, carried out or answered: what cannot be interrupted. The
//! steps bear the names of the code's functions ([`process::At`]), and each of the model's files names the file of the
//! plugin that it stands for and reads like it (`tests/plugin/citations.rs` checks that these files and functions exist).
//! A kill comes between any two of them: it takes the process's memory and its locks, not what is on disk. (Power cuts,
//! which take what is not durable yet as well, and calls of the system that fail are other tests' matter: these run the
//! real program.)
//!
//! # The cloud
//! One ENI and two or three addresses. Any free one is handed out. The same `ClientToken` gets the same address as the first
//! time, whatever has become of it. A batch with an address that is not on the ENI is refused, and nobody says whether the
//! rest of it was done. A request can be lost, or carried out with its answer lost, or carried out later: after its process
//! has been killed or has given up waiting. ECS may look for room before it looks whether it knows the `ClientToken`; it may
//! remember what it has refused, but not in place of what it has assigned; a description may lag, in what it shows and in
//! what it does not show yet. Other software may have put addresses on the ENI before the beginning, and may take them off
//! again at any moment: nothing on disk says which these are. A person may take a pod's address off the ENI in the console.
//!
//! # Time
//! There is none, but that a request is not carried out later than the plugin holds it to be in doubt
//! (`store::IN_DOUBT_FOR`, `AssignRequest::in_doubt_until`), and that a description shows what a request assigned once the lag
//! is over as well: the request has *lapsed* then. That is an assumption: [`Mistake::LateWithoutBound`](mistake::Mistake)
//! shows what it is good for. Everything else that waits for a moment (backoff, a record's not-before, the deadline of a
//! call, the age of a record that `DescribeNetworkInterfaces` may not show yet) may come at any moment.
//!
//! # Reboots
//! Every process is gone, and every pod with its network namespace; what is on disk stays, and the records say that they are of an
//! earlier boot. The runtime may call DEL for the pods of before, late or never, and ADD with the same names. Processes
//! that have not begun yet begin after it. The ten minutes that `flush` waits are left out: it may come at any moment.
//!
//! # What is left out
//! What is the same to the protocol (families, several ENIs, requested addresses, the ENI's primary address, an ENI that is
//! gone, damaged files), that a person takes off the ENI what an ADD is about to hear that it got, and that `readdir` takes its time. Also that other software puts an address on this very ENI that
//! this node had there before: what an old record, or the answer of a repeated request, still names would be taken from it.
//!
//! # What must hold
//! [`properties`], in every state. "In the end", and with how many requests, is checked from every state too, by running on:
//! [`recovery`]. On a full ENI the end of a request in doubt waits for room, and comes with it.
//!
//! [`routes`] is a model of its own: who puts a pod's rule in place and who removes it, while its address changes hands.

mod add;
mod assign;
mod backlog;
mod boots;
mod cloud;
mod del;
mod in_doubt;
mod leader;
pub mod mistake;
pub mod process;
pub mod properties;
pub mod protocol;
pub mod recovery;
mod release;
pub mod reserve;
mod restore;
pub mod routes;
pub mod set;
mod show;
pub mod state;
mod sweep;
mod turn;
