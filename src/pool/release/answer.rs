//! Whether what ECS answers to a request to assign is an answer to it.
//!
//! A request for one address can be answered with forty thousand, with one of another network, or with the ENI's primary
//! address: by a proxy, or because of a defect. Such an answer proves nothing, and it is no refusal either: the request is in
//! doubt, as after no answer at all.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::deadline::Deadline;
use crate::base::region::Family;
use crate::cloud::ecs::{Want, assign_action};
use crate::cloud::rpc::Error;
use crate::pool::release::Releaser;
use crate::store::{AssignRequest, join};

/// How many addresses a message names.
const NAMED: usize = 3;

/// What ECS has answered to a request to assign.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Addresses that the request can have brought: no more than it asks for.
    Fit {
        /// They.
        addresses: Vec<IpAddr>,
        /// The id of the request.
        request_id: String,
    },
    /// Something else.
    Unfit {
        /// What it names, however much that is.
        addresses: Vec<IpAddr>,
        /// What is wrong with it. Its outcome is unknown.
        error: Error,
    },
}

impl Releaser<'_> {
    /// Sends a recorded request to assign, once, and judges the answer.
    ///
    /// # Errors
    /// When there is no answer, or a refusal, or no time for an answer.
    pub(crate) fn ask(&self, ask: &AssignRequest, limit: Deadline) -> Result<Answer, Error> {
        let (family, want) = request_of(ask);
        if limit.remaining() < self.min_time() {
            let left = limit.remaining().as_secs_f64();
            let why = format!(
                "the {left:.1} s that are left are too short for an answer; if this persists, raise ipam.timeoutSeconds"
            );
            return Err(Error::not_now(assign_action(family), &why).about(&ask.eni));
        }
        let assigned = self.client.assign(self.region, &ask.eni, family, &want, &ask.client_token, limit)?;
        Ok(match misfit(ask, &assigned.addresses) {
            None => Answer::Fit { addresses: assigned.addresses, request_id: assigned.request_id.0 },
            Some(why) => {
                let error = assigned.proves_nothing(&ask.eni, &why);
                Answer::Unfit { addresses: assigned.addresses, error }
            }
        })
    }
}

/// What a recorded request asks ECS for.
fn request_of(ask: &AssignRequest) -> (Family, Want) {
    let family = if ask.ipv6 { Family::V6 } else { Family::V4 };
    let want = match ask.addresses.as_slice() {
        [] => Want::Count(ask.count()),
        these => Want::Addresses(these.to_vec()),
    };
    (family, want)
}

/// Why these addresses are not an answer to the request; `None` if they are one.
fn misfit(ask: &AssignRequest, answered: &[IpAddr]) -> Option<String> {
    let (asked, distinct) = (ask.count(), answered.iter().collect::<BTreeSet<_>>().len());
    if (1..=asked).contains(&answered.len()) && distinct == answered.len() {
        // Fewer than asked for are an answer too: ECS documents a refusal where not all of them are left, but no answer
        // that leaves out what it assigned.
        return answered.iter().find_map(|&address| misplaced(ask, address));
    }
    let named = if answered.is_empty() { String::new() } else { format!(": {}", some(answered)) };
    Some(format!("{asked} was asked for, and the answer names {}{named}", answered.len()))
}

/// Why the request cannot have brought this address.
fn misplaced(ask: &AssignRequest, address: IpAddr) -> Option<String> {
    let (family, key) = if ask.ipv6 { ("IPv6", "subnet6") } else { ("IPv4", "subnet") };
    if address.is_ipv6() != ask.ipv6 {
        return Some(format!("the answer names {address}, which is not an {family} address"));
    }
    if !ask.addresses.is_empty() && !ask.addresses.contains(&address) {
        return Some(format!("the answer names {address}, but {} was asked for", some(&ask.addresses)));
    }
    if ask.primary.contains(&address) {
        return Some(format!("the answer names {address}, which is the ENI's primary address"));
    }
    let block = ask.block.filter(|block| !block.contains(address))?;
    Some(format!(
        "the answer names {address}, which is not in {block}: set ipam.{key} to the CIDR block of the ENI's vSwitch"
    ))
}

