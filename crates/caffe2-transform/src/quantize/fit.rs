//! The line on which the 256 codes of a weight lie, chosen such that the squares of the errors are few.
//!
//! The line through the least and the greatest value is the first candidate. Two searches start from lines: from that
//! one, and from the best clipped range by a histogram and the usual model of the error (values beyond the range move
//! to its ends, those within by up to half a step). Each search alternates between giving every value its nearest code
//! and fitting the line to these codes by least squares (Lloyd 1982, for evenly spaced levels), neither of which makes
//! the error larger. Of each result there is also a version with a code that is exactly zero. The candidate whose
//! codes are nearest to the values, computed with the floats that the codes will stand for, is taken.

use std::collections::HashSet;

use caffe2_kernels::dequant::Affine;
use caffe2_kernels::rowwise::{Fused8, Rounding, RowFormat as _};
use caffe2_kernels::{Isa, Threads};

use super::codes::{BLOCK, Codebook, Distance};

/// A line that a file can hold, and the values of its first and last code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) affine: Affine,
    pub(super) min: f32,
    pub(super) max: f32,
}

/// How a file holds a line, which decides what lines there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The ends of the range, from which the scale is computed: `ByteWeightDequant`.
    Range,
    /// Scale and bias: the tail of a fused row.
    Tail,
}

impl Form {
    fn codebook(self, line: Affine) -> Codebook {
        let rounding = match self {
            Form::Range => Rounding::Twice,
            Form::Tail => Fused8::ROUNDING,
        };
        Codebook::new(line, rounding)
    }

    /// The line through the ends of a range; `None` when the range is wider than a float can tell.
    fn through(self, min: f32, max: f32) -> Option<Line> {
        let affine = Affine::from_range(min, max);
        let max = if self == Form::Range { max } else { affine.value(255) };
        Line { affine, min, max }.checked()
    }

    /// The line nearest to this one.
    fn near(self, scale: f64, bias: f64) -> Option<Line> {
        let bias32 = bias as f32;
        match self {
            Form::Range => self.through(bias32, (bias + 255.0 * scale) as f32),
            Form::Tail => self.tail(scale as f32, bias32),
        }
    }

    fn tail(self, scale: f32, bias: f32) -> Option<Line> {
        let affine = Affine { scale, bias };
        Line { affine, min: bias, max: affine.value(255) }.checked()
    }

    /// A line of about this scale on which `code` stands for exactly zero.
    ///
    /// The scale has 16 significant bits, so that all its products with codes are floats: the ends give it back
    /// without rounding, and the product for `code` meets the bias exactly, rounded or not.
    fn with_zero(self, scale: f32, code: u8) -> Option<Line> {
        let scale = f32::from_bits(scale.to_bits().saturating_add(0x80) & !0xff);
        let min = -(f32::from(code) * scale);
        match self {
            Form::Range => self.through(min, f32::from(255 - code) * scale),
            Form::Tail => self.tail(scale, min),
        }
    }
}

impl Line {
    fn checked(self) -> Option<Line> {
        let Affine { scale, bias } = self.affine;
        (scale >= 0.0 && scale.is_finite() && bias.is_finite() && self.affine.value(255).is_finite())
            .then_some(self)
    }
}

/// A line, the codes of all values on it, and how good they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub(super) line: Line,
    pub(super) codes: Vec<u8>,
    pub(super) distance: Distance,
}

/// The least and the greatest of values that are all finite; `None` for no values.
pub(super) fn extremes(values: &[f32]) -> Option<(f32, f32)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(min, max), &v| (min.min(v), max.max(v))))
}

/// The codes of finite values on the best line that is found; never worse than the line through the extremes.
/// `None` when there are no values, or they are farther apart than a float can tell.
pub(super) fn fit(values: &[f32], form: Form, threads: &Threads) -> Option<Fit> {
    let (min, max) = extremes(values)?;
    let full = form.through(min, max)?;
    let plain = measure(values, full, form, threads);
    // Too flat for anything better: what rounds is the float, not the code.
    if plain.distance.squares == 0.0 || full.affine.scale < f32::MIN_POSITIVE * 256.0 {
        return Some(plain);
    }
    let on_grid = grid(values, form).map(|line| measure(values, line, form, threads));
    let better = |best: Fit, fit: Fit| if fit.distance.squares < best.distance.squares { fit } else { best };
    let best = on_grid.into_iter().fold(plain, better);
    if best.distance.squares == 0.0 {
        return Some(best);
    }
    Some(better(best, measure(values, search(values, form, full, threads), form, threads)))
}

