//! Elements written more than once: what both operators do.

use caffe2_operator::Item;
use smallvec::SmallVec;

/// A dimension of an output whose elements are those of a smaller input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dim {
    /// The input has it too.
    Kept(usize),
    /// The same, this many times.
    Repeated(usize),
}

/// How the dimensions of the output come about, outermost first.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    /// None is 1 or 0, and neighbours are of different kinds.
    dims: SmallVec<[Dim; 8]>,
}

impl Spread {
    /// Adds a dimension that the input has too.
    pub(crate) fn keep(&mut self, size: usize) {
        match self.dims.last_mut() {
            _ if size == 1 => {}
            Some(Dim::Kept(last)) => *last *= size,
            _ => self.dims.push(Dim::Kept(size)),
        }
    }

    /// Adds a dimension along which everything is the same.
    pub(crate) fn repeat(&mut self, times: usize) {
        match self.dims.last_mut() {
            _ if times == 1 => {}
            // Too many to count: no shape has so many elements, and nothing is written.
            Some(Dim::Repeated(last)) => *last = last.saturating_mul(times),
            _ => self.dims.push(Dim::Repeated(times)),
        }
    }

    /// Fills an output, which has the dimensions that were added, from the input.
    pub(crate) fn write<T: Item>(&self, x: &[T], y: &mut [T]) {
        if !y.is_empty() {
            write(&self.dims, x, y);
        }
    }
}

fn write<T: Item>(dims: &[Dim], x: &[T], y: &mut [T]) {
    match *dims {
        [] | [Dim::Kept(_)] => y.clone_from_slice(x),
        [Dim::Repeated(_)] => y.fill(x[0].clone()),
        [Dim::Kept(_), Dim::Repeated(times)] => {
            x.iter().zip(y.chunks_exact_mut(times)).for_each(|(x, y)| y.fill(x.clone()));
        }
        [Dim::Kept(size), ref inner @ ..] => {
            let (from, to) = (x.len() / size, y.len() / size);
            x.chunks_exact(from).zip(y.chunks_exact_mut(to)).for_each(|(x, y)| write(inner, x, y));
        }
        [Dim::Repeated(times), ref inner @ ..] => {
            let once = y.len() / times;
            write(inner, x, &mut y[..once]);
            repeat(y, once);
        }
    }
}

/// Elements that are copied at a time, about: enough to be worth a call, few enough to stay in the cache.
const STRETCH: usize = 2048;

/// Repeats the first `once` elements until the end.
fn repeat<T: Item>(y: &mut [T], once: usize) {
    let stretch = STRETCH.next_multiple_of(once);
    let mut done = once;
    while done < y.len() {
        let (from, to) = y.split_at_mut(done);
        let count = done.min(stretch).min(to.len());
        to[..count].clone_from_slice(&from[..count]);
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_kept_and_repeated() {
        let mut spread = Spread::default();
        spread.repeat(2);
        spread.keep(2);
        spread.keep(1);
        spread.repeat(3);
        spread.repeat(1);
        spread.keep(2);
        assert_eq!(spread.dims[..], [Dim::Repeated(2), Dim::Kept(2), Dim::Repeated(3), Dim::Kept(2)]);
        let mut y = [0; 24];
        spread.write(&[1, 2, 3, 4], &mut y);
        let half = [1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4];
        assert_eq!((&y[..12], &y[12..]), (&half[..], &half[..]));
    }

    #[test]
    fn long_repetitions_are_whole() {
        for (once, times) in [(1, 5000), (3, 3000), (5000, 3), (7, 1)] {
            let mut spread = Spread::default();
            spread.repeat(times);
            spread.keep(once);
            let x: Vec<i32> = (0..once as i32).collect();
            let mut y = vec![-1; once * times];
            spread.write(&x, &mut y);
            assert!(y.chunks_exact(once).all(|part| part == x), "{once} {times}");
        }
    }

    #[test]
    fn what_is_empty_stays_so() {
        let mut spread = Spread::default();
        spread.keep(0);
        spread.repeat(5);
        spread.write::<u8>(&[], &mut []);
    }
}
