//! Making what others said fit to be shown.

use std::io;

/// Words that must not appear in an error, and what stands in their place. containerd takes the error of a DEL that
/// contains them for success and forgets the pod, so neither the cloud's texts nor the system's may carry them through.
const FORBIDDEN: [(&str, &str); 2] =
    [("not found", "absent"), ("no such file or directory", "does not exist")];

/// `text` as one line of printable characters, at most `most` of them, without the forbidden words.
pub(crate) fn clean(text: &str, most: usize) -> String {
    // Whitespace first: a line break between the two words of "not found" must not save them.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.replace_range(end.., "...");
    }
    for (words, substitute) in FORBIDDEN {
        while let Some(start) = line.to_ascii_lowercase().find(words) {
            line.replace_range(start..start + words.len(), substitute);
        }
    }
    line
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
    use super::*;

    #[test]
    fn words_that_make_containerd_forget_a_pod_are_replaced() {
        for text in
            ["it was not found", "It Was NOT FOUND", "not\nfound", "not \t found", "nonot foundt found"]
        {
            let cleaned = clean(text, 200).to_lowercase();
            assert!(!cleaned.contains("not found"), "{text:?} became {cleaned:?}");
        }
        let error = io::Error::from_raw_os_error(2);
        assert!(!reason(&error).contains("No such file"));
        assert_eq!(
            clean("open x: No such file or directory (os error 2)", 200),
            "open x: does not exist (os error 2)"
        );
    }

    #[test]
    fn a_text_becomes_one_short_line() {
        assert_eq!(clean("<html>\r\n<b>\0Bad\u{1b}[0m", 200), "<html> <b> Bad [0m");
        assert_eq!(clean("äöü", 2), "äö...");
        assert_eq!(clean("", 2), "");
    }
}
