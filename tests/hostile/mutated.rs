//! Making good input bad.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// A change to one value of a JSON document, wherever in it.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// It is gone.
    Drop(Index),
    /// Its key stands there twice, with this as the second value, or as the first one.
    Double(Index, Value, bool),
    /// It is another one.
    Replace(Index, Value),
    /// Its key is another one.
    Rename(Index, String),
    /// It stands in a list.
    Wrap(Index),
    /// It stands in this many lists, one in the other.
    Nest(Index, usize),
    /// It is a text of this length.
    Lengthen(Index, usize),
}

/// A change to bytes that need not mean anything.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// They end here.
    Cut(Index),
    /// Some are others.
    Flip(Vec<(Index, u8)>),
    /// There are more.
    Insert(Index, Vec<u8>),
    /// They are all zero, as after a power cut on some file systems.
    Zero,
    /// There is nothing left of them.
    Replace(Vec<u8>),
}

/// The mark of a key that is written like the one before it: a JSON object in memory has each key once.
const AGAIN: char = '\0';

/// Texts that mean something to somebody: to a parser, a file system, a shell, a runtime.
pub(crate) fn text() -> impl Strategy<Value = String> {
    // Repeated in an error, these would be taken for success.
    let misread =
        select(vec!["not found", "/Not Found/", "no such file or directory", "-No such file or directory"]);
    let meant = select(vec![
        "",
        "0",
        "-1",
        "null",
        "../../x",
        "eth0",
        "off",
        "default",
        "vpc",
        "http://",
        "ftp://x",
        "1.1.0",
        "0.1.0",
        "10.0.0.9/24",
        "10.0.0.9",
        "2001:db8::9",
        "::ffff:10.0.0.9",
        "0.0.0.0/0",
        "2026-11-22T09:12:44.250Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "cn-hangzhou-x",
        "eni-other",
        "\u{0}",
        "\u{1b}[2J",
        "\u{202e}",
        "\r\nX: y",
        "%00",
        "${HOME}",
    ]);
    prop_oneof![
        misread.prop_map(str::to_owned),
        meant.prop_map(str::to_owned),
        ".{0,12}",
        "[a-zA-Z0-9.:/-]{0,24}"
    ]
}

/// Any JSON value.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let numbers =
        [json!(0), json!(-1), json!(2), json!(u32::MAX), json!(u64::MAX), json!(i64::MIN), json!(1e308)];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(numbers.to_vec()),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|keys| keys.into_iter().collect()),
        ]
    })
}

/// One to `most` mutations.
pub(crate) fn mutations(most: usize) -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<Index>;
    let other = prop_oneof![2 => value(), 1 => Just(json!([])), 1 => Just(json!("10.0.0.9"))];
    let one = prop_oneof![
        3 => at().prop_map(Mutation::Drop),
        3 => (at(), other, any::<bool>()).prop_map(|(at, value, last)| Mutation::Double(at, value, last)),
        6 => (at(), value()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        2 => (at(), text()).prop_map(|(at, key)| Mutation::Rename(at, key)),
        1 => at().prop_map(Mutation::Wrap),
        1 => (at(), 2_usize..200).prop_map(|(at, depth)| Mutation::Nest(at, depth)),
        1 => (at(), 0_usize..100_000).prop_map(|(at, length)| Mutation::Lengthen(at, length)),
    ];
    vec(one, 1..=most)
}

/// Bytes of any kind.
pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

/// One damage.
pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => any::<Index>().prop_map(Damage::Cut),
        4 => vec((any::<Index>(), any::<u8>()), 1..4).prop_map(Damage::Flip),
        2 => (any::<Index>(), bytes(40)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => Just(Damage::Zero),
        2 => bytes(300).prop_map(Damage::Replace),
    ]
}

impl Mutation {
    fn apply(&self, document: &mut Value) {
        let mut places = Vec::new();
        collect_places(document, &mut Vec::new(), &mut places);
        if places.is_empty() {
            return;
        }
        let (Self::Drop(index)
        | Self::Double(index, ..)
        | Self::Replace(index, _)
        | Self::Rename(index, _)
        | Self::Wrap(index)
        | Self::Nest(index, _)
        | Self::Lengthen(index, _)) = self;
        let path = index.get(&places);
        let (last, above) = path.split_last().unwrap();
        let parent = above.iter().fold(document, |value, step| step.of(value));
        match (self, last, parent) {
            (Self::Drop(_), Step::Key(key), Value::Object(keys)) => drop(keys.remove(key)),
            (Self::Drop(_), Step::Item(item), Value::Array(items)) => drop(items.remove(*item)),
            (Self::Double(_, value, is_last), Step::Key(key), Value::Object(keys)) => {
                let first = keys.insert(key.clone(), value.clone()).unwrap();
                let again = if *is_last { keys.insert(key.clone(), first).unwrap() } else { first };
                keys.insert(format!("{key}{AGAIN}"), again);
            }
            (Self::Double(..), Step::Item(item), Value::Array(items)) => {
                items.insert(*item, items[*item].clone());
            }
            (Self::Rename(_, name), Step::Key(key), Value::Object(keys)) => {
                let value = keys.remove(key).unwrap();
                keys.insert(name.clone(), value);
            }
            (Self::Replace(_, value), step, parent) => *step.of(parent) = value.clone(),
            (Self::Wrap(_) | Self::Rename(..), step, parent) => wrap(step.of(parent), 1),
            (Self::Nest(_, depth), step, parent) => wrap(step.of(parent), *depth),
            (Self::Lengthen(_, length), step, parent) => *step.of(parent) = "x".repeat(*length).into(),
            (_, step, parent) => unreachable!("{step:?} in {parent}"),
        }
    }
}

fn wrap(value: &mut Value, depth: usize) {
    for _ in 0..depth {
        *value = json!([value.take()]);
    }
}

/// The way from a value to one in it.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Step {
    fn of<'a>(&self, parent: &'a mut Value) -> &'a mut Value {
        match self {
            Self::Key(key) => &mut parent[key],
            Self::Item(item) => &mut parent[*item],
        }
    }
}

fn collect_places(value: &Value, above: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
    let inner: Vec<_> = match value {
        Value::Object(keys) => keys.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (Step::Item(at), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in inner {
        above.push(step);
        places.push(above.clone());
        collect_places(value, above, places);
        above.pop();
    }
}

/// The text of `document` after these mutations.
pub(crate) fn mutate(document: &Value, mutations: &[Mutation]) -> String {
    let mut document = document.clone();
    for mutation in mutations {
        mutation.apply(&mut document);
    }
    document.to_string().replace("\\u0000\":", "\":")
}

impl Damage {
    /// `bytes` after this damage.
    pub(crate) fn to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Replace(other) => return other.clone(),
            _ if bytes.is_empty() => {}
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Flip(others) => {
                for (at, other) in others {
                    let at = at.index(bytes.len());
                    bytes[at] = *other;
                }
            }
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Zero => bytes.fill(0),
        }
        bytes
    }
}