/// The best line of two searches and their versions with an exact zero.
fn search(values: &[f32], form: Form, full: Line, threads: &Threads) -> Line {
    let starts = [Some(full), clipped(values, form, (full.min, full.max))];
    let found: Vec<_> =
        starts.into_iter().flatten().map(|start| refine(values, form, start, threads)).collect();
    let zeros = found.iter().filter_map(|found| with_zero(values, form, found.line, threads));
    let least = |a: Refined, b: Refined| if b.error < a.error { b } else { a };
    let zero = zeros.reduce(least);
    let any = found.into_iter().reduce(least);
    let keeps_zeros = values.contains(&0.0);
    match (any, zero) {
        (Some(any), Some(zero)) if zero.error < any.error * if keeps_zeros { ZEROS } else { 1.0 } => {
            zero.line
        }
        (Some(any), _) => any.line,
        (None, _) => full,
    }
}

/// How much larger the error may be for zeros among the values to stay exactly zero.
const ZEROS: f64 = 1.01;

/// Gives each value its code on a line.
fn measure(values: &[f32], line: Line, form: Form, threads: &Threads) -> Fit {
    let mut codes = vec![0; values.len()];
    let distance = form.codebook(line.affine).encode(values, &mut codes, threads);
    Fit { line, codes, distance }
}

/// Most bins of the histogram.
const BINS: usize = 2048;

/// The range that the model of the error likes best, when that is not the whole.
fn clipped(values: &[f32], form: Form, (min, max): (f32, f32)) -> Option<Line> {
    let bins = values.len().clamp(16, BINS);
    let (low, width) = (f64::from(min), (f64::from(max) - f64::from(min)) / bins as f64);
    // Count, sum and sum of squares of the values, in steps from the least one, below each edge.
    let mut below = vec![[0.0f64; 3]; bins + 1];
    for &value in values {
        let place = (f64::from(value) - low) / width;
        let bin = (place as usize).min(bins - 1);
        let moments = &mut below[bin + 1];
        (moments[0], moments[1], moments[2]) =
            (moments[0] + 1.0, moments[1] + place, moments[2] + place * place);
    }
    for edge in 1..=bins {
        let before = below[edge - 1];
        below[edge].iter_mut().zip(before).for_each(|(sum, before)| *sum += before);
    }
    let all = below[bins];
    let error = |from: usize, to: usize| {
        let squares = |[n, sum, squares]: [f64; 3], end: f64| squares - 2.0 * end * sum + n * end * end;
        let (first, last) = (from as f64, to as f64);
        let above: [f64; 3] = std::array::from_fn(|moment| all[moment] - below[to][moment]);
        let step = (last - first) / 255.0;
        let within = below[to][0] - below[from][0];
        squares(below[from], first) + squares(above, last) + within * step * step / 12.0
    };
    // One end at a time, until neither moves.
    let (mut from, mut to) = (0, bins);
    loop {
        let last = (from..=bins).skip(1).min_by(|&a, &b| error(from, a).total_cmp(&error(from, b)))?;
        let first = (0..last).min_by(|&a, &b| error(a, last).total_cmp(&error(b, last)))?;
        if (first, last) == (from, to) {
            break;
        }
        (from, to) = (first, last);
    }
    if (from, to) == (0, bins) {
        return None;
    }
    let edge = |bin: usize| low + width * bin as f64;
    form.near((edge(to) - edge(from)) / 255.0, edge(from))
}

/// Most rounds of codes and line.
const ROUNDS: usize = 20;

/// The share by which a round must lessen the error for another one to follow.
const GAIN: f64 = 1e-4;

/// A line, and the sum of the squared errors on it.
#[derive(Debug, Clone, Copy)]
struct Refined {
    line: Line,
    error: f64,
}

/// Codes for the line, a line for the codes, and again.
fn refine(values: &[f32], form: Form, start: Line, threads: &Threads) -> Refined {
    let next = |sums: &Sums, line: Line| {
        let (scale, bias) = sums.best_line(line)?;
        form.near(scale, bias)
    };
    alternate(values, start, threads, next)
}

