//! The greatest elements of a line.

use std::cmp::Ordering;

/// Elements that are judged together: together they are skipped, if none of them is great enough.
const BLOCK: usize = 64;

/// As many are kept in order; of more, twice as many are collected before the lesser half is dropped.
const FEW: usize = 32;

/// Finds the `k` greatest elements of one line after another, in falling order, with their indices.
#[derive(Debug, Default)]
pub(crate) struct Best {
    /// Those that may be among them, about twice as many as wanted at most.
    found: Vec<(f32, usize)>,
}

impl Best {
    /// The `k` greatest elements of a line, where `k` is at least 1, or all if it has fewer. Of equal ones the first
    /// comes first. Neighbours lie `step` elements apart in `x`, which begins with the first.
    pub(crate) fn of_line(&mut self, x: &[f32], step: usize, k: usize) -> &[(f32, usize)] {
        self.found.clear();
        let mut line = x.iter().copied().step_by(step.max(1)).zip(0..);
        self.found.extend(line.by_ref().take(k));
        self.found.sort_unstable_by(falling);
        let mut bar = self.found.last().map_or(f32::NAN, |smallest| smallest.0);
        if step == 1 {
            for (block, start) in x.chunks(BLOCK).zip((0..).step_by(BLOCK)).skip(k / BLOCK) {
                if block.iter().fold(false, |any, &x| any | passes(x, bar)) {
                    for (i, &x) in block.iter().enumerate() {
                        if passes(x, bar) && start + i >= k {
                            bar = self.offer((x, start + i), bar, k);
                        }
                    }
                }
            }
        } else {
            for element in line {
                if passes(element.0, bar) {
                    bar = self.offer(element, bar, k);
                }
            }
        }
        if self.found.len() > k {
            self.cut(k);
        }
        if k > FEW {
            self.found.sort_unstable_by(falling);
        }
        &self.found
    }

    /// Adds an element to at least `k` others that may be among the greatest; gives the new bar.
    fn offer(&mut self, element: (f32, usize), bar: f32, k: usize) -> f32 {
        if k > FEW {
            self.found.push(element);
            return if self.found.len() < 2 * k { bar } else { self.cut(k) };
        }
        let place =
            self.found.iter().rposition(|other| falling(other, &element).is_lt()).map_or(0, |i| i + 1);
        // Of several NaN the later ones are none.
        if place < self.found.len() {
            self.found.pop();
            self.found.insert(place, element);
        }
        self.found.last().map_or(bar, |smallest| smallest.0)
    }

    /// Keeps the `k` greatest of more, in any order, and gives the smallest of them.
    fn cut(&mut self, k: usize) -> f32 {
        let smallest = self.found.select_nth_unstable_by(k - 1, falling).1.0;
        self.found.truncate(k);
        smallest
    }
}

/// Whether an element may be greater than `bar`; [`Best::cut`] judges NaN.
#[inline(always)]
fn passes(x: f32, bar: f32) -> bool {
    (x > bar) | x.is_nan()
}

/// Greater ones first, NaN before all, and equal ones by their index.
fn falling(a: &(f32, usize), b: &(f32, usize)) -> Ordering {
    let order = b.0.partial_cmp(&a.0).unwrap_or_else(|| b.0.is_nan().cmp(&a.0.is_nan()));
    order.then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::{Best, falling};

    #[test]
    fn the_same_as_sorting_all() {
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 97;
        let of = |value: fn(usize) -> f32| (0..300).map(value).collect::<Vec<_>>();
        let random = (0..300).map(|i| noise(i) as f32).collect();
        let mut with_nan: Vec<f32> = random;
        with_nan.iter_mut().step_by(5).for_each(|x| *x = f32::NAN);
        let lines = [
            (0..300).map(|i| noise(i) as f32).collect(),
            with_nan,
            of(|i| i as f32),
            of(|i| -(i as f32)),
            of(|_| 1.0),
            of(|_| f32::NAN),
            of(|_| f32::NEG_INFINITY),
            of(|i| if i % 2 == 0 { 0.0 } else { -0.0 }),
        ];
        let mut best = Best::default();
        for x in &lines {
            for (k, step) in
                [1, 2, 5, 32, 33, 60, 64, 65, 100, 200, 299, 300, 301].into_iter().zip([2, 3].repeat(7))
            {
                for step in [1, step] {
                    let line = || x.iter().copied().step_by(step).zip(0..);
                    let mut want: Vec<_> = line().collect();
                    want.sort_by(falling);
                    want.truncate(k);
                    let bits = |found: &[(f32, usize)]| {
                        found.iter().map(|e| (e.0.to_bits(), e.1)).collect::<Vec<_>>()
                    };
                    assert_eq!(bits(best.of_line(x, step, k)), bits(&want), "{k} {step} {x:?}");
                }
            }
        }
    }
}
