//! Training: normalisation by the mean and variance of the batch.

use caffe2_operator::{ArgError, InOut, OpError, OpIo};

use crate::apply::Coefficients;
use crate::layout::Layout;
use crate::moments::{AllMoments, Moments};

/// The inputs with the running mean and variance; the outputs that they are in place come two before.
const MEAN: usize = 3;
const VARIANCE: usize = 4;

/// What training needs, and what one run leaves for the next to use again.
#[derive(Debug)]
pub(super) struct Training {
    momentum: f32,
    batches: u32,
    moments: AllMoments,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Training {
    /// Checks `num_batches`.
    pub(super) fn new(momentum: f32, batches: i32, inputs: usize) -> Result<Training, ArgError> {
        let error = match u32::try_from(batches) {
            Ok(batches) if batches == 1 || (batches > 1 && inputs == 7) => {
                let (mean, scale) = (Vec::new(), Vec::new());
                return Ok(Training { momentum, batches, moments: AllMoments::default(), mean, scale });
            }
            Ok(2..) => format!("is {batches}, which needs 7 inputs, not {inputs}"),
            _ => format!("found {batches}, expected 1 or more"),
        };
        Err(ArgError::value("num_batches", error))
    }

    /// Whether the inputs 5 and 6 count.
    pub(super) fn takes_sums(&self) -> bool {
        self.batches > 1
    }

    /// Writes all outputs.
    pub(super) fn run(&mut self, io: &mut OpIo<'_>, layout: Layout, epsilon: f32) -> Result<(), OpError> {
        let (scale, shift) = (io.input_slice::<f32>(1)?, io.input_slice(2)?);
        for running in [3, 4] {
            floats(io, running)?;
        }
        // In double precision: exact up to 2^53 elements, and the product cannot overflow.
        let elements = layout.batch as f64 * layout.pixels as f64 * f64::from(self.batches);
        self.find_moments(io, layout, elements)?;
        let data: InOut<'_, f32> = io.unary(0, 0)?;
        self.update_running(io, layout, elements)?;
        let saved_mean = io.output_slice::<f32>(3, [layout.channels])?;
        let saved_inv_std = io.output_slice::<f32>(4, [layout.channels])?;
        if layout.batch == 0 {
            saved_mean.fill(0.0);
            saved_inv_std.fill(0.0);
            return Ok(());
        }
        for ((mean, inv_std), m) in saved_mean.iter_mut().zip(&mut *saved_inv_std).zip(self.moments.found()) {
            (*mean, *inv_std) = (m.mean as f32, (1.0 / m.std(epsilon)) as f32);
        }
        self.mean.clear();
        self.mean.extend_from_slice(saved_mean);
        self.scale.clear();
        self.scale.extend(scale.iter().zip(&*saved_inv_std).map(|(scale, inv_std)| scale * inv_std));
        let with = Coefficients { mean: &self.mean, scale: &self.scale, shift, per_item: false };
        layout.apply(io.threads(), data, with);
        Ok(())
    }

    fn find_moments(&mut self, io: &OpIo<'_>, layout: Layout, elements: f64) -> Result<(), OpError> {
        let x = floats(io, 0)?;
        if self.takes_sums() {
            let sums = floats(io, 5)?.iter().zip(floats(io, 6)?);
            self.moments.set(sums.map(|(&sum, &squares)| of_sums(sum, squares, elements)));
        } else if x.is_empty() {
            self.moments.set(std::iter::repeat_n(Moments::default(), layout.channels));
        } else {
            self.moments.of_channels(io.threads(), x, layout);
        }
        Ok(())
    }

    /// Moves the running mean and variance toward those of the batch.
    fn update_running(&self, io: &mut OpIo<'_>, layout: Layout, elements: f64) -> Result<(), OpError> {
        let old = self.momentum;
        let new = 1.0 - old;
        // As in Caffe2 a single element has no unbiased variance: NaN.
        let unbiased = elements / (elements - 1.0);
        let running = |index, m: &Moments| if index == MEAN { m.mean } else { m.var * unbiased };
        for index in [MEAN, VARIANCE] {
            let Some(tensor) = io.in_place(index, index - 2)? else {
                return Err(OpError::input(
                    index,
                    "must be the same blob as the output of the running value",
                ));
            };
            let reshaped = tensor.reshape([layout.channels]).and_then(|()| tensor.as_mut_slice::<f32>());
            let values = reshaped.map_err(|source| OpError::Input { index, source })?;
            if layout.batch > 0 {
                let pairs = values.iter_mut().zip(self.moments.found());
                pairs.for_each(|(y, m)| *y = old * *y + new * running(index, m) as f32);
            }
        }
        Ok(())
    }
}

/// The elements of an input that may be an output too.
fn floats<'a>(io: &'a OpIo<'_>, index: usize) -> Result<&'a [f32], OpError> {
    io.peek(index)?.as_slice().map_err(|source| OpError::Input { index, source })
}

fn of_sums(sum: f32, squares: f32, elements: f64) -> Moments {
    if elements == 0.0 {
        return Moments::default();
    }
    let mean = f64::from(sum) / elements;
    Moments { mean, var: f64::from(squares) / elements - mean * mean }
}
