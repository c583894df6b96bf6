//! The nearest known word to one that is not known.

/// The candidate that was probably meant, if any is near enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let within = distance <= limit
                || (wanted.len() >= 3 && lower.starts_with(&wanted))
                || (lower.len() >= 3 && wanted.starts_with(&lower));
            (within, distance, candidate)
        })
        .filter(|(within, _, _)| *within)
        .min_by_key(|(_, distance, candidate)| (*distance, *candidate))
        .map(|(_, _, candidate)| candidate)
}

/// `did you mean …?`, or the known words when none is near and they are few.
pub(crate) fn suggestion(word: &str, known: &[&str], what: &str) -> Option<String> {
    if let Some(candidate) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    if known.is_empty() || known.len() > 24 {
        return None;
    }
    let list: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    Some(format!("{what}: {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let keys = ["schedule", "source_path", "send_to", "retries", "retention"];
        assert_eq!(nearest("scheduel", keys), Some("schedule"));
        assert_eq!(nearest("SendTo", keys), Some("send_to"));
        assert_eq!(nearest("source", keys), Some("source_path"));
        assert_eq!(nearest("colour", keys), None);
    }
}
