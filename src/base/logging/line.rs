//! One line in each of its forms: as text, as JSON, and as an entry of the journal.

use std::fmt::{self, Write as _};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use log::Level;

use super::context::Context;
use super::field::{BY, CONTAINER, FIELDS, Field, Fields, IFNAME, Kind, NETWORK, POD};
use crate::base::printable::{is_shown, line_of, printable};

/// The longest message in bytes, which every syslog daemon still takes; the rest is cut off.
pub(super) const LONGEST_MESSAGE: usize = 8000;

/// What the journal calls this program.
pub(super) const IDENTIFIER: &str = "aliyun-eni-ipam";

/// The facility of daemons.
const DAEMON: u8 = 3;

/// A line before it is written. Its fields say whom it is about, and who says so where that is somebody else.
pub(super) struct Line<'c> {
    level: Level,
    context: &'c Context,
    message: String,
    fields: Fields,
    /// Whether it is about the attachment that the context names.
    is_own: bool,
}

impl<'c> Line<'c> {
    pub(super) fn new(level: Level, context: &'c Context, message: String, mut fields: Fields) -> Self {
        let own = &context.fields;
        let is_own = !fields.has(CONTAINER)
            || (fields.get(CONTAINER) == own.get(CONTAINER) && fields.get(IFNAME) == own.get(IFNAME));
        if is_own {
            for name in [POD, CONTAINER, IFNAME, NETWORK] {
                if fields.get(name).is_empty() {
                    fields.set(name, own.get(name));
                }
            }
        } else if !own.get(CONTAINER).is_empty() {
            let by = format!("{}/{}", own.get(CONTAINER), own.get(IFNAME));
            fields.set(BY, &by);
        }
        Self { level, context, message, fields, is_own }
    }

    /// What there is to say, for people: the context has what the fields would only repeat.
    pub(super) fn text(&self) -> String {
        let separator = if self.context.prefix.is_empty() { "" } else { ": " };
        let mut text = format!("{}{separator}{}", self.context.prefix, without_fields(&self.message));
        for (field, value) in self.fields.in_order() {
            let is_in_context = match field.name {
                CONTAINER | IFNAME => self.is_own,
                NETWORK => value == self.context.fields.get(NETWORK),
                name => name == BY,
            };
            if !is_in_context {
                // Nothing fails that is written to a string.
                let _ = write!(text, " {}={}", field.name, Quoted(&value));
            }
        }
        text
    }

    /// The line of the log as text, with the line break.
    pub(super) fn to_text(&self) -> String {
        format!("{} {:<5} {} {}\n", Now, self.level, process::id(), self.text())
    }

    /// The same as JSON: one object in a line.
    pub(super) fn to_json(&self) -> String {
        let mut json = format!(
            r#"{{"time":"{}","level":"{}","pid":{},"verb":{},"message":{}"#,
            Now,
            self.level,
            process::id(),
            Json(&self.context.verb),
            Json(&self.message)
        );
        for (field, value) in self.fields.in_order() {
            let _ = write!(json, r#","{}":"#, field.name);
            let _ = match field.kind {
                Kind::Number => write!(json, "{}", value.parse::<u128>().unwrap_or_default()),
                Kind::Text => write!(json, "{}", Json(&value)),
                Kind::List => {
                    let items: Vec<String> = value.split(',').map(|item| Json(item).to_string()).collect();
                    write!(json, "[{}]", items.join(","))
                }
            };
        }
        json.push_str("}\n");
        json
    }

    /// The same in the protocol of journald: names and values, one a line, or with their length where they have several.
    pub(super) fn to_journal(&self) -> Vec<u8> {
        let text = self.text();
        let mut entry = Vec::new();
        push(&mut entry, "MESSAGE", &text);
        push(&mut entry, "PRIORITY", &self.severity().to_string());
        push(&mut entry, "SYSLOG_FACILITY", &DAEMON.to_string());
        push(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
        push(&mut entry, "SYSLOG_PID", &process::id().to_string());
        push(&mut entry, "CNI_COMMAND", &self.context.verb);
        for (field, value) in self.fields.in_order() {
            match field.kind {
                Kind::List => value.split(',').for_each(|item| push(&mut entry, field.journal, item)),
                Kind::Text | Kind::Number => push(&mut entry, field.journal, &value),
            }
        }
        entry
    }

    /// The same as of RFC 3164, without the time and the host, which the receiver knows better.
    pub(super) fn to_syslog(&self) -> String {
        let mut text = self.text();
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        format!("<{}>{IDENTIFIER}[{}]: {text}", (DAEMON << 3) | self.severity(), process::id())
    }

    fn severity(&self) -> u8 {
        if self.level == Level::Error { 3 } else { 4 }
    }
}

fn push(entry: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    entry.extend(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

/// A message in which nothing reads like a field: what follows it is the plugin's own word, and not that of a server or a pod.
fn without_fields(message: &str) -> String {
    let mut text = format!(" {message}");
    if message.contains('=') {
        for Field { name, .. } in FIELDS {
            text = text.replace(&format!(" {name}="), &format!(" {name}\\u{{3d}}"));
        }
    }
    text.split_off(1)
}

/// A value as text: in quotes where it could be taken for more or less than it is.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
        if self.0.bytes().all(is_plain) {
            return formatter.write_str(self.0);
        }
        let quoted = self.0.replace('\\', r"\\").replace('"', "\\\"");
        write!(formatter, "\"{}\"", printable(quoted))
    }
}

/// A text as JSON has it. What a terminal would not show as it is, is escaped too.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str(r"\\")?,
                '\n' => formatter.write_str(r"\n")?,
                it if is_shown(it) => formatter.write_char(it)?,
                it => {
                    let mut units = [0; 2];
                    for unit in it.encode_utf16(&mut units) {
                        write!(formatter, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        formatter.write_char('"')
    }
}

/// A text on a single line: what could forge, hide or reorder lines is escaped.
pub(super) fn message_of(arguments: fmt::Arguments<'_>) -> String {
    line_of(LONGEST_MESSAGE, arguments)
}

/// The present time as of RFC 3339. A clock that is set before 1970 shows 1970.
struct Now;

impl fmt::Display for Now {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = SystemTime::now().max(UNIX_EPOCH);
        humantime::format_rfc3339_millis(now).fmt(formatter)
    }
}
