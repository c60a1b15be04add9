//! The ENIs of a network: one, or with `interfaces` several, which are filled in their order. Of several, one that cannot be used is
//! passed over, and only if none is left nothing goes on.

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::Client;
use crate::config::{AddressSettings, Interfaces};
use crate::failure::{Failure, Result, UnusableEni};
use crate::store::{FindingLock, Store};

use super::eni_choice::EniChoice;
use super::facts;
use super::placement::EniPlacement;
use super::several::{Candidate, Several};

/// Where the pods of a network get addresses.
#[derive(Debug, Default)]
pub(crate) struct Placements {
    /// In the order in which they are filled; at least one.
    pub(crate) usable: Vec<EniPlacement>,
    /// The others, each with the reason.
    pub(crate) passed_over: Vec<UnusableEni>,
}

/// An ENI that a network is configured to use.
pub(crate) struct ConfiguredEni {
    /// What tells it from others, for people.
    pub(crate) name: String,
    /// Which it is, if that is known.
    pub(crate) found: Result<(RegionId, EniId)>,
}

/// Finds the ENIs from the configuration, from what earlier calls of this boot have kept, and from metadata. Of one of several that
/// cannot be used nobody is asked again for some minutes, as long as another can be used.
///
/// # Errors
/// Why the one ENI cannot be used, or none of several.
pub(crate) fn find_placements(
    client: &Client,
    store: &Store,
    settings: &AddressSettings,
    deadline: Deadline,
) -> Result<Placements> {
    if let Some(which) = EniChoice::of_one(settings) {
        let place = facts::find_placement(client, store, settings, &which, deadline)?;
        return Ok(Placements { usable: vec![place], passed_over: Vec::new() });
    }
    let now = Timestamp::now();
    let mut known = Several::of(store);
    let is_first = settings.interfaces == Some(Interfaces::Secondary) && known.is_new();
    let turn = if is_first { take_turn(store, deadline) } else { None };
    if is_first {
        known = Several::of(store);
    }
    let before = known.clone();
    let candidates = candidates(&mut known, client, settings, now, deadline)?;
    let found = Placements::default();
    let mut search =
        Search { client, store, settings, deadline, now, has_waited: is_first, turn, before, known, found };
    let mut postponed = Vec::new();
    let mut left = candidates.len();
    for Candidate { which, problem } in candidates {
        if let Some(why) = problem {
            search.found.pass_over(&which, why);
        } else if let Some(why) = search.known.left_alone(&which, now) {
            postponed.push((which, why));
        } else {
            search.look_at(&which, left, false)?;
        }
        left -= 1;
    }
    let must_ask = search.found.usable.is_empty();
    let mut left = postponed.len();
    for (which, why) in postponed {
        if must_ask {
            search.look_at(&which, left, true)?;
        } else {
            search.found.passed_over.push(UnusableEni { eni: which.to_string(), why });
        }
        left -= 1;
    }
    if search.known != search.before {
        search.known.remember(store)?;
    }
    search.found.at_least_one()
}

/// Waits until no other call finds out the same: then it need not be asked again. One that takes long is not waited for.
fn take_turn(store: &Store, deadline: Deadline) -> Option<FindingLock> {
    let patience = deadline.at_most(deadline.remaining() / 2);
    store.lock_finding(patience).inspect_err(|error| log::warn!("{error}")).ok()
}

/// Which ENIs a network is configured to use. It does not check who has them, and keeps nothing.
///
/// # Errors
/// When nobody tells which they are.
pub(crate) fn find_enis(
    client: &Client,
    store: &Store,
    settings: &AddressSettings,
    deadline: Deadline,
) -> Result<Vec<ConfiguredEni>> {
    let all = match EniChoice::of_one(settings) {
        Some(which) => vec![Candidate { which, problem: None }],
        None => candidates(&mut Several::of(store), client, settings, Timestamp::now(), deadline)?,
    };
    let find = |Candidate { which, problem }| {
        let found = match problem {
            Some(why) => Err(why),
            None => facts::find_eni(client, store, settings, &which, deadline),
        };
        ConfiguredEni { name: which.to_string(), found }
    };
    Ok(all.into_iter().map(find).collect())
}

/// The only ENI of a network, if it has one and that is known. Nobody is asked.
pub(crate) fn only_eni_of(store: &Store, settings: &AddressSettings) -> Option<EniId> {
    facts::known_eni(store, &EniChoice::of_one(settings)?).ok()?
}

/// The ENIs of a network that can be used, as far as this node knows by itself: from the configuration, or from the facts of this
/// boot. Nobody is asked. One of which the id is not known yet is `None`.
///
/// # Errors
/// When no link that the configuration names has a hardware address.
pub(crate) fn known_enis_of(store: &Store, settings: &AddressSettings) -> Result<Vec<Option<EniId>>> {
    if let Some(which) = EniChoice::of_one(settings) {
        return Ok(vec![facts::known_eni(store, &which)?]);
    }
    let (known, now) = (Several::of(store), Timestamp::now());
    let (mut enis, mut unusable) = (Vec::new(), Vec::new());
    for Candidate { which, problem } in known_candidates(&known, settings) {
        let why = match problem.or_else(|| known.left_alone(&which, now)) {
            Some(why) => why,
            None => match facts::known_eni(store, &which) {
                Ok(eni) => {
                    enis.push(eni);
                    continue;
                }
                Err(why) => why,
            },
        };
        unusable.push(UnusableEni { eni: which.to_string(), why });
    }
    let is_missing = |it: &UnusableEni| matches!(it.why, Failure::Interface { .. });
    if enis.is_empty() && !unusable.is_empty() && unusable.iter().all(is_missing) {
        return Err(Failure::NoUsableEni { each: unusable });
    }
    Ok(enis)
}

