//! Mean and variance, in double precision and two passes.

use std::ops::{Add, Mul, Sub};

use caffe2_kernels::Isa;
use caffe2_operator::{Element, Threads};

use crate::layout::{BLOCK, Layout, Order, grain};
use crate::sums::{ColumnSums, LANES, add_row};

/// What several schemas say of their variances.
macro_rules! two_passes {
    () => {
        "The variance is that of the differences from the mean, summed in double precision; Caffe2 takes the mean square \
         less the square of the mean, in single precision, which is far off where the mean is large."
    };
}

pub(crate) use two_passes;

/// Mean and variance (the mean of squared differences) of a set of elements.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) var: f64,
}

impl Moments {
    /// `sqrt(var + epsilon)`.
    pub(crate) fn std(&self, epsilon: f32) -> f64 {
        (self.var + f64::from(epsilon)).sqrt()
    }
}

/// The moments of the sets of elements that a tensor is made of, none for an empty one, and the memory that finding
/// them takes.
#[derive(Debug, Default)]
pub(crate) struct AllMoments {
    found: Vec<Moments>,
    columns: ColumnSums,
}

impl AllMoments {
    /// Those that were found last.
    pub(crate) fn found(&self) -> &[Moments] {
        &self.found
    }

    /// Sets what is known from elsewhere.
    pub(crate) fn set(&mut self, found: impl Iterator<Item = Moments>) {
        self.found.clear();
        self.found.extend(found);
    }

    /// Finds the moments of each channel, through all items.
    pub(crate) fn of_channels(&mut self, threads: &Threads, x: &[f32], layout: Layout) {
        let Layout { batch, channels, pixels, order } = layout;
        match order {
            Order::Nchw => {
                let runs = |channel| Runs {
                    start: channel * pixels,
                    count: batch,
                    stride: channels * pixels,
                    len: pixels,
                };
                self.of_runs(threads, x, channels, runs);
            }
            Order::Nhwc => self.of_columns(threads, x, 1, channels, 1),
        }
    }

    /// Finds the moments of each of `groups` equal groups of channels of each item.
    pub(crate) fn of_groups(&mut self, threads: &Threads, x: &[f32], layout: Layout, groups: usize) {
        match layout.order {
            Order::Nchw => self.of_rows(threads, x, layout.batch * groups),
            Order::Nhwc => {
                self.of_columns(threads, x, layout.batch, layout.channels, layout.channels / groups)
            }
        }
    }

    /// Finds the moments of each of `count` equal rows.
    pub(crate) fn of_rows<T: Float>(&mut self, threads: &Threads, x: &[T], count: usize) {
        let len = x.len() / count.max(1);
        let runs = |row| Runs { start: row * len, count: 1, stride: len, len };
        self.of_runs(threads, x, count, runs);
    }

    fn of_runs<T: Float>(
        &mut self,
        threads: &Threads,
        x: &[T],
        count: usize,
        runs: impl Fn(usize) -> Runs + Copy + Sync + Send,
    ) {
        self.found.clear();
        if x.is_empty() {
            return;
        }
        self.found.resize(count, Moments::default());
        let (isa, at_once) = (Isa::current(), (BLOCK * count / x.len()).max(1));
        threads.for_each_block(&mut self.found, at_once, grain(x.len()), |block, found| {
            isa.dispatch(
                #[inline(always)]
                move || {
                    for (i, found) in found.iter_mut().enumerate() {
                        *found = moments(x, runs(block * at_once + i));
                    }
                },
            );
        });
    }

