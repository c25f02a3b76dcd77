//! Names of classes.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use caffe2::proto::read_file;

/// The longest file of names.
const MOST_BYTES: usize = 64 << 20;

/// Names by class.
#[derive(Debug, Default)]
pub(super) struct Labels(HashMap<usize, String>);

impl Labels {
    /// Reads a file of names: line by line, or lines that begin with the number of the class, as in a Python dictionary.
    pub(super) fn read(path: &Path) -> Result<Labels> {
        let content = read_file(path, MOST_BYTES)?;
        let text = std::str::from_utf8(&content).with_context(|| format!("{}: no text", path.display()))?;
        Ok(Labels::parse(text))
    }

    fn parse(text: &str) -> Labels {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let full = lines.iter().filter(|line| !matches!(**line, "" | "{" | "}"));
        let numbered: Vec<_> = full.clone().map(|line| numbered(line)).collect();
        if !numbered.is_empty() && numbered.iter().all(Option::is_some) {
            return Labels(numbered.into_iter().flatten().collect());
        }
        let named = lines.iter().enumerate().filter(|(_, line)| !line.is_empty());
        Labels(named.map(|(class, line)| (class, (*line).to_owned())).collect())
    }

    /// The name of a class, if it has one.
    pub(super) fn of(&self, class: usize) -> Option<&str> {
        self.0.get(&class).map(String::as_str)
    }
}

/// The class and name of a line such as `{0: 'tench, Tinca tinca',`.
fn numbered(line: &str) -> Option<(usize, String)> {
    let (number, name) = line.trim_start_matches('{').split_once(':')?;
    let class = number.trim().trim_matches(['"', '\'']).parse().ok()?;
    let name = name.trim().trim_end_matches('}').trim_end_matches(',').trim();
    let quoted = |mark: char| name.strip_prefix(mark)?.strip_suffix(mark);
    Some((class, quoted('\'').or_else(|| quoted('"')).unwrap_or(name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_classes() {
        let labels = Labels::parse("n01440764 tench\n\nn01484850 shark: white\n");
        assert_eq!(
            [0, 1, 2].map(|class| labels.of(class)),
            [Some("n01440764 tench"), None, Some("n01484850 shark: white")]
        );
    }

    #[test]
    fn a_dictionary_has_numbers() {
        let labels = Labels::parse("{0: 'tench, Tinca tinca',\n 7: \"cock's comb\",\n 8: hen}");
        assert_eq!(
            [0, 1, 7, 8].map(|class| labels.of(class)),
            [Some("tench, Tinca tinca"), None, Some("cock's comb"), Some("hen")]
        );
    }
}
