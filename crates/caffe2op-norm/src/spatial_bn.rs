//! `SpatialBN`: batch normalisation, `y = (x - mean[c]) / sqrt(var[c] + epsilon) * scale[c] + bias[c]`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `is_test` | required | whether mean and variance are inputs, or those of the batch |
//! | `epsilon` | 1e-5 | added to the variance; above 0 |
//! | `momentum` | 0.9 | training: weight of the running mean and variance, the rest being the batch's |
//! | `num_batches` | 1 | training: above 1, inputs 5 and 6 hold sums over so many batches of this size |
//! | `order` | NCHW | where the channels are |
//!
//! (Caffe2 `spatial_batch_norm_op.h`.)

mod training;

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, DataType, Expectation, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, register_cpu_operator,
};

use self::training::Training;
use crate::apply::Coefficients;
use crate::layout::{Layout, Order, declare_order, read_order};
use crate::moments::two_passes;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SpatialBnOp {
    order: Order,
    epsilon: f32,
    /// What training needs; `None` when the operator is in test mode.
    training: Option<Training>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl OperatorType for SpatialBnOp {
    const TYPE: &'static str = "SpatialBN";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Normalises each channel: Y = (X - mean) / sqrt(var + epsilon) * scale + bias. In test mode mean and \
                 variance are inputs, and Y is the only output. In training they are those of the batch, and all five \
                 outputs are written: the running mean becomes momentum * mean + (1 - momentum) * mean of the batch, \
                 and the running variance likewise, of the unbiased variance of the batch, n / (n - 1) times the \
                 variance. An empty batch leaves them as they are.",
            )
            .inputs_in(&[5, 7])
            .outputs_in(&[1, 5])
            .allow_in_place(&[(0, 0), (5, 3), (6, 4)])
            .enforce_in_place(&[(3, 1), (4, 2)])
            .arg_required::<bool>("is_test", "whether mean and variance are inputs, not those of the batch")
            .arg("epsilon", "added to the variance; above 0", 1e-5f32)
            .arg("momentum", "weight of the running mean and variance in training; 0 to 1", 0.9f32)
            .arg("num_batches", "in training, above 1: batches that inputs 5 and 6 hold the sums of", 1)
            .fill_using(declare_order)
            .input("X", "float tensor of two or more dimensions: batch, channels, and any others")
            .input("scale", "float tensor with one element for each channel")
            .input("bias", "float tensor with one element for each channel")
            .input("mean", "float tensor with one element for each channel: the mean, in training the running mean")
            .input("var", "float tensor with one element for each channel: the variance, in training the running one")
            .input("sums", "float tensor with one element for each channel: sums over num_batches batches")
            .input("sumsq", "float tensor with one element for each channel: sums of squares over num_batches batches")
            .output("Y", "float tensor of X's shape")
            .output("running_mean", "training: the new running mean, [channels], in place of input 3")
            .output("running_var", "training: the new running variance, [channels], in place of input 4")
            .output("saved_mean", "training: the mean of the batch, [channels]; 0 when it is empty")
            .output("saved_inv_std", "training: 1 / sqrt(var + epsilon) of the batch, [channels]; 0 when it is empty")
            .infer(infer)
            .expect(|context, index| match index {
                0 => Expectation::floats(context.output(0).dims),
                _ => Expectation::of_type(DataType::Float),
            })
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-5))
            .differences(concat!(
                "Means and variances of another length than there are channels are refused, where Caffe2 reads beyond \
                 them in training, and does not look at them if the batch is empty; so is num_batches below 1. ",
                two_passes!()
            ))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (is_test, epsilon, momentum) =
            (args.get("is_test")?, args.get::<f32>("epsilon")?, args.get::<f32>("momentum")?);
        let batches = args.get::<i32>("num_batches")?;
        if epsilon.is_nan() || epsilon <= 0.0 {
            return Err(ArgError::value("epsilon", format!("found {epsilon}, expected a value above 0")));
        }
        if !(0.0..=1.0).contains(&momentum) {
            return Err(ArgError::value("momentum", format!("found {momentum}, expected 0 to 1")));
        }
        let (outputs, wanted) = (args.output_count(), if is_test { 1 } else { 5 });
        if outputs != wanted {
            let message =
                format!("is {}, with which there are {wanted} outputs, not {outputs}", u8::from(is_test));
            return Err(ArgError::value("is_test", message));
        }
        let training =
            if is_test { None } else { Some(Training::new(momentum, batches, args.input_count())?) };
        Ok(SpatialBnOp { order: read_order(args)?, epsilon, training, scale: Vec::new(), shift: Vec::new() })
    }
}

impl Operator for SpatialBnOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = io.input_shape(0)?;
        let mut parameters = [const { None }; 6];
        for (index, parameter) in parameters.iter_mut().enumerate().take(self.parameters_used()) {
            *parameter = Some(io.input_shape(index + 1)?);
        }
        let layout = check(self.order, &shape, parameters.each_ref().map(Option::as_ref))?;
        match &mut self.training {
            None => self.test(io, layout),
            Some(training) => training.run(io, layout, self.epsilon),
        }
    }
}

impl SpatialBnOp {
    /// How many inputs after the first count.
    fn parameters_used(&self) -> usize {
        if self.training.as_ref().is_some_and(Training::takes_sums) { 6 } else { 4 }
    }

