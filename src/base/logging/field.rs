//! The fields of a line: what it says as data, beside its message. One table has their names.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Level, Record};

use crate::base::attachment::{Attachment, Pod};
use crate::base::eni::EniId;

/// Records of this program start with it. Those of libraries are left out: an HTTP client's would hold signed URLs.
pub(super) const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// Words separated by commas.
    List,
}

/// A field by its names.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// In the log, as text and as JSON.
    pub name: &'static str,
    /// In the journal.
    pub journal: &'static str,
    /// What it holds.
    pub kind: Kind,
}

const fn field(name: &'static str, journal: &'static str, kind: Kind) -> Field {
    Field { name, journal, kind }
}

pub(crate) const POD: &str = "pod";
pub(crate) const CONTAINER: &str = "container";
pub(crate) const IFNAME: &str = "ifname";
pub(crate) const NETWORK: &str = "network";
pub(crate) const BY: &str = "by";

/// All of them, in the order in which a line has them. `docs/log.md` says what they mean.
pub const FIELDS: &[Field] = &[
    field(POD, "CNI_POD", Kind::Text),
    field(CONTAINER, "CNI_CONTAINERID", Kind::Text),
    field(IFNAME, "CNI_IFNAME", Kind::Text),
    field(NETWORK, "CNI_NETWORK", Kind::Text),
    field("addresses", "ADDRESS", Kind::List),
    field("eni", "ALIYUN_ENI", Kind::Text),
    field("requestId", "ALIYUN_REQUEST_ID", Kind::Text),
    field("attempt", "ATTEMPT", Kind::Number),
    field("ms", "DURATION_MS", Kind::Number),
    field("code", "CNI_ERROR_CODE", Kind::Number),
    field("ecsCode", "ALIYUN_CODE", Kind::Text),
    field("error", "ERROR", Kind::Text),
    field(BY, "CNI_BY", Kind::Text),
];

/// A line about an outcome: its message is the same whatever it is about, and what it is about are its fields.
#[derive(Debug)]
pub(crate) struct Event {
    message: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Event {
    /// One of the call's own attachment, if it has one.
    pub(crate) fn new(message: &'static str) -> Self {
        Self { message, fields: Vec::new() }
    }

    /// It is about this attachment, or about nobody's addresses, whoever the call is for.
    pub(crate) fn of(self, owner: &Attachment, pod: Option<&Pod>, network: &str) -> Self {
        let pod = pod.map_or_else(String::new, name_of);
        self.with(POD, pod)
            .with(CONTAINER, &owner.container_id)
            .with(IFNAME, &owner.ifname)
            .with(NETWORK, network)
    }

    pub(crate) fn addresses(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let all: Vec<String> = addresses.into_iter().map(|address| address.to_string()).collect();
        self.with("addresses", all.join(","))
    }

    pub(crate) fn eni(self, eni: &EniId) -> Self {
        self.with("eni", eni)
    }

    /// The id of the request to ECS; without one, nothing.
    pub(crate) fn request(self, id: Option<&str>) -> Self {
        self.with("requestId", id.unwrap_or_default())
    }

    /// How often ECS was asked; 0 says nothing.
    pub(crate) fn attempt(self, number: u32) -> Self {
        let number = if number == 0 { String::new() } else { number.to_string() };
        self.with("attempt", number)
    }

    /// How long it took.
    pub(crate) fn took(self, duration: Duration) -> Self {
        self.with("ms", duration.as_millis())
    }

    /// The code of the CNI error.
    pub(crate) fn code(self, code: u32) -> Self {
        self.with("code", code)
    }

    /// ECS's own code; without one, nothing.
    pub(crate) fn ecs_code(self, code: Option<&str>) -> Self {
        self.with("ecsCode", code.unwrap_or_default())
    }

    pub(crate) fn error(self, why: impl Display) -> Self {
        self.with("error", why)
    }

    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    pub(crate) fn info(&self) {
        self.log(Level::Info);
    }

    pub(crate) fn warn(&self) {
        self.log(Level::Warn);
    }

    pub(crate) fn log(&self, level: Level) {
        let message = self.message;
        self.say(level, format_args!("{message}"));
    }

    /// The same with a message of its own.
    pub(crate) fn say(&self, level: Level, message: std::fmt::Arguments<'_>) {
        if level <= log::max_level() {
            let record =
                Record::builder().level(level).target(OWN_TARGET).args(message).key_values(self).build();
            log::logger().log(&record);
        }
    }
}

impl Source for Event {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.fields.iter().try_for_each(|(name, value)| {
            visitor.visit_pair(Key::from_str(name), Value::from(value.as_str()))
        })
    }
}

/// A pod as a line names it. One that is in no namespace has a name alone.
pub(crate) fn name_of(pod: &Pod) -> String {
    match (pod.namespace.as_str(), pod.name.as_str()) {
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// The fields of a record, each with its value. What has no value, and what no field is, is left out.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(&'static Field, String)>);

impl Fields {
    /// Those of one line of the log.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let mut fields = Self::default();
        // It fails only where the visitor does.
        let _ = record.key_values().visit(&mut fields);
        fields
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field.name == name)
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field.name == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let Some(field) = FIELDS.iter().find(|field| field.name == name) else { return };
        match self.0.iter_mut().find(|(its, _)| *its == field) {
            Some((_, its)) => value.clone_into(its),
            None => self.0.push((field, value.to_owned())),
        }
    }

    /// Those with a value, in the order of the table.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&'static Field, Cow<'_, str>)> {
        FIELDS.iter().filter_map(|field| {
            let value = self.get(field.name);
            (!value.is_empty()).then(|| (field, cut(value)))
        })
    }
}

/// The longest value in bytes: an error can have the length of a message, and a container ID any length.
const LONGEST_VALUE: usize = 4000;

fn cut(value: &str) -> Cow<'_, str> {
    value[..value.floor_char_boundary(LONGEST_VALUE)].into()
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.set(key.as_str(), &value.to_string());
        Ok(())
    }
}
