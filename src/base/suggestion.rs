//! Suggests the word that a person meant.

/// The error for an unknown command or option, with the known one that the person probably meant.
pub(crate) fn unknown(what: &str, prefix: &str, name: &str, known: &[&str]) -> String {
    match meant(name, known) {
        Some(meant) => format!("unknown {what} `{prefix}{name}`; did you mean `{prefix}{meant}`?"),
        None => format!("unknown {what} `{prefix}{name}`"),
    }
}

/// The known word that is nearest to `name`, if it is near: a few characters differ, or one is the beginning of the other.
pub(crate) fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = name.to_ascii_lowercase();
    let near = |known: &&'k str| {
        let other = known.to_ascii_lowercase();
        let edits = distance(&folded, &other);
        let is_longer_or_shorter = folded.len().min(other.len()) >= MIN_BEGINNING
            && (folded.starts_with(&other) || other.starts_with(&folded));
        (edits <= other.len() / 3 || is_longer_or_shorter).then_some((edits, *known))
    };
    known.iter().filter_map(near).min().map(|(_, known)| known)
}

/// A shorter beginning is that of too many words.
const MIN_BEGINNING: usize = 4;

/// The number of characters to add, remove or replace to turn one word into the other (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (count, character) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], count + 1);
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(character != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_nearly_a_known_one_is_recognized() {
        let known = ["networkInterfaceId", "dataDir", "timeoutSeconds", "proxy"];
        for (name, expected) in [
            ("networkInterfaceID", Some("networkInterfaceId")),
            ("network_interface_id", Some("networkInterfaceId")),
            ("dataDirectory", Some("dataDir")),
            ("timeout", Some("timeoutSeconds")),
            ("prxy", Some("proxy")),
            ("pro", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(meant(name, &known), expected, "{name}");
        }
    }

    #[test]
    fn the_distance_of_two_words_is_the_number_of_edits() {
        for (one, other, edits) in [
            ("", "", 0),
            ("list", "list", 0),
            ("lst", "list", 1),
            ("", "list", 4),
            ("flush", "list", 3),
            ("é", "e", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (edits, edits), "{one} {other}");
        }
    }
}
