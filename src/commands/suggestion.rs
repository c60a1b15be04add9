//! Suggests the word that a person meant.

/// The error for an unknown command or option, with the known one that the person probably meant.
pub(super) fn unknown(what: &str, prefix: &str, name: &str, known: &[&str]) -> String {
    let meant = known.iter().map(|known| (distance(name, known), known)).min();
    match meant {
        Some((distance, meant)) if distance <= meant.len() / 3 => {
            format!("unknown {what} `{prefix}{name}`; did you mean `{prefix}{meant}`?")
        }
        _ => format!("unknown {what} `{prefix}{name}`"),
    }
}

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