/// The line with an exact zero that is best near `line`, if zero is not beyond its ends.
fn with_zero(values: &[f32], form: Form, line: Line, threads: &Threads) -> Option<Refined> {
    if line.min > 0.0 || line.max < 0.0 {
        return None;
    }
    let code = form.codebook(line.affine).code(0.0);
    let start = form.with_zero(line.affine.scale, code)?;
    let next = |sums: &Sums, line: Line| form.with_zero(sums.best_scale(line, code)? as f32, code);
    Some(alternate(values, start, threads, next))
}

fn alternate(
    values: &[f32],
    mut line: Line,
    threads: &Threads,
    next: impl Fn(&Sums, Line) -> Option<Line>,
) -> Refined {
    let mut sums = Sums::of(values, line, threads);
    for _ in 0..ROUNDS {
        let Some(new) = next(&sums, line) else { break };
        let new_sums = Sums::of(values, new, threads);
        let gain = 1.0 - new_sums.error(new) / sums.error(line);
        if gain > 0.0 {
            (line, sums) = (new, new_sums);
        }
        if gain.is_nan() || gain <= GAIN {
            break;
        }
    }
    Refined { line, error: sums.error(line) }
}

/// The line of values that lie on one already, as those do that were codes before: few different values, whose
/// distances are multiples of the least one.
fn grid(values: &[f32], form: Form) -> Option<Line> {
    let mut distinct = HashSet::new();
    for value in values {
        // Zero has two signs and is one value.
        distinct.insert((value + 0.0).to_bits());
        if distinct.len() > 256 {
            return None;
        }
    }
    let mut distinct: Vec<f64> = distinct.into_iter().map(|bits| f32::from_bits(bits).into()).collect();
    distinct.sort_by(f64::total_cmp);
    let (first, last) = (*distinct.first()?, *distinct.last()?);
    let least = distinct.windows(2).map(|pair| pair[1] - pair[0]).min_by(f64::total_cmp)?;
    let steps = ((last - first) / least).round();
    // The least distance has the rounding of two floats in it, the whole range has hardly any.
    let scale = (last - first) / steps;
    let is_multiple =
        |value: &f64| ((value - first) / scale).fract().min(1.0 - ((value - first) / scale).fract()) < 0.1;
    if steps > 255.0 || !distinct.iter().all(is_multiple) {
        return None;
    }
    let line = form.near(scale, first)?;
    let distance = |line: &Line| {
        let book = form.codebook(line.affine);
        let error = |value: &f64| (value - f64::from(book.value(book.code(*value as f32)))).abs();
        distinct.iter().map(error).fold(0.0, f64::max)
    };
    // The exact line is the same within the rounding of its end.
    let mut end = line.max.next_down().next_down();
    let mut lines = Vec::from([line]);
    for _ in 0..5 {
        let scale = (f64::from(end) - f64::from(line.min)) / 255.0;
        lines.extend(form.near(scale, first));
        end = end.next_up();
    }
    lines.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Sums over all values, of the place `t` of each on a line (in steps from code 0) and its code `q`.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    codes: f64,
    code_squares: f64,
    places: f64,
    products: f64,
    /// Of the squares of `t - q`.
    squares: f64,
}

/// Values that are added up in floats, lane by lane, before they are added to the sums.
const CHUNK: usize = 256;
const LANES: usize = 16;

impl Sums {
    fn of(values: &[f32], line: Line, threads: &Threads) -> Sums {
        let mut parts = vec![Sums::default(); values.len().div_ceil(BLOCK)];
        let isa = Isa::current();
        threads.for_each_block(&mut parts, 1, 1, |index, part| {
            let block = &values[index * BLOCK..values.len().min((index + 1) * BLOCK)];
            isa.dispatch(
                #[inline(always)]
                || part[0] = Sums::of_block(block, line.affine),
            );
        });
        parts.into_iter().fold(Sums::default(), Sums::with)
    }

