//! Making what others said fit to be shown.

use std::io;

use serde_json::Value;

/// Phrases that containerd's CNI client looks for in the text of a failed DEL, and what to say instead.
const MISREAD: [(&str, &str); 2] = [("not found", "missing"), ("no such file or directory", "no such path")];

/// What sort of JSON a value is, for an error that must not repeat a long or secret value.
#[must_use]
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Rewrites phrases that make containerd take a failed DEL for a success and forget the pod, with its address still
/// assigned. Texts of the cloud, of the system and of libraries are full of them.
#[must_use]
pub fn plain_words(text: &str) -> String {
    MISREAD
        .iter()
        .fold(text.to_owned(), |text, (phrase, replacement)| replace_any_case(&text, phrase, replacement))
}

fn replace_any_case(text: &str, phrase: &str, replacement: &str) -> String {
    // ASCII case folding keeps every byte offset.
    let folded = text.to_ascii_lowercase();
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for (start, _) in folded.match_indices(phrase) {
        replaced.push_str(&text[end..start]);
        replaced.push_str(replacement);
        end = start + phrase.len();
    }
    replaced.push_str(&text[end..]);
    replaced
}

/// `text` as one line of printable characters, at most `most` of them, in [`plain_words`].
pub(crate) fn clean(text: &str, most: usize) -> String {
    // Whitespace first: a line break between the two words of "not found" must not hide them.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.replace_range(end.., "...");
    }
    plain_words(&line)
}

/// As much of a refused `id` as a message repeats.
pub(crate) fn first(id: &str) -> String {
    id.chars().take(80).collect()
}

/// Why the system refused, in words that may be shown.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => clean(&error.to_string(), 200),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_that_containerd_takes_for_success_are_rewritten() {
        for (text, plain) in [
            ("", ""),
            ("found, not lost", "found, not lost"),
            ("the specified ENI is not found", "the specified ENI is missing"),
            ("Role Not Found.", "Role missing."),
            ("NOT FOUNDnot found", "missingmissing"),
            ("nonot foundt found", "nomissingt found"),
            ("open /a: No such file or directory (os error 2)", "open /a: no such path (os error 2)"),
            ("no such file", "no such file"),
            ("ёnot foundё", "ёmissingё"),
        ] {
            assert_eq!(plain_words(text), plain, "{text:?}");
        }
    }

    #[test]
    fn whitespace_between_the_words_does_not_save_them() {
        for text in ["not\nfound", "not \t found", "no such file\u{0} or\r\ndirectory"] {
            let cleaned = clean(text, 200);
            assert!(["missing", "no such path"].contains(&cleaned.as_str()), "{text:?} became {cleaned:?}");
        }
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "it does not exist");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_misread_phrase(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "not", "found", " ", "no", "such file or", "directory", "n", "o", "t", "NOT FOUND", "é", "; ",
                    "no such file or directory", "missing", "no such path",
                ]),
                0..12,
            ),
        ) {
            for shown in [plain_words(&words.concat()), clean(&words.concat(), 200)] {
                for (phrase, _) in MISREAD {
                    prop_assert!(!shown.to_ascii_lowercase().contains(phrase), "{shown}");
                }
            }
        }
    }

    #[test]
    fn a_text_becomes_one_short_line() {
        assert_eq!(clean("<html>\r\n<b>\0Bad\u{1b}[0m", 200), "<html> <b> Bad [0m");
        assert_eq!(clean("äöü", 2), "äö...");
        assert_eq!(clean("", 2), "");
    }
}
