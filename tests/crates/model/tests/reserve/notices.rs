//! The checker notices each rule that is left out.

use protocol_model::reserve::Reserve;
use protocol_model::reserve::mistake::Mistake;
use protocol_model::reserve::mistake::Mistake::*;
use stateright::{Checker, HasDiscoveries, Model};

use crate::{configurations, tell};

#[test]
#[ignore]
fn exploration() {
    let all = [ReleasingCounts, ActiveCounts, ReservedNotDurable, MovesNotDurable, RemovesBeforeDurable, SendsActive, LeavesEntries, FromReleasing, RemovesBlindly, RemovesEarly, IgnoresMark, RepetitionToReserve, CrossesOffEarly, CrossesOffBesideActive, DoubtIgnored, TakesInDoubt, TakesUnrested, OneFamily, ForgetsOpen, CountsLetGo, EndsBesideEntry, DelRemovesFirst, RemovalNotDurable, SurplusRemovesFirst, KeepsSurplus, GivesBackOthers, RefusalEnds, UnrestedSuffice, SeveralMeansFull, ReleaseOutlivesProof];
    for mistake in all {
        for (name, model) in configurations::all() {
            let checker = Reserve { mistake: Some(mistake), ..model }.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
            let found: Vec<_> = checker.discoveries().into_iter().map(|(property, path)| (property, path.into_actions().len())).collect();
            if !found.is_empty() {
                tell(&format!("{mistake:?} | {name} | {found:?} | {}", checker.unique_state_count()));
            }
        }
    }
    let _: Option<Mistake> = None;
}