/// All ENIs of a network in the same way, those of several included that cannot be used: what is on them is the network's.
///
/// # Errors
/// When the interface of the one ENI has no hardware address.
pub(crate) fn configured_enis_of(store: &Store, settings: &AddressSettings) -> Result<Vec<Option<EniId>>> {
    if let Some(which) = EniChoice::of_one(settings) {
        return Ok(vec![facts::known_eni(store, &which)?]);
    }
    let all = known_candidates(&Several::of(store), settings);
    if all.is_empty() {
        // Which they are nobody has asked yet.
        return Ok(vec![None]);
    }
    Ok(all.iter().map(|it| facts::known_eni(store, &it.which).ok().flatten()).collect())
}

/// A search for the ENIs of a network that has several.
struct Search<'a> {
    client: &'a Client,
    store: &'a Store,
    settings: &'a AddressSettings,
    deadline: Deadline,
    now: Timestamp,
    /// Whether this call has waited until no other finds out the same.
    has_waited: bool,
    turn: Option<FindingLock>,
    before: Several,
    known: Several,
    found: Placements,
}

impl Search<'_> {
    /// Looks at the next of `left` ENIs, even at one that is left alone if it `must`. One of which nobody answers must not use up the
    /// time of the others and of the call's own work.
    fn look_at(&mut self, which: &EniChoice, left: usize, must: bool) -> Result<()> {
        if !self.has_waited && !facts::is_known(self.store, which) {
            self.has_waited = true;
            self.turn = take_turn(self.store, self.deadline);
            // What another call has found out meanwhile.
            self.known = Several::of(self.store);
            self.before = self.known.clone();
            if let Some(why) = self.known.left_alone(which, self.now).filter(|_| !must) {
                self.found.passed_over.push(UnusableEni { eni: which.to_string(), why });
                return Ok(());
            }
        }
        let parts = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        let deadline = self.deadline.at_most(self.deadline.remaining() / parts);
        match facts::find_placement(self.client, self.store, self.settings, which, deadline) {
            Ok(place) => {
                self.known.use_again(which);
                self.found.usable.push(place);
            }
            Err(failure @ Failure::Store(_)) => return Err(failure),
            Err(failure) => {
                self.known.leave_alone(which, &failure, self.now);
                self.found.pass_over(which, failure);
            }
        }
        Ok(())
    }
}

impl Placements {
    fn pass_over(&mut self, which: &EniChoice, why: Failure) {
        log::warn!("{which} is passed over: {why}");
        self.passed_over.push(UnusableEni { eni: which.to_string(), why });
    }

    /// The same without the ENIs for which `judge` has a reason.
    ///
    /// # Errors
    /// If none is left. Of a single one it is that reason.
    pub(crate) fn judged_by(self, judge: impl Fn(&EniPlacement) -> Result<()>) -> Result<Self> {
        let Self { usable, mut passed_over } = self;
        let is_one = usable.len() == 1 && passed_over.is_empty();
        let mut good = Vec::new();
        for place in usable {
            match judge(&place) {
                Ok(()) => good.push(place),
                Err(why) if is_one => return Err(why),
                Err(why) => {
                    log::warn!("{} is passed over: {why}", place.eni);
                    passed_over.push(UnusableEni { eni: place.eni.to_string(), why });
                }
            }
        }
        Self { usable: good, passed_over }.at_least_one()
    }

    fn at_least_one(self) -> Result<Self> {
        match (self.usable.is_empty(), self.passed_over.is_empty()) {
            (false, _) => Ok(self),
            (true, true) => Err(Failure::NoSecondaryEni),
            (true, false) => Err(Failure::NoUsableEni { each: self.passed_over }),
        }
    }
}

/// The ENIs of a network that has several, in their order.
fn candidates(
    known: &mut Several,
    client: &Client,
    settings: &AddressSettings,
    now: Timestamp,
    deadline: Deadline,
) -> Result<Vec<Candidate>> {
    if settings.interfaces == Some(Interfaces::Secondary) {
        let missing = || facts::asked_from_metadata(client, settings);
        known
            .refresh(client.metadata(), now, deadline)
            .map_err(|error| Failure::Metadata { error, missing: missing() })?;
    }
    Ok(known_candidates(known, settings))
}

fn known_candidates(known: &Several, settings: &AddressSettings) -> Vec<Candidate> {
    match &settings.interfaces {
        Some(Interfaces::Named(names)) => {
            let all = names.iter().map(|name| EniChoice::of_several(name));
            all.map(|which| Candidate { which, problem: None }).collect()
        }
        Some(Interfaces::Secondary) => known.secondary(),
        None => Vec::new(),
    }
}
