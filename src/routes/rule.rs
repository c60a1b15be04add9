//! The rules that choose a table.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, Parseable};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::routes::numbers::{
    FROM_ENI, FROM_POD, GROUP, MAIN, MARK, MARKED, NOT_BEHIND_AN_ENI, is_table_of_an_eni,
};
use crate::routes::reach::{bits, family};
use crate::routes::socket::{Answer, Conversation, Refusal};

/// A rule of this plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    pub(super) preference: u32,
    pub(super) is_ipv6: bool,
    pub(super) selects: Selects,
    pub(super) table: u32,
}

/// What a rule of this plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Selects {
    /// What a route of the main table leads to, unless it is a default route or leads to an ENI.
    NotBehindAnEni,
    /// What has the mark.
    Marked,
    /// What comes from an address.
    From(IpAddr),
}

/// A rule as the kernel has it, of this plugin or not.
#[derive(Clone, Debug)]
pub(super) struct FoundRule {
    pub(super) preference: u32,
    /// Which of this plugin's rules it looks like.
    pub(super) rule: Option<Rule>,
    /// Where packets must come from for it, if it says so.
    pub(super) source: Option<IpNetwork>,
    protocol: RouteProtocol,
    table: u32,
}

impl Rule {
    /// What is not behind an ENI goes where the main table says.
    pub(super) fn not_behind_an_eni(is_ipv6: bool) -> Self {
        Self { preference: NOT_BEHIND_AN_ENI, is_ipv6, selects: Selects::NotBehindAnEni, table: MAIN }
    }

    /// What has the mark goes by this table.
    pub(super) fn marked(is_ipv6: bool, table: u32) -> Self {
        Self { preference: MARKED, is_ipv6, selects: Selects::Marked, table }
    }

    /// What a pod sends goes by this table.
    pub(super) fn from_pod(address: IpAddr, table: u32) -> Self {
        Self { preference: FROM_POD, is_ipv6: address.is_ipv6(), selects: Selects::From(address), table }
    }

    /// What the node sends from an ENI's own address goes by this table.
    pub(super) fn from_eni(address: IpAddr, table: u32) -> Self {
        Self { preference: FROM_ENI, is_ipv6: address.is_ipv6(), selects: Selects::From(address), table }
    }

    /// The address that it is about.
    pub(super) fn source(&self) -> Option<IpAddr> {
        match self.selects {
            Selects::From(address) => Some(address),
            Selects::NotBehindAnEni | Selects::Marked => None,
        }
    }

    fn message(&self) -> RuleMessage {
        let mut message = blank(if self.is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet });
        message.attributes.push(RuleAttribute::Priority(self.preference));
        match self.selects {
            Selects::NotBehindAnEni => message
                .attributes
                .extend([RuleAttribute::SuppressIfGroup(GROUP), RuleAttribute::SuppressPrefixLen(0)]),
            Selects::Marked => {
                message.attributes.extend([RuleAttribute::FwMark(MARK), RuleAttribute::FwMask(MARK)]);
            }
            Selects::From(address) => {
                message.header.src_len = bits(address);
                message.attributes.push(RuleAttribute::Source(address));
            }
        }
        message.attributes.push(RuleAttribute::Table(self.table));
        message
    }

    /// Which rule of this plugin a message of the kernel looks like.
    fn of(message: &RuleMessage) -> Option<Self> {
        let header = &message.header;
        let is_plain = header.dst_len == 0
            && header.tos == 0
            && header.action == RuleAction::ToTable
            && !header.flags.contains(RuleFlags::Invert);
        let (mut preference, mut table, mut source) = (0, u32::from(header.table), None);
        let (mut mark, mut of_mark, mut group, mut prefix) = (None, None, None, None);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(it) => preference = *it,
                RuleAttribute::Table(it) => table = *it,
                RuleAttribute::Source(it) => source = Some(*it),
                RuleAttribute::FwMark(it) => mark = Some(*it),
                RuleAttribute::FwMask(it) => of_mark = Some(*it),
                RuleAttribute::SuppressIfGroup(it) => group = Some(*it),
                // The kernel writes "none" as the largest number.
                RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::Protocol(_) => {}
                RuleAttribute::SuppressPrefixLen(it) => prefix = Some(*it),
                _ => return None,
            }
        }
        let selects = match (source, mark, of_mark, group, prefix) {
            (None, None, None, Some(GROUP), Some(0)) => Selects::NotBehindAnEni,
            (None, Some(MARK), Some(MARK), None, None) => Selects::Marked,
            (Some(address), None, None, None, None) if header.src_len == bits(address) => {
                Selects::From(address)
            }
            _ => return None,
        };
        let is_ipv6 = header.family == AddressFamily::Inet6;
        is_plain.then_some(Self { preference, is_ipv6, selects, table })
    }

    /// Whether a rule that looks like this and has the protocol `kernel` is this plugin's.
    fn belongs_to_this_plugin(&self) -> bool {
        match (self.preference, self.selects) {
            (NOT_BEHIND_AN_ENI, Selects::NotBehindAnEni) => self.table == MAIN,
            (MARKED, Selects::Marked) | (FROM_POD | FROM_ENI, Selects::From(_)) => {
                is_table_of_an_eni(self.table)
            }
            _ => false,
        }
    }
}

