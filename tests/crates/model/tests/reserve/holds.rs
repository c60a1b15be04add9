//! What must hold does, in every state that can be reached.

use protocol_model::reserve::Reserve;
use protocol_model::reserve::state::Faults;
use protocol_model::reserve::state::Verb::{Add, Del, Flush};
use protocol_model::set::Set;

use crate::{NONE, holds};

#[test]
fn two_adds_share_a_request() {
    holds("ADD, ADD", Reserve::of(&[Add(0, 0), Add(1, 0)]));
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    holds("ADD, ADD, a kill, a request lost", Reserve { faults, ..Reserve::of(&[Add(0, 0), Add(1, 0)]) });
}