    /// Of items that are matrices of one column for each channel, the moments of each `width` columns.
    fn of_columns(&mut self, threads: &Threads, x: &[f32], items: usize, channels: usize, width: usize) {
        self.found.clear();
        if x.is_empty() {
            return;
        }
        let elements = (x.len() / (items * channels) * width) as f64;
        let mean = move |sums: &[f64]| sums.iter().sum::<f64>() / elements;
        let columns = &mut self.columns;
        columns.resize(items * channels);
        columns.add_up(
            threads,
            x,
            channels,
            #[inline(always)]
            move |x, _| x,
        );
        for (sums, centres) in columns.sums.chunks_exact(width).zip(columns.centres.chunks_exact_mut(width)) {
            let mean = mean(sums);
            centres.fill(mean);
            self.found.push(Moments { mean, var: 0.0 });
        }
        columns.add_up(
            threads,
            x,
            channels,
            #[inline(always)]
            move |x, mean| (x - mean) * (x - mean),
        );
        let sums = columns.sums.chunks_exact(width);
        self.found.iter_mut().zip(sums).for_each(|(found, sums)| found.var = mean(sums));
    }
}

/// The types that are normalised.
pub(crate) trait Float:
    Element + Copy + Into<f64> + Sub<Output = Self> + Mul<Output = Self> + Add<Output = Self>
{
    /// The value that is nearest.
    fn of(value: f64) -> Self;
}

impl Float for f32 {
    #[inline(always)]
    fn of(value: f64) -> f32 {
        value as f32
    }
}

impl Float for f64 {
    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }
}

/// `count` pieces of `len` elements, at distances of `stride`.
#[derive(Debug, Clone, Copy)]
struct Runs {
    start: usize,
    count: usize,
    stride: usize,
    len: usize,
}

/// The moments of one set of elements, which is not empty.
#[inline(always)]
fn moments<T: Float>(x: &[T], runs: Runs) -> Moments {
    let elements = (runs.count * runs.len) as f64;
    let mean = sum(
        x,
        runs,
        #[inline(always)]
        |x| x,
    ) / elements;
    let var = sum(
        x,
        runs,
        #[inline(always)]
        move |x| (x - mean) * (x - mean),
    ) / elements;
    Moments { mean, var }
}

#[inline(always)]
fn sum<T: Float>(x: &[T], runs: Runs, f: impl Fn(f64) -> f64 + Copy) -> f64 {
    let mut sums = [0.0; LANES];
    for run in 0..runs.count {
        add_row(&mut sums, &x[runs.start + run * runs.stride..][..runs.len], f);
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both orders, any widths, against the plainest loops.
    #[test]
    fn moments_are_those_of_the_definition() {
        for (batch, channels, pixels, groups) in [(2, 6, 5, 3), (1, 4, 70, 4), (3, 32, 9, 2), (1, 80, 3, 80)]
        {
            let value = |n: usize, c: usize, p: usize| ((n * 31 + c * 17 + p * p) % 29) as f32;
            let width = channels / groups;
            for order in [Order::Nchw, Order::Nhwc] {
                let layout = Layout { batch, channels, pixels, order };
                let mut x = vec![0.0; batch * channels * pixels];
                for (n, c, p) in layout.all() {
                    x[layout.position(n, c, p)] = value(n, c, p);
                }
                let check = |found: &[Moments], sets: usize, set_of: &dyn Fn(usize, usize) -> usize| {
                    assert_eq!(found.len(), sets);
                    for (set, found) in found.iter().enumerate() {
                        let members = layout.all().filter(|&(n, c, _)| set_of(n, c) == set);
                        let values: Vec<f64> = members.map(|(n, c, p)| value(n, c, p).into()).collect();
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        let var =
                            values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
                        assert!((found.mean - mean).abs() < 1e-9 && (found.var - var).abs() < 1e-9);
                    }
                };
                let mut all = AllMoments::default();
                for threads in [Threads::single(), Threads::new(2)] {
                    all.of_channels(&threads, &x, layout);
                    check(all.found(), channels, &|_, c| c);
                    all.of_groups(&threads, &x, layout, groups);
                    check(all.found(), batch * groups, &|n, c| n * groups + c / width);
                }
            }
        }
    }
}
