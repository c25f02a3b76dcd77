//! How many inputs or outputs an operator takes.

use std::ops::{RangeFrom, RangeInclusive};

/// A rule for the number of inputs or outputs: a range, and optionally a set or a predicate within it.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    min: usize,
    max: usize,
    rule: Rule,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Any,
    OneOf(&'static [usize]),
    If { allowed: fn(usize) -> bool, words: &'static str },
}

impl Default for Counts {
    /// Any number.
    fn default() -> Counts {
        Counts { min: 0, max: usize::MAX, rule: Rule::Any }
    }
}

impl Counts {
    /// The same rule with this range.
    pub(super) fn within(self, range: impl IntoCountRange) -> Counts {
        let (min, max) = range.into_count_range();
        Counts { min, max, ..self }
    }

    /// The same range with a set of numbers.
    pub(super) fn one_of(self, set: &'static [usize]) -> Counts {
        Counts { rule: Rule::OneOf(set), ..self }
    }

    /// The same range with a predicate, and its meaning in words.
    pub(super) fn only_if(self, allowed: fn(usize) -> bool, words: &'static str) -> Counts {
        Counts { rule: Rule::If { allowed, words }, ..self }
    }

    /// The smallest number of the range.
    pub fn min(&self) -> usize {
        self.min
    }

    /// The largest number of the range; `usize::MAX` when there is no limit.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Whether `count` is allowed.
    pub fn allow(&self, count: usize) -> bool {
        (self.min..=self.max).contains(&count)
            && match self.rule {
                Rule::Any => true,
                Rule::OneOf(set) => set.contains(&count),
                Rule::If { allowed, .. } => allowed(count),
            }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rule {
            Rule::OneOf(set) => {
                let words: Vec<_> = set.iter().map(usize::to_string).collect();
                return f.write_str(&words.join(" or "));
            }
            Rule::If { words, .. } => write!(f, "{words}, ")?,
            Rule::Any => {}
        }
        match (self.min, self.max) {
            (0, usize::MAX) => f.write_str("any number"),
            (min, usize::MAX) => write!(f, "{min} or more"),
            (min, max) if min == max => write!(f, "{min}"),
            (min, max) => write!(f, "{min} to {max}"),
        }
    }
}

/// What a range of counts may be written as: `1`, `2..=3`, `1..`.
pub trait IntoCountRange {
    /// The smallest and the largest number.
    fn into_count_range(self) -> (usize, usize);
}

impl IntoCountRange for usize {
    fn into_count_range(self) -> (usize, usize) {
        (self, self)
    }
}

impl IntoCountRange for RangeInclusive<usize> {
    fn into_count_range(self) -> (usize, usize) {
        (*self.start(), *self.end())
    }
}

impl IntoCountRange for RangeFrom<usize> {
    fn into_count_range(self) -> (usize, usize) {
        (self.start, usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_and_predicate_hold_beside_the_range() {
        let even = Counts::default().within(2..=6).only_if(|n| n % 2 == 0, "an even number");
        assert_eq!([0, 2, 3, 4, 8].map(|n| even.allow(n)), [false, true, false, true, false]);
        assert_eq!(even.to_string(), "an even number, 2 to 6");
        let set = Counts::default().one_of(&[3, 5]);
        assert_eq!([3, 4, 5].map(|n| set.allow(n)), [true, false, true]);
        assert_eq!(set.to_string(), "3 or 5");
        assert_eq!(Counts::default().within(1).to_string(), "1");
        assert_eq!(Counts::default().within(1..).to_string(), "1 or more");
        assert_eq!(Counts::default().to_string(), "any number");
    }
}
