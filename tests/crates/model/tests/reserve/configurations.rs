//! The configurations, each small enough for every state to be visited.

use protocol_model::reserve::Reserve;
use protocol_model::reserve::state::Faults;
use protocol_model::reserve::state::Verb::{Add, Del, Flush};
use protocol_model::set::Set;

/// No faults; to be changed where there are some.
const NONE: Faults = Faults { kills: 0, cuts: 0, lost: 0, late: 0, deadlines: 0 };
const KILLED: Faults = Faults { kills: 1, lost: 1, late: 1, deadlines: 1, ..NONE };
const CUT: Faults = Faults { kills: 1, cuts: 1, ..NONE };
const POWER: Faults = Faults { kills: 1, cuts: 1, lost: 1, late: 1, ..NONE };

/// All of them, by their names.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn all() -> Vec<(&'static str, Reserve)> {
    let adds = Reserve::of(&[Add(0, 0), Add(1, 0)]);
    let one = |verbs: &[_]| Reserve { pools: vec![(0, 0)], ..Reserve::of(verbs) };
    let changes = Reserve { active: vec![(0, 0, Set::of(0))], ..Reserve::of(&[Del(0), Add(1, 0)]) };
    let one_changes = Reserve { active: vec![(0, 0, Set::of(0))], ..one(&[Del(0), Add(1, 0), Add(0, 0)]) };
    let crossing = Reserve { entries: vec![(0, 0, true)], ..one(&[Add(0, 0), Del(0), Add(1, 0)]) };
    let networks = Reserve {
        active: vec![(0, 0, Set::of(0))],
        entries: vec![(1, 1, true)],
        pools: vec![(0, 0); 3],
        ..Reserve::of(&[Del(0), Add(1, 0), Add(2, 1)])
    };
    let families = vec![(0, 0), (0, 1), (0, 0), (0, 1)];
    let surplus = Reserve { entries: vec![(0, 0, true)], ..Reserve::of(&[Flush, Add(0, 0)]) };
    let unrested = Reserve { entries: vec![(0, 0, false)], rests: false, ..Reserve::of(&[Add(0, 0)]) };
    let again =
        Reserve { releasing: Set::of(0), gone: Set::of(0), ..one(&[Add(0, 0), Add(1, 0), Add(1, 0)]) };
    let taken = Reserve { entries: vec![(0, 0, true)], ..one(&[Add(0, 0), Add(1, 0), Del(1)]) };
    let kept = [1, 0];
    vec![
        ("ADD, ADD", adds.clone()),
        ("ADD, ADD, killed", Reserve { faults: KILLED, ..adds.clone() }),
        ("ADD, ADD, power cut, reserve", Reserve { faults: POWER, reserve: kept, ..adds.clone() }),
        ("ADD, ADD, any, power cut", Reserve { faults: POWER, any: true, ..adds.clone() }),
        ("DEL, ADD", Reserve { faults: KILLED, ..changes.clone() }),
        ("DEL, ADD, reserve", Reserve { faults: KILLED, reserve: kept, ..changes.clone() }),
        ("DEL, ADD, power cut", Reserve { faults: POWER, ..changes.clone() }),
        ("DEL, ADD, power cut, reserve", Reserve { faults: POWER, reserve: kept, ..changes }),
        ("DEL, ADD, ADD, one address, power cut", Reserve { faults: CUT, ..one_changes.clone() }),
        (
            "DEL, ADD, ADD, one address, power cut, reserve",
            Reserve { faults: CUT, reserve: kept, ..one_changes.clone() },
        ),
        ("ADD, DEL, ADD, an entry, reserve", Reserve { faults: CUT, reserve: kept, ..crossing.clone() }),
        ("ADD, DEL, ADD, an entry", Reserve { faults: CUT, ..crossing }),
        (
            "two networks",
            Reserve { faults: Faults { lost: 0, late: 0, ..KILLED }, reserve: [0, 1], ..networks },
        ),
        (
            "two families",
            Reserve {
                faults: Faults { late: 0, ..KILLED },
                families: 2,
                pools: families.clone(),
                ..adds.clone()
            },
        ),
        (
            "two families, DEL, ADD, power cut",
            Reserve {
                faults: CUT,
                families: 2,
                pools: families,
                reserve: kept,
                active: vec![(0, 0, Set::of(0).with(1))],
                ..Reserve::of(&[Del(0), Add(1, 0)])
            },
        ),
        (
            "two ENIs",
            Reserve {
                faults: Faults { late: 0, ..KILLED },
                enis: 2,
                pools: vec![(0, 0), (1, 0), (1, 0)],
                ..adds.clone()
            },
        ),
        (
            "two ENIs with room",
            Reserve { enis: 2, pools: vec![(0, 0), (0, 0), (1, 0), (1, 0)], ..adds.clone() },
        ),
        ("flush, ADD, surplus, power cut", Reserve { faults: POWER, ..surplus }),
        ("ADD, an unrested entry", Reserve { faults: KILLED, ..unrested.clone() }),
        ("ADD, nothing but an unrested entry", Reserve { pools: vec![(0, 0)], faults: KILLED, ..unrested }),
        (
            "flush, ADD, one address",
            Reserve { faults: KILLED, releasing: Set::of(0), ..one(&[Flush, Add(0, 0)]) },
        ),
        (
            "ADD, ADD twice, a release that was done, power cut",
            Reserve { faults: Faults { cuts: 1, ..NONE }, ..again.clone() },
        ),
        (
            "ADD, ADD twice, flush, a release that was done, power cut",
            Reserve {
                verbs: vec![Add(0, 0), Add(1, 0), Add(1, 0), Flush],
                faults: Faults { cuts: 1, ..NONE },
                ..again
            },
        ),
        (
            "DEL, flush, power cut",
            Reserve { faults: CUT, active: vec![(0, 0, Set::of(0))], ..one(&[Del(0), Flush]) },
        ),
        (
            "DEL, ADD, both again, power cut, reserve",
            Reserve {
                faults: Faults { cuts: 1, ..NONE },
                active: vec![(0, 0, Set::of(0))],
                reserve: kept,
                ..one(&[Del(0), Add(1, 0), Add(0, 0), Add(1, 0)])
            },
        ),
        (
            "flush, ADD, two entries, two kills, power cut",
            Reserve {
                entries: vec![(0, 0, true), (1, 0, true)],
                faults: Faults { kills: 2, cuts: 1, ..NONE },
                ..Reserve::of(&[Flush, Add(0, 0)])
            },
        ),
        (
            "flush, flush, ADD, one address",
            Reserve {
                releasing: Set::of(0),
                faults: Faults { lost: 1, late: 1, ..NONE },
                ..one(&[Flush, Flush, Add(0, 0)])
            },
        ),
        (
            "ADD, ADD, DEL, ADD, one address, killed",
            Reserve {
                faults: Faults { kills: 1, ..NONE },
                ..one(&[Add(0, 0), Add(1, 0), Del(1), Add(0, 0)])
            },
        ),
        (
            "ADD, ADD, an entry beside a release that was done",
            Reserve {
                entries: vec![(0, 0, true)],
                releasing: Set::of(0),
                gone: Set::of(0),
                faults: Faults { kills: 1, ..NONE },
                ..Reserve::of(&[Add(0, 0), Add(1, 0)])
            },
        ),
        (
            "ADD, ADD, DEL, an entry, reserve",
            Reserve { reserve: kept, faults: Faults { kills: 1, ..NONE }, ..taken.clone() },
        ),
        (
            "ADD, ADD, DEL, an entry, power cut, reserve",
            Reserve {
                reserve: kept,
                faults: CUT,
                verbs: vec![Add(0, 0), Add(1, 0), Del(0)],
                ..taken.clone()
            },
        ),
        (
            "ADD, ADD, ADD again, an entry, power cut",
            Reserve { faults: CUT, verbs: vec![Add(0, 0), Add(1, 0), Add(0, 0)], ..taken.clone() },
        ),
        (
            "ADD, ADD, DEL, flush, an entry, power cut",
            Reserve {
                faults: Faults { cuts: 1, ..NONE },
                verbs: vec![Add(0, 0), Add(1, 0), Del(0), Flush],
                ..taken
            },
        ),
        (
            "ADD, ADD, flush, two entries, killed",
            Reserve {
                entries: vec![(0, 0, true), (1, 0, true)],
                faults: Faults { kills: 1, deadlines: 1, ..NONE },
                ..Reserve::of(&[Add(0, 0), Add(1, 0), Flush])
            },
        ),
        (
            "ADD, ADD, killed, nobody tells who lives",
            Reserve { faults: KILLED, tells_living: false, ..adds.clone() },
        ),
        (
            "two ENIs with room, nobody tells who lives",
            Reserve {
                faults: Faults { kills: 1, ..NONE },
                enis: 2,
                pools: vec![(0, 0), (0, 0), (1, 0), (1, 0)],
                tells_living: false,
                ..adds.clone()
            },
        ),
        (
            "ADD, DEL, ADD, two entries, power cut",
            Reserve {
                entries: vec![(0, 0, true), (1, 0, true)],
                faults: Faults { cuts: 1, ..NONE },
                ..Reserve::of(&[Add(0, 0), Add(1, 0), Del(1)])
            },
        ),
        (
            "flush, ADD, an entry of a network that nobody configures",
            Reserve {
                entries: vec![(0, 1, true)],
                reserve: [0, 1],
                configured: Set::of(0),
                faults: KILLED,
                ..Reserve::of(&[Flush, Add(0, 1)])
            },
        ),
    ]
}

/// The last one with more faults: too large for every state to be visited, but a mistake shows in it.
pub(crate) fn too_large() -> (&'static str, Reserve) {
    let verbs = vec![Add(0, 0), Add(1, 0), Del(1), Add(0, 0)];
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let name = "ADD, ADD, DEL, ADD, one address, a request twice on its way";
    (name, Reserve { pools: vec![(0, 0)], faults, ..Reserve::of(&verbs) })
}
