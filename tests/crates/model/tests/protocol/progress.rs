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

/// What two calls of `flush` ask of ECS for this request on an ENI that others have filled, and what one does after they have
/// left.
fn cost_of_waiting(left: Left, remembers_refusals: bool) -> [Option<Cost>; 2] {
    [Set::of(0), Set::EMPTY].map(|others| {
        let (addresses, left_behind) = (if left == Left::Nothing { 1 } else { 2 }, vec![(0, left)]);
        let model = Protocol { addresses, others, left_behind, remembers_refusals, ..Protocol::of(&[]) };
        let model = Protocol { room_comes_first: true, ..model };
        let mut state = model.init_states().remove(0);
        Protocol::time_passes(&mut state);
        model.flushed(state)
    })
}

#[test]
fn a_request_that_is_refused_beside_others_waits_until_there_is_room() {
    let waiting = Cost { descriptions: 2, assigns: 2, ..Cost::default() };
    let described = Cost { descriptions: 1, ..Cost::default() };
    assert_eq!(cost_of_waiting(Left::Nothing, false), [Some(waiting), Some(described)]);
    let released = Cost { assigns: 1, unassigns: 1, ..described };
    assert_eq!(cost_of_waiting(Left::OnEni(1), false), [Some(waiting), Some(released)]);
}

/// Nobody's address makes room there but what a person unassigns: it is in no pod, and the requests keep it from being lost.
#[test]
fn an_eni_that_requests_in_doubt_alone_have_filled_waits_if_ecs_looks_for_room_first() {
    let left_behind = vec![(0, Left::OnEni(0))];
    let cost = |room_comes_first| {
        let model = Protocol {
            addresses: 1,
            room_comes_first,
            left_behind: left_behind.clone(),
            ..Protocol::of(&[])
        };
        let mut state = model.init_states().remove(0);
        Protocol::time_passes(&mut state);
        model.flushed(state)
    };
    assert_eq!(cost(true), Some(Cost { descriptions: 2, assigns: 2, ..Cost::default() }));
    assert_eq!(cost(false), Some(Cost { descriptions: 1, assigns: 1, unassigns: 1, grown: 0 }));
}

#[test]
fn a_request_whose_refusal_ecs_remembers_ends_on_a_full_eni_too() {
    let refused = Cost { descriptions: 2, assigns: 2, ..Cost::default() };
    assert_eq!(cost_of_waiting(Left::Nothing, true)[0], Some(refused));
}
