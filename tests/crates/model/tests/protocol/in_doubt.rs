//! What becomes of requests in doubt: all that must hold does, also where a refusal proves nothing, others use the ENI, and
//! descriptions lag.

use protocol_model::process::Verb::{self, Add, Del, Flush};
use protocol_model::protocol::{Left, Protocol};
use protocol_model::set::Set;
use protocol_model::state::Faults;

use crate::{NONE, holds};

#[test]
fn addresses_that_others_have_put_on_the_eni() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let (others, left_behind) = (Set::of(0), vec![(0, Left::Nothing)]);
    let model = Protocol { left_behind, others, faults, ..Protocol::of(&[Add(1), Flush]) };
    holds("ADD, flush, a request left that never ran, others", model);
    let left_behind = vec![(0, Left::OnEni(1))];
    let model = Protocol { addresses: 3, left_behind, others, faults, ..Protocol::of(&[Add(0), Flush]) };
    holds("ADD, flush, its own request left that had an effect, others", model);
}

/// What others take off the ENI, ECS may hand out to an ADD that is killed, and refuse the repetition of its request.
#[test]
fn others_that_take_their_addresses_off_the_eni_at_any_moment() {
    let (others, others_leave, room_comes_first) = (Set::of(0), true, true);
    let beside_others = |verbs: &[Verb], faults| Protocol {
        left_behind: vec![(0, Left::Nothing)],
        others,
        others_leave,
        room_comes_first,
        faults,
        ..Protocol::of(verbs)
    };
    let model = beside_others(&[Flush, Add(1), Del(1)], Faults { kills: 1, ..NONE });
    holds("flush, ADD, DEL, others that leave", model);
    let model = beside_others(&[Flush, Add(1)], Faults { kills: 1, lost: 1, late: 1, ..NONE });
    holds("flush, ADD, others that leave, an answer lost", model);
    let left_behind = vec![(0, Left::Nothing), (2, Left::OnEni(1))];
    let faults = Faults { kills: 1, ..NONE };
    let model =
        Protocol { addresses: 3, ghosts: true, left_behind, faults, ..Protocol::of(&[Flush, Add(1)]) };
    holds(
        "flush, ADD, two requests left, others that leave, descriptions lag",
        Protocol { others, others_leave, room_comes_first, ..model },
    );
}

#[test]
fn refusals_that_are_remembered_beside_others_addresses() {
    let faults = Faults { kills: 1, lost: 1, ..NONE };
    let (others, elsewhere) = (Set::of(0), Set::of(1));
    let model =
        Protocol { remembers_refusals: true, others, elsewhere, faults, ..Protocol::of(&[Add(0), Flush]) };
    holds("ADD, flush, ECS remembers refusals, others", model);
}

#[test]
fn room_that_is_looked_for_before_the_token() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let room_comes_first = true;
    let verbs = [Add(0), Add(1), Del(0)];
    let model = Protocol { addresses: 1, room_comes_first, faults, ..Protocol::of(&verbs) };
    holds("ADD, ADD, DEL, room comes first", model);
    let (others, remembers_refusals) = (Set::of(0), true);
    let verbs = [Add(0), Del(0), Flush];
    let model = Protocol { room_comes_first, remembers_refusals, others, faults, ..Protocol::of(&verbs) };
    holds("ADD, DEL, flush, room comes first, others", model);
}

#[test]
fn several_requests_left_behind() {
    let left_behind = vec![(0, Left::Nothing), (0, Left::Nothing), (1, Left::OnEni(0))];
    let faults = Faults { kills: 1, late: 1, ..NONE };
    let model = Protocol { left_behind, faults, ..Protocol::of(&[Flush, Del(0)]) };
    let beside_others = Protocol {
        left_behind: model.left_behind.clone(),
        addresses: 3,
        others: Set::of(1),
        faults,
        ..Protocol::of(&[Flush, Del(0)])
    };
    holds("flush, DEL, three requests left", model);
    holds("flush, DEL, three requests left, others", beside_others);
}

#[test]
fn descriptions_that_show_what_has_just_been_released() {
    let faults = Faults { kills: 1, ..NONE };
    let left_behind = vec![(2, Left::Nothing)];
    let verbs = [Del(0), Add(1), Flush];
    let model = Protocol { left_behind, active: vec![(0, 0)], ghosts: true, faults, ..Protocol::of(&verbs) };
    holds("DEL, ADD, flush, descriptions lag", model);
}

#[test]
fn answers_that_a_killed_add_had_noted() {
    let faults = Faults { kills: 1, ..NONE };
    let notes_answers = true;
    let left_behind = vec![(0, Left::Noted(0))];
    let verbs = [Add(1), Flush, Del(1)];
    let model = Protocol { addresses: 1, notes_answers, left_behind, faults, ..Protocol::of(&verbs) };
    holds("ADD, flush, DEL, an answer noted and released since", model);
    let faults = Faults { kills: 1, unread: 1, ..NONE };
    let model = Protocol { notes_answers, faults, ..Protocol::of(&[Add(0), Del(0), Add(1)]) };
    holds("ADD, DEL, ADD of two pods, answers noted", model);
}

#[test]
fn one_more_step_after_a_calls_own_work() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let (backlog, left_behind) = (true, vec![(2, Left::OnEni(0))]);
    let model = Protocol { backlog, left_behind, faults, ..Protocol::of(&[Add(0), Del(0)]) };
    holds("ADD, DEL, a step more each", model);
    let faults = Faults { kills: 1, ..NONE };
    let active = vec![(0, 0)];
    let model = Protocol { backlog, active, faults, ..Protocol::of(&[Del(0), Add(1), Add(0)]) };
    holds("DEL, ADD, ADD, a step more each", model);
}
