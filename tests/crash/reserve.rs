//! The same interruptions in the situations that concern the reserve, requests for several addresses, and several ENIs.

pub(crate) mod interleaved;
pub(crate) mod power_cuts;

/// Killed at every system call.
pub(crate) mod kill_points {
    use crate::kill_points::survives;
    use crate::situations::in_every_situation_of_the_reserve;

    in_every_situation_of_the_reserve! {
        of_an_add_of_both_families_that_asks_for_others: DUAL_STACK_ADD_FOR_OTHERS,
        of_an_add_that_makes_room_in_the_reserve: ADD_THAT_MAKES_ROOM,
    }
}

/// Every file operation fails once.
pub(crate) mod failing_calls {
    use crate::failing_calls::survives;
    use crate::situations::in_every_situation_of_the_reserve;

    in_every_situation_of_the_reserve! {}
}

/// Every change of the disk fails from a moment on.
pub(crate) mod lasting {
    use crate::failing_calls::lasting::survives;
    use crate::situations::in_these_situations;

    in_these_situations! {
        of_an_add_from_the_reserve: ADD_FROM_THE_RESERVE,
        of_an_add_that_fills_the_reserve: FILLING_ADD,
        of_a_del_into_the_reserve: DEL_INTO_THE_RESERVE,
        of_a_flush_that_gives_surplus_back: FLUSH_WITH_SURPLUS,
    }
}