/// The first few of `addresses`, for people, and how many more there are.
pub(super) fn some<'a>(
    addresses: impl IntoIterator<Item = &'a IpAddr, IntoIter: ExactSizeIterator>,
) -> String {
    let mut addresses = addresses.into_iter();
    let first = join(addresses.by_ref().take(NAMED));
    match addresses.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> AssignRequest {
        AssignRequest {
            block: Some("192.168.0.0/24".parse().unwrap()),
            primary: vec!["192.168.0.2".parse().unwrap()],
            ..AssignRequest::example()
        }
    }

    fn misfit_of(ask: &AssignRequest, answered: &[&str]) -> Option<String> {
        misfit(ask, &answered.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn an_answer_is_one_if_it_names_what_was_asked_for() {
        assert_eq!(misfit_of(&ask(), &["192.168.0.7"]), None);
        let two = vec!["192.168.0.7".parse().unwrap(), "192.168.0.8".parse().unwrap()];
        assert_eq!(
            misfit_of(&AssignRequest { addresses: two, ..ask() }, &["192.168.0.8", "192.168.0.7"]),
            None
        );
        // ECS may say that it has assigned fewer.
        let three = AssignRequest { count: 3, ..ask() };
        assert_eq!(misfit_of(&three, &["192.168.0.7", "192.168.0.8", "192.168.0.9"]), None);
        assert_eq!(misfit_of(&three, &["192.168.0.7"]), None);
        // What is not known of the ENI is not held against an answer.
        let unknown = AssignRequest { block: None, primary: Vec::new(), ..ask() };
        assert_eq!(misfit_of(&unknown, &["192.168.0.2"]), None);
        assert_eq!(misfit_of(&unknown, &["10.0.0.1"]), None);
    }

    #[test]
    fn anything_else_is_none_and_the_reason_says_why() {
        let these = AssignRequest { addresses: vec!["192.168.0.7".parse().unwrap()], ..ask() };
        let twice = AssignRequest {
            addresses: [these.addresses.clone(), vec!["192.168.0.9".parse().unwrap()]].concat(),
            ..ask()
        };
        for (ask, answered, why) in [
            (ask(), &[][..], "names 0"),
            (AssignRequest { count: 3, ..ask() }, &[], "3 was asked for"),
            (
                ask(),
                &["192.168.0.7", "192.168.0.8"],
                "1 was asked for, and the answer names 2: 192.168.0.7, 192.168.0.8",
            ),
            (twice, &["192.168.0.7", "192.168.0.7"], "names 2"),
            (ask(), &["2001:db8::7"], "not an IPv4 address"),
            (AssignRequest { ipv6: true, ..ask() }, &["192.168.0.7"], "not an IPv6 address"),
            (these, &["192.168.0.8"], "but 192.168.0.7 was asked for"),
            (ask(), &["192.168.0.2"], "primary"),
            (ask(), &["192.168.1.7"], "set ipam.subnet to"),
            (
                AssignRequest { ipv6: true, block: Some("2001:db8::/64".parse().unwrap()), ..ask() },
                &["2001:db9::1"],
                "ipam.subnet6",
            ),
        ] {
            let found = misfit_of(&ask, answered).unwrap_or_default();
            assert!(found.contains(why), "{answered:?}: {found}");
        }
    }

    #[test]
    fn a_message_names_a_few_addresses_however_many_there_are() {
        let many: Vec<IpAddr> =
            (0..40_000_u32).map(|number| IpAddr::from((0x0a00_0000 + number).to_be_bytes())).collect();
        let why = misfit(&ask(), &many).unwrap();
        assert_eq!(
            why,
            "1 was asked for, and the answer names 40000: 10.0.0.0, 10.0.0.1, 10.0.0.2 and 39997 more"
        );
    }
}