    #[inline(always)]
    fn of_block(values: &[f32], line: Affine) -> Sums {
        let mut sums = Sums { count: values.len() as f64, ..Sums::default() };
        let inverse = 1.0 / line.scale;
        for chunk in values.chunks(CHUNK) {
            let mut lanes = [[0.0f32; LANES]; 5];
            let (whole, rest) = chunk.as_chunks::<LANES>();
            for group in whole {
                add_group(&mut lanes, group, line.bias, inverse);
            }
            for (lane, &value) in rest.iter().enumerate() {
                let mut one = [[0.0; 1]; 5];
                add_group(&mut one, &[value], line.bias, inverse);
                for (sum, one) in lanes.iter_mut().zip(one) {
                    sum[lane] += one[0];
                }
            }
            let [codes, code_squares, places, products, squares] =
                lanes.map(|lane| lane.iter().map(|&x| f64::from(x)).sum::<f64>());
            sums = sums.with(Sums { count: 0.0, codes, code_squares, places, products, squares });
        }
        sums
    }

    fn with(self, other: Sums) -> Sums {
        Sums {
            count: self.count + other.count,
            codes: self.codes + other.codes,
            code_squares: self.code_squares + other.code_squares,
            places: self.places + other.places,
            products: self.products + other.products,
            squares: self.squares + other.squares,
        }
    }

    /// The sum of the squared errors, as far as it depends on the exact line.
    fn error(&self, line: Line) -> f64 {
        self.squares * f64::from(line.affine.scale).powi(2)
    }

    /// Scale and bias of the line on which the codes are nearest to the values.
    fn best_line(&self, line: Line) -> Option<(f64, f64)> {
        let spread = self.count * self.code_squares - self.codes * self.codes;
        let slope = (self.count * self.products - self.codes * self.places) / spread;
        let offset = (self.places - slope * self.codes) / self.count;
        let (scale, bias) = (f64::from(line.affine.scale), f64::from(line.affine.bias));
        let found = (scale * slope, bias + scale * offset);
        (spread > 0.0 && found.0 > 0.0).then_some(found)
    }

    /// The same among the lines on which `zero` stands for zero: the scale.
    fn best_scale(&self, line: Line, zero: u8) -> Option<f64> {
        let (scale, bias, zero) =
            (f64::from(line.affine.scale), f64::from(line.affine.bias), f64::from(zero));
        let squares = self.code_squares - 2.0 * zero * self.codes + zero * zero * self.count;
        // Of value times code, both counted from zero; a value is bias + scale * t.
        let products = bias * (self.codes - zero * self.count) + scale * (self.products - zero * self.places);
        let found = products / squares;
        (squares > 0.0 && found > 0.0).then_some(found)
    }
}

