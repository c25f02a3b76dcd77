//! What is made of the rows of a group.

use std::fmt::Debug;

use caffe2_operator::Comparison;

/// How rows become one: what tells one operator of a family from another.
pub trait Reduction: Debug + 'static {
    /// `LengthsSum` for `Sum`, and so on.
    const LENGTHS: &'static str;
    /// What `LengthsSum`, and so on, computes, in words.
    const DOC: &'static str;
    /// How closely results agree.
    const COMPARISON: Comparison = Comparison::Tolerance(1e-5);
    /// Whether the result is divided by the number of rows.
    const MEAN: bool = false;

    /// The result of one value alone.
    fn first(x: f32) -> f32;

    /// The result with one more value.
    fn next(y: f32, x: f32) -> f32;
}

/// The sum.
#[derive(Debug)]
pub enum Sum {}

/// The sum, divided by the number.
#[derive(Debug)]
pub enum Mean {}

/// The largest value.
#[derive(Debug)]
pub enum Max {}

impl Reduction for Sum {
    const LENGTHS: &'static str = "LengthsSum";
    const DOC: &'static str = "Sums rows of DATA: LENGTHS cuts them into groups that follow one another, and each group becomes the \
         sum of its rows. An empty group gives zeros.";

    #[inline(always)]
    fn first(x: f32) -> f32 {
        0.0 + x
    }

    #[inline(always)]
    fn next(y: f32, x: f32) -> f32 {
        y + x
    }
}

impl Reduction for Mean {
    const LENGTHS: &'static str = "LengthsMean";
    const DOC: &'static str = "Averages rows of DATA: LENGTHS cuts them into groups that follow one another, and each group becomes \
         the mean of its rows. An empty group gives zeros.";
    const MEAN: bool = true;

    #[inline(always)]
    fn first(x: f32) -> f32 {
        0.0 + x
    }

    #[inline(always)]
    fn next(y: f32, x: f32) -> f32 {
        y + x
    }
}

impl Reduction for Max {
    const LENGTHS: &'static str = "LengthsMax";
    const DOC: &'static str = "Picks largest values of DATA: LENGTHS cuts its rows into groups that follow one another, and each \
         group becomes one row of the largest values of its columns. An empty group gives zeros.";
    const COMPARISON: Comparison = Comparison::Exact;

    #[inline(always)]
    fn first(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn next(y: f32, x: f32) -> f32 {
        if y < x { x } else { y }
    }
}
