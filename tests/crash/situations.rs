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

/// The same for those that concern the reserve, requests for several addresses, and several ENIs.
macro_rules! in_every_situation_of_the_reserve {
    ($($more:ident: $scenario:ident,)*) => {
        $crate::situations::in_these_situations! {
            of_an_add_from_the_reserve: ADD_FROM_THE_RESERVE,
            of_an_add_of_a_rested_address: ADD_OF_A_RESTED_ADDRESS,
            of_an_add_of_both_families_from_the_reserve: DUAL_STACK_ADD_FROM_THE_RESERVE,
            of_an_add_from_the_reserve_and_from_ecs: ADD_FROM_THE_RESERVE_AND_FROM_ECS,
            of_an_add_of_a_requested_address_in_the_reserve: ADD_OF_A_REQUESTED_ADDRESS_IN_THE_RESERVE,
            of_an_add_from_the_reserve_of_an_earlier_boot: ADD_FROM_THE_RESERVE_OF_AN_EARLIER_BOOT,
            of_an_add_whose_entry_is_not_on_the_eni: ADD_WHOSE_ENTRY_IS_GONE,
            of_an_add_that_fills_the_reserve: FILLING_ADD,
            of_an_add_of_both_families_that_fills_the_reserve: DUAL_STACK_FILLING_ADD,
            of_an_add_beside_killed_ones: ADD_BESIDE_KILLED_ONES,
            of_an_add_that_asks_for_others: ADD_FOR_OTHERS,
            of_an_add_that_waits_for_what_another_asks_for: WAITING_ADD,
            of_an_add_whose_request_for_several_is_late: FILLING_ADD_WHOSE_REQUEST_IS_LATE,
            of_an_add_after_a_killed_add_that_asked_for_several: ADD_AFTER_A_DEAD_FILLING_ADD,
            of_a_del_of_a_killed_add_that_asked_for_several: DEL_OF_A_DEAD_FILLING_ADD,
            of_a_flush_after_a_killed_add_that_asked_for_several: FLUSH_AFTER_A_DEAD_FILLING_ADD,
            of_an_add_that_asks_for_several_and_a_del_comes_for: FILLING_ADD_WITH_A_DEL,
            of_an_add_from_the_reserve_that_nobody_reads: UNREAD_ADD_FROM_THE_RESERVE,
            of_a_del_into_the_reserve: DEL_INTO_THE_RESERVE,
            of_a_del_of_both_families_into_the_reserve: DUAL_STACK_DEL_INTO_THE_RESERVE,
            of_a_del_beside_a_full_reserve: DEL_BESIDE_A_FULL_RESERVE,
            of_a_del_into_the_reserve_beside_a_stale_entry: DEL_INTO_THE_RESERVE_BESIDE_A_STALE_ENTRY,
            of_a_del_beside_a_stale_entry: DEL_BESIDE_A_STALE_ENTRY,
            of_an_add_that_gives_surplus_back: ADD_WITH_SURPLUS,
            of_a_flush_that_gives_surplus_back: FLUSH_WITH_SURPLUS,
            of_a_flush_of_a_network_that_nobody_configures: FLUSH_OF_ANOTHER_NETWORK,
            of_a_gc_with_a_reserve: GC_WITH_A_RESERVE,
            of_a_reconcile_with_a_reserve: RECONCILE_WITH_A_RESERVE,
            of_an_add_whose_first_eni_is_full: ADD_ON_THE_SECOND_ENI,
            of_an_add_whose_first_eni_is_known_to_be_full: ADD_BESIDE_A_FULL_ENI,
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

pub(crate) use {in_every_situation, in_every_situation_of_the_reserve, in_these_situations};
