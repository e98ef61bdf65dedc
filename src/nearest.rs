//! The name that somebody meant.

/// The candidate that is closest to a name: at most a third of its letters differ.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.chars().count().div_ceil(3);
    let close = |candidate: &&str| distance(name, candidate);
    candidates.into_iter().min_by_key(close).filter(|candidate| close(candidate) <= limit)
}

/// How many letters have to be inserted, removed or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// ` (did you mean …?)` or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_somebody_meant_and_nothing_far_away() {
        assert_eq!(nearest("statsu", ["time", "status", "state"]), Some("status"));
        assert_eq!(nearest("xyzzy", ["time", "status", "state"]), None);
        assert_eq!(suggestion("prot", ["port"]), "; did you mean `port`?");
    }
}
