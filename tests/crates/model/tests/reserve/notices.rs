//! The checker notices each rule that is left out. What it does not notice is kept by other rules as well.

use std::collections::BTreeSet;

use protocol_model::reserve::Reserve;
use protocol_model::reserve::mistake::Mistake;
use protocol_model::reserve::properties::{
    COMPLETE, GIVEN_BACK, NAMED, NOT_GREEDY, NOT_IDLE, NOT_ROBBED, NOT_SENT, ON_ENI, ONE_OWNER, OVERTAKEN,
    OWN, RECOVERS, RESTED, SERVED,
};
use stateright::{Checker, HasDiscoveries, Model};

use crate::{configurations, explore, tell};

/// Each mistake, the property that it breaks, and a configuration in which it does.
const NOTICED: &[(Mistake, &str, &str)] = &[
    (Mistake::ReleasingCounts, RESTED, "ADD, DEL, ADD, an entry"),
    (Mistake::ActiveCounts, ONE_OWNER, "ADD, ADD, DEL, an entry, reserve"),
    (Mistake::ReservedNotDurable, RECOVERS, "DEL, ADD, ADD, one address, power cut, reserve"),
    (Mistake::TrustsMissingEntries, RECOVERS, "DEL, ADD, ADD, one address, power cut, reserve"),
    (Mistake::MovesNotDurable, ON_ENI, "DEL, flush, power cut"),
    (Mistake::RemovesBeforeDurable, NAMED, "flush, ADD, two entries, two kills, power cut"),
    (Mistake::SendsActive, NOT_SENT, "ADD, ADD, DEL, flush, an entry, power cut"),
    (Mistake::LeavesEntries, ON_ENI, "ADD, ADD, ADD again, an entry, power cut"),
    (Mistake::FromReleasing, RECOVERS, "DEL, ADD, reserve"),
    (Mistake::RemovesBlindly, NAMED, "ADD, DEL, ADD, an entry, reserve"),
    (Mistake::RemovesEarly, NAMED, "two families, DEL, ADD, power cut"),
    (Mistake::IgnoresMark, OVERTAKEN, "ADD, DEL, ADD, an entry, reserve"),
    (Mistake::RepetitionToReserve, ON_ENI, "ADD, ADD, DEL, ADD, one address, a request twice on its way"),
    (Mistake::CrossesOffEarly, NAMED, "ADD, ADD, power cut, reserve"),
    (Mistake::DoubtIgnored, ON_ENI, "flush, flush, ADD, one address"),
    (Mistake::TakesUnrested, RESTED, "DEL, ADD, reserve"),
    (Mistake::OneFamily, COMPLETE, "two families, DEL, ADD, power cut"),
    (Mistake::ForgetsOpen, NOT_GREEDY, "two ENIs with room"),
    (Mistake::LeavesItToOthers, NOT_IDLE, "two ENIs"),
    (Mistake::TakesBlindly, ONE_OWNER, "ADD, ADD, DEL, an entry, reserve"),
    (Mistake::RestsNotLookedAtAgain, RESTED, "ADD, ADD, DEL, an entry, reserve"),
    (Mistake::OldEntryStays, NOT_ROBBED, "ADD, ADD, an entry beside a release that was done"),
    (Mistake::TakesOverWithoutNames, ONE_OWNER, "ADD, ADD, ADD again, an entry, power cut"),
    (Mistake::DelRemovesFirst, NAMED, "DEL, ADD, reserve"),
    (Mistake::RemovalNotDurable, ONE_OWNER, "DEL, ADD, both again, power cut, reserve"),
    (Mistake::SurplusRemovesFirst, NAMED, "ADD, ADD, killed"),
    (Mistake::KeepsSurplus, GIVEN_BACK, "ADD, ADD, killed"),
    (Mistake::GivesBackOthers, OWN, "two networks"),
    (Mistake::RefusalEnds, RECOVERS, "ADD, ADD, killed"),
    (Mistake::EarlierBootIntoReserve, RECOVERS, "ADD, ADD, DEL, an entry, power cut, reserve"),
    (Mistake::SeveralMeansFull, SERVED, "DEL, ADD, reserve"),
];

#[test]
fn each_rule_that_is_left_out_is_noticed() {
    let mut all = configurations::all();
    all.push(configurations::too_large());
    let mut unnoticed = Vec::new();
    for &(mistake, property, name) in NOTICED {
        let (_, model) = all.iter().find(|(it, _)| *it == name).unwrap();
        let model = Reserve { mistake: Some(mistake), ..model.clone() };
        let stop = HasDiscoveries::AllOf(BTreeSet::from([property]));
        let checker = model.checker().finish_when(stop).spawn_bfs().join();
        let states = checker.unique_state_count();
        match checker.discovery(property) {
            Some(path) => {
                let steps = path.into_actions().len();
                tell(&format!(
                    "reserve: {mistake:?}: not {property:?}, after {steps} steps ({states} states)"
                ));
            }
            None => unnoticed.push(format!("{mistake:?}: {property}: {:?}", checker.discoveries().keys())),
        }
    }
    assert!(unnoticed.is_empty(), "these go unnoticed: {unnoticed:#?}");
}

/// Rules that the others make unnecessary, as far as the model goes: each can be left out alone. (What rests and what is expected
/// from others make ADDs ask for fewer or more at once, and no ADD waits in vain for it: whoever has nothing asks for one.)
#[test]
fn what_other_rules_keep_as_well() {
    let kept = [
        Mistake::CrossesOffBesideActive,
        Mistake::TakesInDoubt,
        Mistake::EndsBesideEntry,
        Mistake::CommitsBlindly,
        Mistake::DoubtIntoReserve,
        Mistake::NotedBlindly,
    ];
    let elsewhere = [
        (Mistake::SurplusInTwoHolds, "ADD, ADD, flush, two entries, killed"),
        (Mistake::UnrestedSuffice, "ADD, an unrested entry"),
        (Mistake::ExpectsForEver, "two ENIs with room"),
    ];
    let all = configurations::all();
    for (mistake, name) in elsewhere {
        let (_, model) = all.iter().find(|(it, _)| *it == name).unwrap();
        let model = Reserve { mistake: Some(mistake), ..model.clone() };
        let (_, found) = explore(model, HasDiscoveries::AnyFailures);
        assert!(found.is_none(), "{mistake:?} is noticed by now: {found:?}");
    }
    let power_cuts = all.into_iter().filter(|(name, _)| name.contains("DEL") && name.contains("power cut"));
    for (name, model) in power_cuts {
        for mistake in kept {
            let model = Reserve { mistake: Some(mistake), ..model.clone() };
            let (_, found) = explore(model, HasDiscoveries::AnyFailures);
            assert!(found.is_none(), "{mistake:?} is noticed by now, in {name}: {found:?}");
        }
    }
}
