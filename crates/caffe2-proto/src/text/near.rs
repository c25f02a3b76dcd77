//! Which known names a misspelt one may stand for.

/// A question for the nearest of `known`, or `None` if none is near.
pub(crate) fn did_you_mean(name: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    let name = name.get(..LONGEST).unwrap_or(name).to_ascii_lowercase();
    let near = |candidate: &str| {
        let other = candidate.to_ascii_lowercase();
        let plural = name.strip_suffix('s') == Some(&other) || other.strip_suffix('s') == Some(&name);
        let distance = if plural { 0 } else { distance(name.as_bytes(), other.as_bytes()) };
        (distance <= 1 + other.len() / 4).then_some(distance)
    };
    let mut found: Vec<_> = known.filter_map(|candidate| Some((near(candidate)?, candidate))).collect();
    found.sort_unstable();
    let best = found.first()?.0;
    let names: Vec<_> =
        found.iter().take_while(|(d, _)| *d == best).map(|(_, name)| format!("`{name}`")).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// Names of the schema are shorter; what is longer is near to none.
const LONGEST: usize = 64;

/// Least number of insertions, deletions and replacements of bytes that turn `a` into `b`.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b"abc"), 0);
    }

    #[test]
    fn asks_for_the_nearest() {
        let known = || ["input", "output", "name", "type"].into_iter();
        assert_eq!(did_you_mean("inputs", known()).as_deref(), Some("did you mean `input`?"));
        assert_eq!(did_you_mean("outptu", known()).as_deref(), Some("did you mean `output`?"));
        assert_eq!(did_you_mean("tame", known()).as_deref(), Some("did you mean `name`?"));
        assert_eq!(did_you_mean("zzzzzzz", known()), None);
    }
}
