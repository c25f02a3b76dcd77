//! Normalisation of groups of channels: what `GroupNorm` and `InstanceNorm` share.

use caffe2_operator::{DataType, InOut, InferContext, OpError, OpIo, Shape, TensorInfo};

use crate::apply::Coefficients;
use crate::layout::Layout;
use crate::moments::AllMoments;

/// What one run leaves for the next to use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    moments: AllMoments,
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Scratch {
    /// Normalises input 0 by groups, scales and shifts it by inputs 1 and 2, and writes the moments to outputs 1 and
    /// 2, so far as there are any.
    pub(crate) fn normalise(
        &mut self,
        io: &mut OpIo<'_>,
        layout: Layout,
        groups: usize,
        epsilon: f32,
    ) -> Result<(), OpError> {
        let (gamma, beta): (&[f32], &[f32]) = (io.input_slice(1)?, io.input_slice(2)?);
        let x: &[f32] = io.peek(0)?.as_slice().map_err(|source| OpError::Input { index: 0, source })?;
        self.moments.of_groups(io.threads(), x, layout, groups);
        let data: InOut<'_, f32> = io.unary(0, 0)?;
        let moments = self.moments.found();
        if io.output_count() > 1 {
            let mean = io.output_slice::<f32>(1, [layout.batch, groups])?;
            if moments.is_empty() {
                mean.fill(0.0);
            }
            mean.iter_mut().zip(moments).for_each(|(y, m)| *y = m.mean as f32);
        }
        if io.output_count() > 2 {
            let inv_std = io.output_slice::<f32>(2, [layout.batch, groups])?;
            if moments.is_empty() {
                inv_std.fill(1.0 / epsilon.sqrt());
            }
            inv_std.iter_mut().zip(moments).for_each(|(y, m)| *y = (1.0 / m.std(epsilon)) as f32);
        }
        if data.is_empty() {
            return Ok(());
        }
        self.combine(layout.channels / groups, epsilon, gamma, beta);
        let with = Coefficients { mean: &self.mean, scale: &self.scale, shift: &self.shift, per_item: true };
        layout.apply(io.threads(), data, with);
        Ok(())
    }

    /// Works out the coefficients of each channel of each item, of which `width` make a group.
    fn combine(&mut self, width: usize, epsilon: f32, gamma: &[f32], beta: &[f32]) {
        self.mean.clear();
        self.scale.clear();
        self.shift.clear();
        let groups = gamma.len() / width;
        for (index, m) in self.moments.found().iter().enumerate() {
            let first = index % groups * width;
            let inv_std = (1.0 / m.std(epsilon)) as f32;
            self.mean.extend(std::iter::repeat_n(m.mean as f32, width));
            self.scale.extend(gamma[first..first + width].iter().map(|gamma| gamma * inv_std));
            self.shift.extend_from_slice(&beta[first..first + width]);
        }
    }
}

/// `Y` like input 0, and the moments of each group of each item.
pub(crate) fn outputs(
    context: &InferContext<'_>,
    check: impl FnOnce(&Shape, [Option<&Shape>; 2]) -> Result<(Layout, usize), OpError>,
) -> Result<Vec<TensorInfo>, OpError> {
    let of_float = |shape| TensorInfo { data_type: Some(DataType::Float), shape };
    let Some(shape) = context.shape(0) else { return Ok(vec![of_float(None); context.output_count()]) };
    let (layout, groups) = check(shape, [context.shape(1), context.shape(2)])?;
    let mut outputs = vec![of_float(Some(shape.clone())); context.output_count()];
    for moments in outputs.iter_mut().skip(1) {
        *moments = of_float(Some(Shape::new(&[layout.batch, groups])?));
    }
    Ok(outputs)
}
