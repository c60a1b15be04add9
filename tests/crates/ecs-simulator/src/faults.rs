//! Faults: what goes wrong, for which requests, and how often.

use std::net::IpAddr;
use std::time::Duration;

use crate::codes;

/// Something that is to go wrong. It applies to API requests that are properly signed; others are refused anyway.
///
/// ```
/// use ecs_simulator::{Effect, Fault};
///
/// // The second and the third release of any address fail.
/// let fault = Fault::on("UnassignPrivateIpAddresses").skip(1).times(2).effect(Effect::code("InternalError"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Only requests of this action.
    pub action: Option<String>,
    /// Only requests for this ENI.
    pub eni: Option<String>,
    /// Only requests that name this address.
    pub address: Option<IpAddr>,
    /// How many times it still happens; `None`: always.
    pub remaining: Option<u32>,
    /// How many matching requests pass before it happens for the first time.
    pub skip: u32,
    /// How probable it is that a matching request is affected; `None`: certain.
    pub probability: Option<f64>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An error document; nothing is changed.
    Error {
        /// The error code.
        code: String,
        /// The message.
        message: String,
        /// The HTTP status.
        status: u16,
        /// The header `x-acs-retry-after`, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// Waits before the request is handled. The ENI is not busy meanwhile, and further faults may follow.
    Delay(Duration),
    /// Waits before the request is handled, as long as what is late is held back
    /// ([`hold_late`](crate::Simulator::hold_late)). The ENI is not busy meanwhile.
    Hold,
    /// Acts at once, answers later.
    DelayAnswer(Duration),
    /// Closes the connection without acting.
    DropBefore,
    /// Acts, and closes the connection without an answer.
    DropAfter,
    /// Neither acts nor answers until the client goes away.
    Stall,
    /// Acts, and does not answer until the client goes away.
    StallAfter,
    /// Acts, and names these addresses in the answer to an Assign, whatever it has assigned.
    AnswerWith(Vec<IpAddr>),
    /// Closes the connection at once, and acts after this time.
    Late(Duration),
    /// A gateway's HTML page; nothing is changed.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// Acts, and answers with a gateway's HTML page and status 502.
    Html502AfterActing,
    /// No body at all; nothing is changed.
    Empty {
        /// The HTTP status.
        status: u16,
    },
    /// Status 200 with a body that is neither JSON nor XML; nothing is changed.
    Garbage,
    /// Status 200, and the connection ends before the body does; nothing is changed.
    TruncatedBody,
    /// Status 200 with a body that goes on until the client goes away; nothing is changed.
    EndlessBody,
    /// Status 200 with four megabytes of headers; nothing is changed.
    HugeHeaders,
}

impl Effect {
    /// An error of the API, with the status and message of [`codes::TABLE`].
    ///
    /// # Panics
    ///
    /// If the table does not have the code; use [`Effect::Error`] for codes of your own.
    #[must_use]
    pub fn code(code: &str) -> Self {
        let Some(entry) = codes::find(code) else { panic!("unknown error code {code}") };
        Self::Error {
            code: entry.code.to_owned(),
            message: entry.message.to_owned(),
            status: entry.status,
            retry_after_ms: None,
        }
    }

    /// An error of the API that tells the client when to come back.
    ///
    /// # Panics
    ///
    /// As [`Effect::code`].
    #[must_use]
    pub fn code_with_retry_after(code: &str, wait: Duration) -> Self {
        let mut effect = Self::code(code);
        if let Self::Error { retry_after_ms, .. } = &mut effect {
            *retry_after_ms = Some(wait.as_millis().try_into().unwrap_or(u64::MAX));
        }
        effect
    }
}

impl Fault {
    /// Something that happens to every request.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self { action: None, eni: None, address: None, remaining: None, skip: 0, probability: None, effect }
    }

    /// Something that happens to every request of an action: an internal error, until [`effect`](Self::effect) says
    /// otherwise.
    #[must_use]
    pub fn on(action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..Self::code("InternalError") }
    }

    /// An error that is the answer to every request, see [`Effect::code`].
    ///
    /// # Panics
    ///
    /// As [`Effect::code`].
    #[must_use]
    pub fn code(code: &str) -> Self {
        Self::new(Effect::code(code))
    }

    /// The same for requests of this action only.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// The same for requests about this ENI only.
    #[must_use]
    pub fn eni(mut self, eni: &str) -> Self {
        self.eni = Some(eni.to_owned());
        self
    }

    /// The same for requests that name this address only.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The same, but no more than `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.remaining = Some(count);
        self
    }

    /// The same, after `count` matching requests have passed.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// The same, with this probability each time.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// The same with another effect.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Whether this time it happens, given that the request matches. Counts.
    fn strikes(&mut self, dice: &mut Dice) -> bool {
        if self.remaining == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.probability.is_some_and(|probability| dice.fraction() >= probability) {
            return false;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= 1;
        }
        true
    }
}

/// What faults look at in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) action: &'a str,
    pub(crate) eni: Option<&'a str>,
    pub(crate) addresses: &'a [IpAddr],
}