    fn test(&mut self, io: &mut OpIo<'_>, layout: Layout) -> Result<(), OpError> {
        let (scale, bias): (&[f32], &[f32]) = (io.input_slice(1)?, io.input_slice(2)?);
        let (mean, var): (&[f32], &[f32]) = (io.input_slice(3)?, io.input_slice(4)?);
        let data = io.unary(0, 0)?;
        self.scale.clear();
        self.scale.extend(scale.iter().zip(var).map(|(scale, var)| scale / (var + self.epsilon).sqrt()));
        self.shift.clear();
        let terms = bias.iter().zip(mean).zip(&self.scale);
        self.shift.extend(terms.map(|((bias, mean), scale)| bias - mean * scale));
        let with = Coefficients { mean: &[], scale: &self.scale, shift: &self.shift, per_item: false };
        layout.apply(io.threads(), data, with);
        Ok(())
    }
}

fn check(order: Order, shape: &Shape, parameters: [Option<&Shape>; 6]) -> Result<Layout, OpError> {
    let layout = Layout::with_parameters(shape, order, parameters)?;
    if layout.channels == 0 {
        return Err(OpError::input(0, format!("has shape {shape}, expected channels")));
    }
    Ok(layout)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let op = SpatialBnOp::from_args(context.args())?;
    let of_float = |shape| TensorInfo { data_type: Some(DataType::Float), shape };
    let Some(shape) = context.shape(0) else { return Ok(vec![of_float(None); context.output_count()]) };
    let parameters = std::array::from_fn(|i| context.shape(i + 1).filter(|_| i < op.parameters_used()));
    let channels = Shape::new(&[check(op.order, shape, parameters)?.channels])?;
    let mut outputs = vec![of_float(Some(channels)); context.output_count()];
    if let Some(y) = outputs.first_mut() {
        *y = of_float(Some(shape.clone()));
    }
    Ok(outputs)
}

register_cpu_operator!(SpatialBnOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn of(values: &[f32]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    fn def(is_test: bool, outputs: &[&str]) -> OperatorDef {
        let def = OperatorDef::new("SpatialBN").inputs(["x", "s", "b", "m", "v"]).arg("is_test", is_test);
        def.outputs(outputs.iter().copied())
    }

    const TRAINING: [&str; 5] = ["y", "m", "v", "sm", "si"];

    fn run(def: &OperatorDef, x: &[f32]) -> Result<Vec<Vec<f32>>, String> {
        let x = Tensor::from_slice([2, 2, x.len() / 4], x).unwrap();
        let tensors = [x, of(&[1.0, 2.0]), of(&[0.0, 1.0]), of(&[1.0, 2.0]), of(&[4.0, 1.0])];
        let outputs = run_operator(def, tensors).map_err(|e| e.to_string())?;
        Ok(outputs.iter().map(|t| t.as_slice::<f32>().unwrap().to_vec()).collect())
    }

    fn near(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-4), "{got:?} {want:?}");
    }

    #[test]
    fn test_mode_takes_mean_and_variance_from_inputs() {
        for output in ["x", "y"] {
            let y = run(&def(true, &[output]), &[1.0, 3.0, 2.0, 3.0, 5.0, 7.0, 1.0, 0.0]).unwrap();
            near(&y[0], &[0.0, 1.0, 1.0, 3.0, 2.0, 3.0, -1.0, -3.0]);
        }
    }

    #[test]
    fn training_survives_a_large_mean() {
        let x = [10000.0, 10001.0, 5.0, 5.0, 10003.0, 10004.0, 5.0, 5.0];
        let outputs = run(&def(false, &TRAINING), &x).unwrap();
        let r = 1.0 / 2.5f32.sqrt();
        near(&outputs[0], &[-2.0 * r, -r, 1.0, 1.0, r, 2.0 * r, 1.0, 1.0]);
        near(&outputs[2], &[3.6 + 0.1 * 2.5 * 4.0 / 3.0, 0.9]);
        near(&outputs[3], &[10002.0, 5.0]);
        assert!((outputs[1][0] - 1001.1).abs() < 1e-2);
    }

    #[test]
    fn arguments_and_shapes_are_checked() {
        let x = [0.0; 4];
        for (def, word) in [
            (def(true, &TRAINING), "`is_test`"),
            (def(false, &["y"]), "`is_test`"),
            (def(true, &["y"]).arg("epsilon", 0.0f32), "`epsilon`"),
            (def(true, &["y"]).arg("momentum", 1.5f32), "`momentum`"),
            (def(true, &["y"]).arg("order", "CHW"), "`order`"),
            (def(false, &TRAINING).arg("num_batches", 0), "`num_batches`"),
            (def(false, &TRAINING).arg("num_batches", 2), "7 inputs"),
            (def(false, &["y", "a", "b", "c", "d"]), "same blob"),
        ] {
            let error = run(&def, &x).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let error =
            run_operator(&def(true, &["y"]), [of(&[1.0]), of(&[1.0]), of(&[1.0]), of(&[1.0]), of(&[1.0])]);
        assert!(error.unwrap_err().to_string().contains("2 or more dimensions"));
    }
}
