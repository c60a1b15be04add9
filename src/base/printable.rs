//! Text that a terminal, a log or a journal shows as it is: the one place that decides which characters may reach them.
//!
//! Names come from runtimes, messages from the cloud, paths from whoever made the files. A control character in one of them
//! could erase the row that it stands in, and one that changes the direction of writing could reorder it, so that a person
//! decides about something else than what is there. Such characters are shown by their numbers.
//!
//! What passes through here is one line: a line break in it is escaped as well. Layout is made of several lines, each
//! written by itself. JSON does not pass through here, because it has escapes of its own.

use std::fmt::{self, Write as _};

/// `text` as one line that looks like what it is, such as `\u{1b}[2K` for the command that erases a line.
#[must_use]
pub(crate) fn printable(text: impl fmt::Display) -> String {
    let mut line = Line::of_any_length();
    // It fails only when the argument's own formatting does; what there is up to then is shown.
    let _ = write!(line, "{text}");
    line.0
}

/// A line that is being written. Whatever is written into it is escaped, and what is longer than its limit is cut off.
pub(crate) struct Line(pub(crate) String, usize);

impl Line {
    pub(crate) fn of_any_length() -> Self {
        Self::up_to(usize::MAX)
    }

    /// A line that ends with the character that reaches `bytes`.
    pub(crate) fn up_to(bytes: usize) -> Self {
        Self(String::new(), bytes)
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= self.1 {
                break;
            }
            match character {
                // The standard library escapes them because it quotes; nothing is quoted here.
                '"' | '\'' | '\\' => self.0.push(character),
                // Not `\0`, after which digits would read as more of it.
                '\0' => self.0.extend(character.escape_unicode()),
                _ if misleads(character) => self.0.extend(character.escape_unicode()),
                // Controls, line and paragraph separators, format characters such as U+202E and U+200B, characters that
                // are drawn over the one before them, and whatever Unicode has not assigned.
                _ => self.0.extend(character.escape_debug()),
            }
        }
        Ok(())
    }
}

/// A text on a single line that ends with the character that reaches `most` bytes.
pub(crate) fn line_of(most: usize, text: fmt::Arguments<'_>) -> String {
    let mut line = Line::up_to(most);
    // It fails only when an argument's own formatting does; what there is up to then is shown.
    let _ = line.write_fmt(text);
    line.0
}

/// Whether a character is shown as it is.
pub(crate) fn is_shown(character: char) -> bool {
    let mut line = Line::of_any_length();
    let _ = line.write_char(character);
    line.0.chars().eq([character])
}

/// What the standard library takes for printable, and what still does not show what is there: U+FFFD stands for bytes that
/// are no UTF-8, letters of right-to-left scripts reorder the digits beside them, and fillers are letters without a shape.
fn misleads(character: char) -> bool {
    matches!(character,
        '\u{fffd}'
        | '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
        | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_all_kinds_of_people_stay_as_they_are() {
        for text in ["", "a b", "it's \"here\" in C:\\x", "grüße, 访问被拒绝。", "192.168.0.7 on eni-1"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn what_moves_erases_hides_or_reorders_is_shown_by_its_number() {
        for (text, shown) in [
            ("a\u{1b}[2K", r"a\u{1b}[2K"),
            ("\0\u{7f}\u{9b}\u{85}", r"\u{0}\u{7f}\u{9b}\u{85}"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            ("\u{e0041}\u{3164}", r"\u{e0041}\u{3164}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        let format_characters = [
            '\u{202a}'..='\u{202e}',
            '\u{2066}'..='\u{2069}',
            '\u{200b}'..='\u{200f}',
            '\u{61c}'..='\u{61c}',
            '\u{2060}'..='\u{2064}',
            '\u{feff}'..='\u{feff}',
            '\u{ad}'..='\u{ad}',
            '\u{80}'..='\u{9f}',
            '\u{5d0}'..='\u{5ea}',
        ];
        for character in format_characters.into_iter().flatten() {
            assert_eq!(printable(character), format!("\\u{{{:x}}}", u32::from(character)));
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_seen_to_be_none() {
        let path =
            std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"a\xff\x1b"));
        assert_eq!(printable(path.display()), r"a\u{fffd}\u{1b}");
    }

    #[test]
    fn a_line_ends_at_its_limit() {
        let mut line = Line::up_to(3);
        let _ = line.write_str("aé\u{1b}b");
        assert_eq!(line.0, "aé");
        let mut line = Line::up_to(4);
        let _ = line.write_str("aé\u{1b}b");
        assert_eq!(line.0, r"aé\u{1b}");
    }

    proptest! {
        #[test]
        fn a_line_has_no_control_character_and_is_escaped_once(text in any::<String>()) {
            let line = printable(&text);
            prop_assert!(!line.chars().any(|it| it.is_control() || it != ' ' && it.is_whitespace()), "{line:?}");
            prop_assert_eq!(&printable(&line), &line);
        }
    }
}
