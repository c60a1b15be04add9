//! Texts without what differs from run to run.

use harness::Node;

/// The text of something that happened on `node`.
pub(crate) fn plain(node: &Node, text: &str) -> String {
    let directory = node.directory().display().to_string();
    let plugin = harness::plugin!().display().to_string();
    let text = text.replace(&directory, "/node").replace(&plugin, "/opt/cni/bin/aliyun-eni-ipam");
    let lines: Vec<_> = text.trim_end().lines().map(|text| line(text).trim_end().to_owned()).collect();
    // Not every kernel tells who holds a lock.
    let unknown = " (`fuser /node/store/lock` shows by whom)";
    lines.join("\n").replace(unknown, " by process PID (plugin-HASH), which has run for N s")
}

/// The text of an error that no node is needed for.
pub(crate) fn line(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut all = text.split(' ').peekable();
    while let Some(word) = all.next() {
        let before = words.last().map_or("", String::as_str);
        let is_seconds = all
            .peek()
            .is_some_and(|next| ["s", "ms", "failed"].contains(&next.trim_end_matches([',', ':', ';'])));
        let is_process = before == "process" && core(word).parse::<u32>().is_ok();
        words.push(if is_process {
            replaced(word, "PID")
        } else if core(word).starts_with("plugin-") {
            // What cargo calls this program.
            replaced(word, "plugin-HASH")
        } else if before.trim_start_matches('(') == "RequestId" {
            replaced(word, "ID")
        } else if is_seconds && is_number(word) {
            replaced(word, "N")
        } else {
            varying(word)
        });
    }
    words.join(" ")
}

fn is_number(word: &str) -> bool {
    word.trim_start_matches('(').parse::<f64>().is_ok()
}

fn varying(word: &str) -> String {
    // Fields of the log.
    for (name, plain) in [("requestId=", "ID"), ("ms=", "N")] {
        if word.starts_with(name) {
            return format!("{name}{plain}");
        }
    }
    let core = core(word);
    if core.len() >= 20 && core.ends_with('Z') && core.starts_with("20") {
        return replaced(word, "TIME");
    }
    if core.strip_suffix('s').is_some_and(|number| number.parse::<u32>().is_ok()) {
        return replaced(word, "Ns");
    }
    without_names(&without_port(&without_moments(word)))
}

/// Moments in JSON, which is one word.
fn without_moments(word: &str) -> String {
    const FORM: &str = "0000-00-00T00:00:00Z";
    let mut plain = word.to_owned();
    let is_moment = |text: &str| {
        let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        form == FORM
    };
    let starts: Vec<_> = word.match_indices("\"20").map(|(at, _)| at + 1).collect();
    for moment in starts.into_iter().filter_map(|at| word.get(at..at + FORM.len())).filter(|it| is_moment(it))
    {
        plain = plain.replace(moment, "TIME");
    }
    plain
}

/// The word without what punctuation stands around it.
fn core(word: &str) -> &str {
    word.trim_matches(|it: char| "()[]{}\"'`,;:.".contains(it))
}

fn replaced(word: &str, with: &str) -> String {
    word.replacen(core(word), with, 1)
}

/// The simulated cloud listens on a port that the system chooses; port 1 is one where nobody does.
fn without_port(word: &str) -> String {
    const HOST: &str = "127.0.0.1:";
    let Some((before, after)) = word.split_once(HOST) else { return word.to_owned() };
    let port = after.find(|it: char| !it.is_ascii_digit()).unwrap_or(after.len());
    let shown = if &after[..port] == "1" { "1" } else { "PORT" };
    format!("{before}{HOST}{shown}{}", without_port(&after[port..]))
}

/// Digests and random parts of the names of files, and the moments in them.
fn without_names(word: &str) -> String {
    let is_part = |it: char| !(it.is_ascii_alphanumeric() || it == ':');
    let mut plain = String::new();
    for part in word.split_inclusive(is_part) {
        let digits = part.trim_end_matches(is_part);
        let is_hex = digits.len() >= 16 && digits.chars().all(|it| it.is_ascii_hexdigit());
        plain.push_str(if is_hex { "HEX" } else { digits });
        plain.push_str(&part[digits.len()..]);
    }
    plain
}