/// A fault of the metadata service, which has paths in the place of actions.
#[derive(Debug)]
struct PathFault {
    prefix: String,
    fault: Fault,
}

/// The faults that are waiting for their requests.
#[derive(Debug)]
pub(crate) struct Faults {
    api: Vec<Fault>,
    paths: Vec<PathFault>,
    dice: Dice,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { api: Vec::new(), paths: Vec::new(), dice: Dice(seed) }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.api.push(fault);
    }

    pub(crate) fn add_for_path(&mut self, prefix: &str, effect: Effect, times: Option<u32>) {
        let fault = Fault { remaining: times, ..Fault::new(effect) };
        self.paths.push(PathFault { prefix: prefix.to_owned(), fault });
    }

    pub(crate) fn clear(&mut self) {
        self.api.clear();
        self.paths.clear();
    }

    /// The effects for a request, in the order in which the faults were injected: delays, then at most one effect
    /// of another kind.
    pub(crate) fn strike(&mut self, target: Target<'_>) -> Vec<Effect> {
        let matching = self.api.iter_mut().filter(|fault| {
            fault.action.as_deref().is_none_or(|action| action == target.action)
                && fault.eni.as_deref().is_none_or(|eni| Some(eni) == target.eni)
                && fault.address.is_none_or(|address| target.addresses.contains(&address))
        });
        Self::collect(matching, &mut self.dice)
    }

    /// The effects for a request of the metadata service.
    pub(crate) fn strike_path(&mut self, path: &str) -> Vec<Effect> {
        let matching = self
            .paths
            .iter_mut()
            .filter(|fault| path.starts_with(&fault.prefix))
            .map(|fault| &mut fault.fault);
        Self::collect(matching, &mut self.dice)
    }

    fn collect<'a>(matching: impl Iterator<Item = &'a mut Fault>, dice: &mut Dice) -> Vec<Effect> {
        let mut effects = Vec::new();
        for fault in matching {
            if fault.strikes(dice) {
                effects.push(fault.effect.clone());
                if !matches!(fault.effect, Effect::Delay(_)) {
                    break;
                }
            }
        }
        effects
    }
}

/// `SplitMix64`: enough chance for a test, and the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    pub fn fraction(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target { action: "A", eni: Some("eni-1"), addresses: &[] };

    fn faults(all: impl IntoIterator<Item = Fault>) -> Faults {
        let mut faults = Faults::new(1);
        all.into_iter().for_each(|fault| faults.add(fault));
        faults
    }

    #[test]
    fn a_fault_skips_then_strikes_then_is_spent() {
        let mut faults = faults([Fault::on("A").skip(1).times(2).effect(Effect::Stall)]);
        let struck: Vec<_> = (0..5).map(|_| !faults.strike(TARGET).is_empty()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
    }

    #[test]
    fn a_fault_strikes_only_what_it_names() {
        let address = IpAddr::from([192, 168, 0, 7]);
        let mut faults = faults([
            Fault::on("B").effect(Effect::Stall),
            Fault::on("A").eni("eni-2").effect(Effect::Stall),
            Fault::on("A").address(address).effect(Effect::Garbage),
        ]);
        assert!(faults.strike(TARGET).is_empty());
        assert_eq!(faults.strike(Target { addresses: &[address], ..TARGET }), [Effect::Garbage]);
    }

    #[test]
    fn delays_add_up_until_something_decides() {
        let delay = Effect::Delay(Duration::from_millis(1));
        let mut faults = faults([
            Fault::new(delay.clone()),
            Fault::new(delay.clone()),
            Fault::new(Effect::DropAfter).times(1),
            Fault::new(Effect::Stall),
        ]);
        assert_eq!(faults.strike(TARGET), [delay.clone(), delay.clone(), Effect::DropAfter]);
        assert_eq!(faults.strike(TARGET), [delay.clone(), delay, Effect::Stall]);
    }

    #[test]
    fn probability_is_repeatable_and_roughly_right() {
        let strikes = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(Fault::code("Throttling").probability(0.25));
            (0..1000).map(|_| !faults.strike(TARGET).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        let count = strikes(7).into_iter().filter(|struck| *struck).count();
        assert!((150..350).contains(&count), "{count}");
    }

    #[test]
    fn metadata_faults_go_by_path() {
        let mut faults = Faults::new(1);
        faults.add_for_path("/latest/meta-data/ram", Effect::Stall, Some(1));
        assert!(faults.strike_path("/latest/meta-data/region-id").is_empty());
        assert_eq!(faults.strike_path("/latest/meta-data/ram/security-credentials/"), [Effect::Stall]);
        assert!(faults.strike_path("/latest/meta-data/ram/security-credentials/").is_empty());
    }

    #[test]
    fn every_code_of_the_table_can_be_injected() {
        for entry in codes::TABLE {
            let Effect::Error { status, .. } = Effect::code(entry.code) else { panic!("not an error") };
            assert_eq!(status, entry.status);
        }
    }
}
