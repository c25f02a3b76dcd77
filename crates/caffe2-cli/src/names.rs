//! Names that a user may have meant.

/// Most names that are proposed.
const MOST: usize = 3;

/// The names most like `wanted`, best first; none that is quite another.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
    let mut near: Vec<_> = known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|&(likeness, _)| likeness > 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by_key(|(_, name)| *name);
    near.into_iter().map(|(_, name)| name).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_names_come_first_and_others_not_at_all() {
        assert_eq!(nearest("gird", ["grid", "data", "conv1", "grid"]), ["grid"]);
        assert_eq!(nearest("CONV1", ["conv2", "conv1"]), ["conv1", "conv2"]);
        assert!(nearest("softmax", ["x", "y"]).is_empty());
    }
}
