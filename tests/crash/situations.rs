//! The situations in which calls are interrupted, by the names of their tests: one list, whatever it is that interrupts.

/// A test for each situation, which calls `survives` of the module that it stands in; for those that are named as well.
macro_rules! in_every_situation {
    ($($more:ident: $scenario:ident,)*) => {
        $crate::situations::in_these_situations! {
            of_the_first_add_on_a_node: FIRST_ADD,
            of_an_add: ADD,
            of_an_add_of_both_families: DUAL_STACK_ADD,
            of_an_add_that_is_given_an_address_whose_release_is_pending: ADD_OF_A_RELEASED_ADDRESS,
            of_an_add_that_makes_up_for_a_failed_release: ADD_THAT_CATCHES_UP,
            of_an_add_after_a_killed_add: ADD_AFTER_A_DEAD_ADD,
            of_an_add_of_a_pod_that_has_its_address: REPEATED_ADD,
            of_a_del: DEL,
            of_a_del_of_both_families: DUAL_STACK_DEL,
            of_a_del_that_releases_for_killed_dels: LEADING_DEL,
            of_a_del_after_a_killed_leader: DEL_AFTER_A_DEAD_LEADER,
            of_a_del_with_an_older_release_pending: DEL_WITH_A_PENDING_RELEASE,
            of_a_del_of_a_killed_add: DEL_OF_A_DEAD_ADD,
            of_a_flush: FLUSH,
            of_an_add_after_a_reboot: ADD_AFTER_A_REBOOT,
            of_a_flush_after_a_reboot: FLUSH_AFTER_A_REBOOT,
            of_a_gc: GC,
            of_a_gc_of_many: GC_OF_MANY,
            of_a_release_by_the_operator: RELEASE,
            of_a_reconcile: RECONCILE,
            of_a_restore: RESTORE,
            of_an_adoption: ADOPT,
            of_an_adoption_from_a_stale_record: ADOPT_FROM_A_STALE_RECORD,
            of_an_add_whose_result_nobody_reads: UNREAD_ADD,
            of_a_del_of_a_living_add: DEL_OF_A_LIVING_ADD,
            of_a_del_that_waits_for_an_add: DEL_THAT_WAITS_FOR_AN_ADD,
            of_an_add_that_a_del_comes_for: ADD_WITH_A_DEL,
            of_an_add_that_a_del_waits_for: ADD_WITH_A_WAITING_DEL,
            of_an_add_of_both_families_that_a_del_comes_for: DUAL_STACK_ADD_WITH_A_DEL,
            of_a_del_whose_request_is_late: DEL_WHOSE_REQUEST_IS_LATE,
            of_a_del_after_a_late_request: DEL_AFTER_A_LATE_REQUEST,
            of_an_add_whose_request_is_late_on_a_full_eni: ADD_WHOSE_REQUEST_IS_LATE_ON_A_FULL_ENI,
            $($more: $scenario,)*
        }
    };
}

macro_rules! in_these_situations {
    ($($name:ident: $scenario:ident,)*) => {
        harness::tests! {
            needs [harness::Need::Strace]: $($name),*;
        }

        $(
            fn $name() {
                survives(&$crate::scenario::$scenario);
            }
        )*
    };
}

pub(crate) use {in_every_situation, in_these_situations};