impl FoundRule {
    fn read((_, body): Answer<'_>) -> Option<Self> {
        let message = RuleMessage::parse(body).ok()?;
        let (mut preference, mut table, mut source, mut protocol) =
            (0, u32::from(message.header.table), None, RouteProtocol::Unspec);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(it) => preference = *it,
                RuleAttribute::Table(it) => table = *it,
                RuleAttribute::Source(it) => source = IpNetwork::new(*it, message.header.src_len).ok(),
                RuleAttribute::Protocol(it) => protocol = *it,
                _ => {}
            }
        }
        Some(Self { preference, rule: Rule::of(&message), source, protocol, table })
    }

    /// The rule, if it is this plugin's.
    pub(super) fn ours(&self) -> Option<Rule> {
        self.rule.filter(|rule| self.protocol == RouteProtocol::Kernel && rule.belongs_to_this_plugin())
    }
}

/// A message about a rule that leads to a table and is marked as the kernel's own, so that network managers leave it alone.
fn blank(family: AddressFamily) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.action = RuleAction::ToTable;
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::Kernel));
    message
}

/// All rules of a family.
pub(super) fn list(kernel: &Conversation, is_ipv6: bool) -> Result<Vec<FoundRule>, Refusal> {
    let mut message = RuleMessage::default();
    message.header.family = if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    kernel.list(&RouteNetlinkMessage::GetRule(message), FoundRule::read)
}

/// Adds a rule. Returns whether it was not there.
pub(super) fn add(kernel: &Conversation, rule: &Rule) -> Result<bool, Refusal> {
    let message = RouteNetlinkMessage::NewRule(rule.message());
    match kernel.tell(&message, NLM_F_CREATE | NLM_F_EXCL, |_| {}) {
        Err(refusal) if refusal.is(libc::EEXIST) => Ok(false),
        done => done.map(|()| true),
    }
}

/// Removes a rule. Returns whether it was there.
pub(super) fn remove(kernel: &Conversation, rule: &Rule) -> Result<bool, Refusal> {
    delete(kernel, rule.message()).map(|removed| removed.is_some())
}

/// Removes every rule for what comes from the address of a pod, whatever table it leads to. Returns the tables.
pub(super) fn remove_from_pod(kernel: &Conversation, address: IpAddr) -> Result<Vec<Rule>, Refusal> {
    let mut message = blank(family(address));
    message.header.src_len = bits(address);
    message.attributes.extend([RuleAttribute::Priority(FROM_POD), RuleAttribute::Source(address)]);
    let mut removed = Vec::new();
    while let Some(table) = delete(kernel, message.clone())? {
        removed.push(Rule::from_pod(address, table));
    }
    Ok(removed)
}

/// Removes the first rule like this. Returns its table; `None` where there is none like it.
fn delete(kernel: &Conversation, message: RuleMessage) -> Result<Option<u32>, Refusal> {
    let mut table = 0;
    let echoed = |answer: Answer<'_>| table = FoundRule::read(answer).map_or(0, |rule| rule.table);
    match kernel.tell(&RouteNetlinkMessage::DelRule(message), NLM_F_ECHO, echoed) {
        // The second is said by a kernel without IPv6.
        Err(refusal) if refusal.is_one_of(&[libc::ENOENT, libc::EAFNOSUPPORT]) => Ok(None),
        done => done.map(|()| Some(table)),
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.preference)?;
        match self.selects {
            Selects::NotBehindAnEni => {
                let family = if self.is_ipv6 { " (IPv6)" } else { "" };
                write!(f, "lookup main suppress_ifgroup {GROUP} suppress_prefixlength 0{family}")
            }
            Selects::Marked => {
                let family = if self.is_ipv6 { " (IPv6)" } else { "" };
                write!(f, "fwmark {MARK:#x}/{MARK:#x} lookup {}{family}", self.table)
            }
            Selects::From(address) => write!(f, "from {address} lookup {}", self.table),
        }
    }
}

impl fmt::Display for FoundRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: from ", self.preference)?;
        match self.source {
            Some(source) => write!(f, "{source}")?,
            None => f.write_str("all")?,
        }
        write!(f, " lookup {}", self.table)
    }
}
