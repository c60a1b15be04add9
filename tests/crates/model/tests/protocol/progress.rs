//! What is left behind costs no more requests than it must, and no more addresses.

use protocol_model::mistake::Mistake;
use protocol_model::protocol::{Left, Protocol};
use protocol_model::recovery::Cost;
use protocol_model::set::Set;
use stateright::Model;

/// What `flush` asks of ECS for these requests, when no copy of any can take effect any more.
fn cost(left: &[Left], others: Set, mistake: Option<Mistake>) -> Cost {
    let left_behind = (0..).zip(left.iter().copied()).collect();
    let model = Protocol { addresses: 5, left_behind, others, mistake, ..Protocol::of(&[]) };
    let mut state = model.init_states().remove(0);
    Protocol::time_passes(&mut state);
    model.flushed(state).unwrap()
}

#[test]
fn one_description_ends_all_requests_that_left_nothing() {
    let nothing = Cost { descriptions: 1, ..Cost::default() };
    for left in [&[Left::Nothing][..], &[Left::Nothing; 3], &[Left::Released(0), Left::Nothing]] {
        assert_eq!(cost(left, Set::EMPTY, None), nothing, "{left:?}");
    }
    let each = cost(&[Left::Nothing; 3], Set::EMPTY, Some(Mistake::RepeatsAnyway));
    assert_eq!(each, Cost { descriptions: 3, assigns: 3, unassigns: 3, grown: 1 });
}

#[test]
fn one_address_more_at_most_is_on_the_eni_while_requests_are_repeated() {
    let left = [Left::Nothing, Left::Nothing, Left::OnEni(0)];
    assert_eq!(cost(&left, Set::EMPTY, None), Cost { descriptions: 3, assigns: 3, unassigns: 3, grown: 1 });
    assert_eq!(
        cost(&[Left::Nothing; 3], Set::of(4), None),
        Cost { descriptions: 3, assigns: 3, unassigns: 3, grown: 1 }
    );
}

#[test]
fn a_refusal_ends_a_request_beside_addresses_that_are_known_to_be_others() {
    let left_behind = vec![(0, Left::Nothing)];
    let model = Protocol { addresses: 1, others: Set::of(0), left_behind, ..Protocol::of(&[]) };
    let mut state = model.init_states().remove(0);
    state.disk.foreign = Set::of(0);
    Protocol::time_passes(&mut state);
    let once = Cost { descriptions: 1, assigns: 1, ..Cost::default() };
    assert_eq!(model.flushed(state), Some(once));
}
