//! `LayerNorm`: each row, everything from `axis` on, is brought to mean 0 and variance 1.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | 1 | the first dimension of the rows; negative ones count from the end |
//! | `epsilon` | 1e-5 | added to the variance |
//! | `elementwise_affine` | 0 | whether gamma and beta, the inputs 1 and 2, scale and shift the rows |
//!
//! (Caffe2 `layer_norm_op.h`.)

use caffe2_kernels::Isa;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

use crate::layout::{BLOCK, GRAIN};
use crate::moments::{AllMoments, Float, two_passes};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct LayerNormOp {
    axis: i32,
    epsilon: f32,
    affine: bool,
    moments: AllMoments,
}

impl OperatorType for LayerNormOp {
    const TYPE: &'static str = "LayerNorm";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Brings each row to mean 0 and variance 1: Y = (X - mean) / std, std = sqrt(var + epsilon); with \
                 elementwise_affine, Y = (X - mean) / std * gamma + beta. A row is everything from axis on.",
            )
            .inputs_in(&[1, 3])
            .outputs(3)
            .arg("axis", "first dimension of the rows; negative: from the end", 1)
            .arg("epsilon", "added to the variance", 1e-5f32)
            .arg("elementwise_affine", "whether gamma and beta are used; they are ignored otherwise", false)
            .input("X", "float or double tensor of two or more dimensions")
            .input("gamma", "tensor of X's type with as many elements as a row")
            .input("beta", "tensor of X's type with as many elements as a row")
            .output("Y", "tensor of X's type and shape")
            .output("mean", "mean of each row: X's dimensions before axis, and 1")
            .output("std", "standard deviation of each row, of the same shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-5))
            .differences(two_passes!())
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let affine = args.get("elementwise_affine")?;
        if affine && args.input_count() != 3 {
            let message = format!("is 1, which needs 3 inputs, not {}", args.input_count());
            return Err(ArgError::value("elementwise_affine", message));
        }
        let (axis, epsilon) = (args.get("axis")?, args.get("epsilon")?);
        Ok(LayerNormOp { axis, epsilon, affine, moments: AllMoments::default() })
    }
}

impl Operator for LayerNormOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64], T => self.compute::<T>(io))
    }
}

impl LayerNormOp {
    fn compute<T: Float>(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
        let (row, moments_shape) = rows(self.axis, shape)?;
        let affine =
            if self.affine { Some((parameter::<T>(io, 1, row)?, parameter(io, 2, row)?)) } else { None };
        let y = io.output_slice::<T>(0, shape)?;
        let mean = io.output_slice::<T>(1, &moments_shape)?;
        let std = io.output_slice::<T>(2, &moments_shape)?;
        if x.is_empty() {
            mean.fill(T::of(0.0));
            std.fill(T::of(f64::from(self.epsilon).sqrt()));
            return Ok(());
        }
        self.moments.of_rows(io.threads(), x, mean.len());
        for ((mean, std), found) in mean.iter_mut().zip(&mut *std).zip(self.moments.found()) {
            (*mean, *std) = (T::of(found.mean), T::of(found.std(self.epsilon)));
        }
        let (mean, std, isa, rows) = (&*mean, &*std, Isa::current(), (BLOCK / row).max(1));
        io.threads().for_each_block(y, rows * row, GRAIN, |block, y| {
            let first = block * rows;
            let x = &x[first * row..][..y.len()];
            let moments = mean[first..].iter().zip(&std[first..]);
            isa.dispatch(
                #[inline(always)]
                move || {
                    for ((y, x), (&mean, &std)) in y.chunks_mut(row).zip(x.chunks(row)).zip(moments) {
                        normalise(x, mean, std, affine, y);
                    }
                },
            );
        });
        Ok(())
    }
}

/// A parameter with as many elements as a row has.
fn parameter<'a, T: Float>(io: &OpIo<'a>, index: usize, row: usize) -> Result<&'a [T], OpError> {
    let parameter = io.input_slice::<T>(index)?;
    check_parameter(index, parameter.len(), row)?;
    Ok(parameter)
}

fn check_parameter(index: usize, found: usize, row: usize) -> Result<(), OpError> {
    if found == row {
        return Ok(());
    }
    Err(OpError::input(index, format!("has {found} elements, expected {row}, as a row has")))
}

#[inline(always)]
fn normalise<T: Float>(x: &[T], mean: T, std: T, affine: Option<(&[T], &[T])>, y: &mut [T]) {
    let factor = T::of(1.0 / std.into());
    match affine {
        None => y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * factor),
        Some((gamma, beta)) => {
            for ((y, &x), (&gamma, &beta)) in y.iter_mut().zip(x).zip(gamma.iter().zip(beta)) {
                *y = (x - mean) * factor * gamma + beta;
            }
        }
    }
}

/// The number of elements of a row, and the shape of what there is one of for each row.
fn rows(axis: i32, shape: &Shape) -> Result<(usize, Shape), OpError> {
    if shape.rank() < 2 {
        return Err(OpError::input(0, format!("has shape {shape}, expected 2 or more dimensions")));
    }
    let axis = shape.axis(axis.into()).map_err(|e| ArgError::value("axis", e.to_string()))?;
    let mut dims = shape.to_i64s();
    dims.truncate(axis);
    dims.push(1);
    Ok((shape.size_from(axis), Shape::from_i64s(&dims)?))
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let LayerNormOp { axis, affine, .. } = LayerNormOp::from_args(context.args())?;
    let Some(shape) = context.shape(0) else {
        return Ok(vec![TensorInfo { data_type: context.data_type(0), shape: None }; 3]);
    };
    let (row, shape) = rows(axis, shape)?;
    for index in [1, 2] {
        if let Some(parameter) = context.shape(index).filter(|_| affine) {
            check_parameter(index, parameter.numel(), row)?;
        }
    }
    let moments = TensorInfo { data_type: context.data_type(0), shape: Some(shape) };
    Ok(vec![context.info(0), moments.clone(), moments])
}

register_cpu_operator!(LayerNormOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn def() -> OperatorDef {
        OperatorDef::new("LayerNorm").input("x").outputs(["y", "m", "s"])
    }

    #[test]
    fn rows_with_a_large_mean_are_normalised() {
        let x = Tensor::from_slice([1, 3], &[10000.0f32, 10001.0, 10002.0]).unwrap();
        let outputs = run_operator(&def(), [x]).unwrap();
        let y = outputs[0].as_slice::<f32>().unwrap();
        assert!((y[0] + 1.224_735).abs() < 1e-4 && y[1] == 0.0, "{y:?}");
        assert_eq!(
            (outputs[1].dims(), outputs[1].as_slice::<f32>().unwrap()),
            (&[1, 1][..], &[10001.0f32][..])
        );
    }

    #[test]
    fn arguments_and_shapes_are_checked() {
        for (def, shape, word) in [
            (def(), &[3][..], "2 or more dimensions"),
            (def().arg("axis", 2), &[1, 3], "`axis`"),
            (def().arg("axis", -3), &[1, 3], "`axis`"),
            (def().arg("elementwise_affine", true), &[1, 3], "3 inputs"),
        ] {
            let error = run_operator(&def, [Tensor::zeros::<f64>(shape).unwrap()]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
