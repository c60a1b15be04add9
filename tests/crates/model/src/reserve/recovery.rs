//! "In the end": when every process has ended, `flush` leaves on the ENIs what active records name and what is kept.

use crate::reserve::Reserve;
use crate::reserve::state::{At, Faults, PROCESSES, Process, State, Verb};
use crate::set::Set;

/// So often `flush` comes, each time when all doubts are over.
const FLUSHES: usize = 3;
/// More steps than any process takes.
const FAR: usize = 300;
/// The place of the `flush`.
const FLUSH: u8 = 3;
const _: () = assert!(FLUSH as usize == PROCESSES - 1, "it is the last place");

impl Reserve {
    /// Whether each network has as many entries as it keeps, or fewer.
    pub(crate) fn keeps_no_more_than_its_reserve(&self, state: &State) -> bool {
        let live = &state.disk.live;
        let counting = live.reserved().without(live.in_use()).without(live.releasing);
        let kept = |network: u8, pool: Set| {
            let own = |it: &u8| live.entries[usize::from(*it)].is_some_and(|it| it.network == network);
            counting.common(pool).iter().filter(own).count()
        };
        (0..2).all(|network: u8| {
            (0..self.enis).all(|eni| {
                (0..self.families).all(|family| {
                    let keep = usize::from(self.reserve[usize::from(network)]);
                    kept(network, self.pool((eni, family))) <= keep
                })
            })
        })
    }

    /// Whether `flush` ends all that is left, with no more requests than there is something left.
    pub(crate) fn recovers_from(&self, state: &State) -> bool {
        let mut state = state.clone();
        state.left = Faults::default();
        state.broken = crate::reserve::state::Broken::default();
        let live = &state.disk.live;
        let open = state.disk.open().len();
        let allowed = 3 * open + 2 * (live.releasing.len() + live.reserved().len() + live.in_use().len()) + 2;
        let mut requests = 0;
        for _ in 0..FLUSHES {
            state.processes[usize::from(FLUSH)] = Process::new(Verb::Flush);
            for step in 0.. {
                let process = state.processes[usize::from(FLUSH)];
                if process.at == At::Done {
                    break;
                }
                if step == FAR {
                    return false;
                }
                if process.waits() {
                    requests += 1;
                    if self.execute(&mut state, FLUSH, false).is_none() {
                        return false;
                    }
                } else {
                    requests += u32::from(process.at == At::Look);
                    let Some(next) = self.step(&state, FLUSH, 0, None) else { return false };
                    state = next;
                }
            }
            for call in std::mem::take(&mut state.cloud.strays) {
                self.carry_out(&mut state, call, false);
            }
            state.disk.in_doubt = Set::EMPTY;
        }
        self.is_clean(&state) && requests <= allowed && !state.broken.taken && !state.broken.sent
    }

    fn is_clean(&self, state: &State) -> bool {
        let live = &state.disk.live;
        live.releasing.is_empty()
            && state.disk.open().is_empty()
            && state.disk.intents.iter().all(Option::is_none)
            && !live.active.iter().flatten().any(|it| it.old)
            && state.cloud.assigned == live.in_use().and(live.reserved())
            && self.keeps_no_more_than_its_reserve(state)
    }
}