/// Adds the terms of as many values as there are lanes to codes, their squares, places, products and squared errors.
#[inline(always)]
fn add_group<const N: usize>(lanes: &mut [[f32; N]; 5], values: &[f32; N], bias: f32, inverse: f32) {
    /// Added and taken away again it rounds a float below 2^22.
    const ROUND: f32 = 12_582_912.0;
    for lane in 0..N {
        let place = (values[lane] - bias) * inverse;
        let code = (place.clamp(0.0, 255.0) + ROUND) - ROUND;
        let error = place - code;
        lanes[0][lane] += code;
        lanes[1][lane] += code * code;
        lanes[2][lane] += place;
        lanes[3][lane] += place * code;
        lanes[4][lane] += error * error;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_pcg::Pcg32;

    use super::*;

    const FORMS: [Form; 2] = [Form::Range, Form::Tail];

    /// Values from a bell: sums of twelve uniform numbers.
    fn bell(count: usize) -> Vec<f32> {
        let mut random = Pcg32::new(1, 2);
        let mut uniform = move || (random.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0..count).map(|_| (0..12).map(|_| uniform()).sum()).collect()
    }

    fn decibels(values: &[f32], form: Form) -> f64 {
        let distance = fit(values, form, &Threads::single()).unwrap().distance;
        10.0 * (distance.signal / distance.squares).log10()
    }

    fn plain_decibels(values: &[f32]) -> f64 {
        let (min, max) = extremes(values).unwrap();
        let line = Form::Range.through(min, max).unwrap();
        let distance = measure(values, line, Form::Range, &Threads::single()).distance;
        10.0 * (distance.signal / distance.squares).log10()
    }

    #[test]
    fn ranges_are_better_than_least_to_greatest() {
        let many = bell(200_000);
        let pruned: Vec<f32> = many.iter().map(|&v| if v.abs() < 1.0 { 0.0 } else { v }).collect();
        for (values, gain) in [(&many, 0.3), (&pruned, 3.0), (&many[..500].to_vec(), 0.05)] {
            for form in FORMS {
                assert!(decibels(values, form) > plain_decibels(values) + gain, "{form:?} {gain}");
            }
        }
    }

    #[test]
    fn threads_and_instruction_sets_change_no_bit() {
        let values = bell(3 * BLOCK + 17);
        for form in FORMS {
            let want = fit(&values, form, &Threads::single());
            assert_eq!(fit(&values, form, &Threads::new(2)), want);
            for isa in Isa::available() {
                assert_eq!(isa.scope(|| fit(&values, form, &Threads::single())), want, "{isa:?}");
            }
        }
    }

    #[test]
    fn zero_is_exact_where_values_are_zero() {
        let mut values = bell(2000);
        values[500..1500].fill(0.0);
        for form in FORMS {
            let Fit { line, codes, .. } = fit(&values, form, &Threads::single()).unwrap();
            assert!(codes[500..1500].iter().all(|&code| line.affine.value(code) == 0.0), "{form:?} {line:?}");
        }
    }

    #[test]
    fn what_lies_on_a_line_of_codes_stays_there() {
        let codes = |step: usize| (0..600).map(move |i| (i * step % 256) as u8);
        for line in [
            Affine::from_range(-1.37, 2.11),
            Affine::from_range(0.001, 0.00125),
            Affine::from_range(-9e9, 3.0),
        ] {
            let all: Vec<f32> = codes(7).map(|code| line.value(code)).collect();
            let some: Vec<f32> = codes(7).map(|code| line.value(code / 2 + 60)).collect();
            for form in FORMS {
                assert!(decibels(&all, form) > 135.0 && decibels(&some, form) > 135.0, "{line:?} {form:?}");
            }
        }
        let fit = fit(&[0.5, -0.5, 0.0, 0.5], Form::Range, &Threads::single()).unwrap();
        assert_eq!(fit.distance.squares, 0.0);
    }

    #[test]
    fn extreme_values_have_a_line_or_none() {
        let threads = Threads::single();
        for form in FORMS {
            assert_eq!(fit(&[], form, &threads), None);
            assert_eq!(fit(&[f32::MIN, f32::MAX], form, &threads), None);
            for values in [
                vec![f32::MAX; 3],
                vec![0.0, f32::MAX],
                vec![1e-45, 0.0, -1e-45, 5e-45],
                vec![1.0, 1.0 + f32::EPSILON, 1.0],
                vec![-0.0, 0.0],
                vec![1e38, -1e38, 3.0],
            ] {
                let fit = fit(&values, form, &threads).unwrap();
                let width = f64::from(values.iter().fold(f32::MIN, |a, &b| a.max(b)))
                    - f64::from(values[0].min(values[1]));
                assert!(fit.distance.largest <= width / 255.0 + 1e-44, "{form:?} {values:?} {fit:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_worse_than_least_to_greatest(
            values in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 1..100), narrow: bool,
        ) {
            let narrowed = |v: &f32| if narrow { v % 8.0 } else { *v };
            let values: Vec<f32> = values.iter().map(narrowed).collect();
            let (min, max) = extremes(&values).unwrap();
            for form in FORMS {
                let Some(full) = form.through(min, max) else { continue };
                let plain = measure(&values, full, form, &Threads::single()).distance;
                let fit = fit(&values, form, &Threads::single()).unwrap();
                prop_assert!(fit.distance.squares <= plain.squares, "{:?}", fit.line);
                let stored = form.codebook(fit.line.affine);
                prop_assert!(values.iter().zip(&fit.codes).all(|(&v, &q)| stored.code(v) == q));
            }
        }

        #[test]
        fn a_line_with_zero_has_it(scale in 1e-20f32..1e20, code: u8) {
            for form in FORMS {
                let line = form.with_zero(scale, code).unwrap();
                prop_assert_eq!(line.affine.value(code), 0.0);
                prop_assert_eq!(f32::from(code).mul_add(line.affine.scale, line.affine.bias), 0.0);
                prop_assert!((line.affine.scale / scale - 1.0).abs() < 2e-5);
            }
        }
    }
}
