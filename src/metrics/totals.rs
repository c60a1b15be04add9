//! What is added up over calls, and the text in which it is kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::store::Census;

use super::event::{Event, Kind, word};
use super::facts::name_of;
use super::histogram::Histogram;

/// The first line. A text with another one is of another version, and is thrown away as a damaged one is.
const FIRST: &str = "aliyun-eni-ipam totals 1";

/// The last line: without it the text is not whole.
const LAST: &str = "end";

/// The most series that are kept: verbs by codes, and actions by classes of results, are fewer.
const MOST_SERIES: usize = 500;

/// How many files of pending lines take turns.
pub(super) const SLOTS: usize = 3;

/// Everything that is kept from one call to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Durations by what they are of, its name and its result.
    pub(super) series: BTreeMap<(Kind, String, String), Histogram>,
    /// Values that stay until there are others.
    pub(super) facts: BTreeMap<String, u64>,
    /// The addresses that pods have, as they were counted last; `None` before.
    pub(super) active: Option<Census>,
    /// How much of each file of pending lines is in here already.
    pub(super) read: [u64; SLOTS],
}

impl Totals {
    pub(super) fn add(&mut self, event: Event) {
        match event {
            Event::Took { kind, name, result, took } => {
                let key = (kind, name.into_owned(), result.into_owned());
                if self.series.len() < MOST_SERIES || self.series.contains_key(&key) {
                    self.series.entry(key).or_default().add(took);
                }
            }
            Event::Fact(name, value) => {
                let name = name.into_owned();
                if self.facts.len() < MOST_SERIES || self.facts.contains_key(&name) {
                    self.facts.insert(name, value);
                }
            }
        }
    }

    /// The series of one kind: name, result, durations.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = (&str, &str, &Histogram)> {
        let of_kind = self.series.iter().filter(move |((its, ..), _)| *its == kind);
        of_kind.map(|((_, name, result), histogram)| (name.as_str(), result.as_str(), histogram))
    }

    /// The text, which [`Totals::parse`] reads.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{FIRST}\n");
        for (slot, read) in self.read.iter().enumerate() {
            let _ = writeln!(text, "read {slot} {read}");
        }
        for (name, value) in &self.facts {
            let _ = writeln!(text, "fact {name} {value}");
        }
        if let Some(active) = &self.active {
            text.push_str("counted\n");
            for ((eni, family), count) in active {
                let _ = writeln!(text, "active {eni} {} {count}", name_of(*family));
            }
        }
        for ((kind, name, result), histogram) in &self.series {
            let _ = write!(text, "{} {name} {result}", kind.name());
            for number in histogram.numbers() {
                let _ = write!(text, " {number}");
            }
            text.push('\n');
        }
        text + LAST + "\n"
    }

    /// What a text says; `None` of one that is damaged, not whole, or of another version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(FIRST) || lines.next_back() != Some(LAST) {
            return None;
        }
        let mut totals = Self::default();
        for line in lines {
            totals.read_line(line)?;
        }
        Some(totals)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["read", slot, read] => *self.read.get_mut(number::<usize>(slot)?)? = number(read)?,
            ["fact", name, value] => drop(self.facts.insert(word(name)?.to_owned(), number(value)?)),
            ["counted"] => self.active = Some(Census::new()),
            ["active", eni, family, count] => {
                let key = (EniId::try_from(eni.to_owned()).ok()?, family_of(family)?);
                self.active.as_mut()?.insert(key, number(count)?);
            }
            [kind, name, result, ref numbers @ ..] => {
                let numbers: Option<Vec<u64>> = numbers.iter().map(|it| number(it)).collect();
                let key = (Kind::of_name(kind)?, word(name)?.to_owned(), word(result)?.to_owned());
                self.series.insert(key, Histogram::of_numbers(&numbers?)?);
            }
            _ => return None,
        }
        Some(())
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn family_of(name: &str) -> Option<Family> {
    [Family::V4, Family::V6].into_iter().find(|family| name_of(*family) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn some() -> Totals {
        let mut totals = Totals { read: [0, 17, 4096], ..Totals::default() };
        totals.add(Event::call("ADD", None, Duration::from_millis(20)));
        totals.add(Event::call("ADD", Some(112), Duration::from_secs(25)));
        totals.add(Event::request("AssignPrivateIpAddresses", "ok", Duration::from_millis(200)));
        totals.add(Event::Fact("flush".into(), 1_764_000_000));
        let eni = EniId::try_from("eni-1".to_owned()).unwrap();
        totals.active = Some(Census::from([((eni, Family::V6), 3)]));
        totals
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for totals in [some(), Totals::default()] {
            assert_eq!(Totals::parse(&totals.to_text()), Some(totals));
        }
    }

    #[test]
    fn a_text_that_is_cut_off_anywhere_or_damaged_is_thrown_away() {
        let text = some().to_text();
        for end in 0..text.len() {
            assert_eq!(Totals::parse(&text[..end]), None, "{:?}", &text[..end]);
        }
        for (from, to) in
            [("totals 1", "totals 2"), ("ADD", "A D"), (" 0", " \0"), ("active", "x"), ("read 1", "read 3")]
        {
            assert_eq!(Totals::parse(&text.replacen(from, to, 1)), None, "{from}");
        }
    }

    #[test]
    fn there_is_a_most_of_what_is_kept() {
        let mut totals = Totals::default();
        for number in 0..2000_u32 {
            totals.add(Event::call("ADD", Some(number), Duration::ZERO));
            totals.add(Event::Fact(format!("f{number}").into(), 1));
        }
        assert_eq!((totals.series.len(), totals.facts.len()), (MOST_SERIES, MOST_SERIES));
        totals.add(Event::call("ADD", Some(1), Duration::ZERO));
        let one = &totals.series[&(Kind::Call, "ADD".to_owned(), "1".to_owned())];
        assert_eq!(one.count(), 2);
    }
}
