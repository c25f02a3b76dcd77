//! `ConvFused`: a convolution and what a net does to its result next, while it is in the cache:
//! `Y = activation(normalization(Conv(X, filter, bias)) + S)`.
//!
//! No net has it from Caffe2: a pass that merges operators puts it in the place of a `Conv`, operators that scale and shift
//! each channel, a `Sum` and an activation, of which all but the first may be absent.
//!
//! | argument | default | |
//! |---|---|---|
//! | those of `Conv` | | |
//! | `normalization` | none | steps, each with inputs of its own behind the bias: `SpatialBN` has four, `AffineChannel` two, `Mul` and `Add` one |
//! | `epsilon` | 1e-5 | of `SpatialBN`: added to the variance |
//! | `sum` | false | whether the last input is added |
//! | `activation` | none | `Relu`, `LeakyRelu` or `Clip` |
//! | `alpha` | 0.01 | of `LeakyRelu` |
//! | `min`, `max` | all floats | of `Clip` |

use caffe2_kernels::conv::ConvTail;
use caffe2_kernels::gemm::Activation;
use caffe2_operator::{
    ArgError, Args, Comparison, DataType, Expectation, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, register_cpu_operator,
};

use crate::conv::{ConvArgs, convolve, cost, declare_conv_args, expect};
use crate::kept_filter::KeptFilter;

/// A step of what is done to the sums of each filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// `(y - mean) / sqrt(var + epsilon) * scale + bias`
    SpatialBn,
    /// `y * scale + bias`
    AffineChannel,
    /// `y * scale`
    Mul,
    /// `y + bias`
    Add,
}

impl Step {
    fn named(name: &str) -> Result<Step, ArgError> {
        match name {
            "SpatialBN" => Ok(Step::SpatialBn),
            "AffineChannel" => Ok(Step::AffineChannel),
            "Mul" => Ok(Step::Mul),
            "Add" => Ok(Step::Add),
            other => {
                let message =
                    format!("found `{other}`, expected `SpatialBN`, `AffineChannel`, `Mul` or `Add`");
                Err(ArgError::value("normalization", message))
            }
        }
    }

    /// How many inputs it has, each with a value for every filter.
    fn inputs(self) -> usize {
        match self {
            Step::SpatialBn => 4,
            Step::AffineChannel => 2,
            Step::Mul | Step::Add => 1,
        }
    }
}

/// What all steps do together: `y * scale + shift`.
#[derive(Debug, Default)]
struct Line {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Line {
    /// Nothing is done but to add a bias.
    fn start(&mut self, filters: usize, bias: Option<&[f32]>) {
        self.scale.clear();
        self.scale.resize(filters, 1.0);
        self.shift.clear();
        match bias {
            Some(bias) => self.shift.extend_from_slice(bias),
            None => self.shift.resize(filters, 0.0),
        }
    }

    fn multiply(&mut self, factors: &[f32]) {
        self.scale.iter_mut().zip(factors).for_each(|(scale, factor)| *scale *= factor);
        self.shift.iter_mut().zip(factors).for_each(|(shift, factor)| *shift *= factor);
    }

    fn add(&mut self, terms: &[f32]) {
        self.shift.iter_mut().zip(terms).for_each(|(shift, term)| *shift += term);
    }

    /// Goes on with a step, whose inputs begin at `first`.
    fn apply(&mut self, step: Step, epsilon: f32, io: &OpIo<'_>, first: usize) -> Result<(), OpError> {
        match step {
            Step::Mul => self.multiply(io.input_slice(first)?),
            Step::Add => self.add(io.input_slice(first)?),
            Step::AffineChannel => {
                self.multiply(io.input_slice(first)?);
                self.add(io.input_slice(first + 1)?);
            }
            Step::SpatialBn => {
                let (scale, bias): (&[f32], &[f32]) = (io.input_slice(first)?, io.input_slice(first + 1)?);
                let (mean, var): (&[f32], &[f32]) = (io.input_slice(first + 2)?, io.input_slice(first + 3)?);
                let line = self.scale.iter_mut().zip(&mut self.shift);
                let of_channels = scale.iter().zip(bias).zip(mean.iter().zip(var));
                for ((to_scale, to_shift), ((scale, bias), (mean, var))) in line.zip(of_channels) {
                    let factor = scale / (var + epsilon).sqrt();
                    *to_scale *= factor;
                    *to_shift = (*to_shift - mean) * factor + bias;
                }
            }
        }
        Ok(())
    }
}

fn read_activation(args: &Args<'_>) -> Result<Activation, ArgError> {
    match args.get::<String>("activation")?.as_str() {
        "" => Ok(Activation::None),
        "Relu" => Ok(Activation::Relu),
        "LeakyRelu" => Ok(Activation::LeakyRelu(args.get("alpha")?)),
        "Clip" => Ok(Activation::Clip { min: args.get("min")?, max: args.get("max")? }),
        other => Err(ArgError::value(
            "activation",
            format!("found `{other}`, expected `Relu`, `LeakyRelu` or `Clip`"),
        )),
    }
}

/// The positions of the inputs behind the filter.
#[derive(Debug, Clone, Copy)]
struct Places {
    bias: Option<usize>,
    /// Of the first input of the normalization.
    normalization: usize,
    sum: Option<usize>,
}

/// The arguments, all read.
#[derive(Debug)]
struct FusedArgs {
    conv: ConvArgs,
    steps: Vec<Step>,
    epsilon: f32,
    activation: Activation,
    places: Places,
}

impl FusedArgs {
    fn read(args: &Args<'_>) -> Result<FusedArgs, ArgError> {
        let steps: Result<Vec<_>, _> =
            args.list::<String>("normalization")?.iter().map(|name| Step::named(name)).collect();
        let (steps, epsilon, sum) = (steps?, args.get::<f32>("epsilon")?, args.get::<bool>("sum")?);
        if epsilon.is_nan() || epsilon <= 0.0 {
            return Err(ArgError::value("epsilon", format!("found {epsilon}, expected a value above 0")));
        }
        let of_steps: usize = steps.iter().map(|step| step.inputs()).sum();
        let (count, others) = (args.input_count(), 2 + of_steps + usize::from(sum));
        let bias = match count.checked_sub(others) {
            Some(0) => false,
            Some(1) => true,
            _ => {
                let message = format!(
                    "there are {count} inputs, expected {others}, or {} with a bias: X, filter, bias, those of the \
                     normalization, what is added",
                    others + 1
                );
                return Err(ArgError::value("normalization", message));
            }
        };
        let places = Places {
            bias: bias.then_some(2),
            normalization: 2 + usize::from(bias),
            sum: sum.then(|| count - 1),
        };
        let (conv, activation) = (ConvArgs::read(args)?, read_activation(args)?);
        Ok(FusedArgs { conv, steps, epsilon, activation, places })
    }

    /// The steps, each with the position of its first input.
    fn steps(&self) -> impl Iterator<Item = (Step, usize)> {
        self.steps.iter().scan(self.places.normalization, |next, step| {
            let first = *next;
            *next += step.inputs();
            Some((*step, first))
        })
    }

    /// Checks the shapes of the inputs that have a value for each filter, as far as they are known.
    fn check_parameters<'s>(
        &self,
        filters: usize,
        shape_of: impl Fn(usize) -> Option<&'s Shape>,
    ) -> Result<(), OpError> {
        for index in self.steps().flat_map(|(step, first)| first..first + step.inputs()) {
            if let Some(shape) = shape_of(index).filter(|shape| shape.dims() != [filters]) {
                let message = format!("is {shape}, expected [{filters}], a value for each output");
                return Err(OpError::input(index, message));
            }
        }
        Ok(())
    }

    fn check_sum(&self, sum: Option<&Shape>, output: &Shape) -> Result<(), OpError> {
        match (self.places.sum, sum) {
            (Some(index), Some(shape)) if shape != output => {
                Err(OpError::input(index, format!("is {shape}, expected {output}, the shape of the output")))
            }
            _ => Ok(()),
        }
    }
}

/// The operator: a convolution, then the steps, the sum and the activation that its arguments name.
#[derive(Debug)]
pub struct ConvFusedOp {
    args: FusedArgs,
    filter: KeptFilter,
    /// Computed in each run from the inputs of the normalization.
    line: Line,
}

impl OperatorType for ConvFusedOp {
    const TYPE: &'static str = "ConvFused";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Convolution, and what a net does to its result next, in one pass: \
                 Y = activation(normalization(Conv(X, filter, bias)) + S). Passes that merge operators make it of Conv, \
                 SpatialBN in test mode, AffineChannel, Mul or Add by channel, Sum, and Relu, LeakyRelu or Clip.",
            )
            .inputs(2..)
            .outputs(1)
            .fill_using(declare_conv_args)
            .arg_repeated::<String>(
                "normalization",
                "steps that scale and shift each channel: SpatialBN, AffineChannel, Mul, Add; each has inputs of its own",
            )
            .arg("epsilon", "of SpatialBN: added to the variance; above 0", 1e-5f32)
            .arg("sum", "whether the last input is added", false)
            .arg("activation", "Relu, LeakyRelu or Clip; none if empty", "")
            .arg("alpha", "of LeakyRelu: factor of negative values", 0.01f32)
            .arg("min", "of Clip: the least value", f32::MIN)
            .arg("max", "of Clip: the largest value", f32::MAX)
            .input("X", "float images [N, C, size..], or [N, size.., C] in NHWC")
            .input("filter", "float filters [M, C / group, kernel..], or [M, kernel.., C / group] in NHWC")
            .input("bias", "float [M], added to each output; optional")
            .input(
                "parameters",
                "float [M] each, those of the steps in their order: scale, bias, mean and variance of SpatialBN, scale and \
                 bias of AffineChannel, what Mul and Add have; then, with `sum`, what is added: of the shape of the output",
            )
            .output("Y", "float [N, M, size..], or [N, size.., M] in NHWC")
            .differences("Caffe2 has no such operator: results are those of the operators that it stands for.")
            .infer(infer)
            .expect(|context, index| match index {
                0 => expect(context, index),
                _ => Expectation::of_type(DataType::Float),
            })
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-4))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ConvFusedOp { args: FusedArgs::read(args)?, filter: KeptFilter::default(), line: Line::default() })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = FusedArgs::read(context.args())?;
    let (Some(x), Some(w)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let bias = args.places.bias.and_then(|index| context.shape(index));
    let (geometry, shape) = args.conv.plan(x, w, bias)?;
    args.check_parameters(geometry.filters(), |index| context.shape(index))?;
    args.check_sum(args.places.sum.and_then(|index| context.shape(index)), &shape)?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

impl Operator for ConvFusedOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let ConvFusedOp { args, filter, line } = self;
        let of = |index: Option<usize>| index.map(|index| io.input(index)).transpose();
        let (x, w, bias) = (io.input(0)?, io.input(1)?, of(args.places.bias)?);
        let (geometry, shape) = args.conv.plan(x.shape(), w.shape(), bias.map(|bias| bias.shape()))?;
        args.check_parameters(geometry.filters(), |index| io.input(index).ok().map(|tensor| tensor.shape()))?;
        args.check_sum(of(args.places.sum)?.map(|tensor| tensor.shape()), &shape)?;
        let floats = |index: Option<usize>| index.map(|index| io.input_slice::<f32>(index)).transpose();
        let (mut bias, residual) = (floats(args.places.bias)?, floats(args.places.sum)?);
        let mut scale = None;
        if !args.steps.is_empty() {
            line.start(geometry.filters(), bias);
            for (step, first) in args.steps() {
                line.apply(step, args.epsilon, io, first)?;
            }
            (scale, bias) = (Some(&line.scale[..]), Some(&line.shift[..]));
        }
        let tail = ConvTail { scale, bias, residual, activation: args.activation };
        convolve(io, filter, &args.conv, &geometry, shape, &tail)
    }
}

register_cpu_operator!(ConvFusedOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn of(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_slice(shape, values).unwrap()
    }

    fn def(inputs: usize) -> OperatorDef {
        let names = (0..inputs).map(|i| format!("i{i}"));
        OperatorDef::new("ConvFused").inputs(names).output("y").arg("kernel", 1)
    }

    /// Images of one pixel: 2 channels, 2 filters that pick one each.
    fn run(def: &OperatorDef, more: &[&[f32]]) -> Result<Vec<f32>, String> {
        let mut inputs = vec![of(&[1, 2, 1, 1], &[3.0, -5.0]), of(&[2, 2, 1, 1], &[1.0, 0.0, 0.0, 1.0])];
        inputs.extend(more.iter().map(|values| of(&[values.len()], values)));
        if def.argument("sum").is_some() {
            let last = inputs.pop().unwrap();
            inputs.push(of(&[1, 2, 1, 1], last.as_slice().unwrap()));
        }
        let outputs = run_operator(def, inputs).map_err(|e| e.to_string())?;
        Ok(outputs[0].as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn parts_are_applied_in_their_order() {
        assert_eq!(run(&def(2), &[]).unwrap(), [3.0, -5.0]);
        assert_eq!(run(&def(3), &[&[1.0, 2.0]]).unwrap(), [4.0, -3.0]);
        let relu = |def: OperatorDef| def.arg("activation", "Relu");
        assert_eq!(run(&relu(def(2)), &[]).unwrap(), [3.0, 0.0]);
        let steps = |inputs, names: &[&str]| def(inputs).arg("normalization", names.to_vec());
        let affine = |inputs| steps(inputs, &["AffineChannel"]);
        assert_eq!(run(&affine(4), &[&[2.0, 3.0], &[1.0, 1.0]]).unwrap(), [7.0, -14.0]);
        assert_eq!(run(&affine(5), &[&[1.0, 1.0], &[2.0, 3.0], &[1.0, 1.0]]).unwrap(), [9.0, -11.0]);
        let all = relu(affine(6).arg("sum", true));
        let inputs: [&[f32]; 4] = [&[1.0, 1.0], &[2.0, 3.0], &[1.0, 1.0], &[-10.0, 12.0]];
        assert_eq!(run(&all, &inputs).unwrap(), [0.0, 1.0]);
        let norm = steps(6, &["SpatialBN"]).arg("epsilon", 1.0f32);
        let inputs: [&[f32]; 4] = [&[2.0, 3.0], &[1.0, 1.0], &[1.0, -1.0], &[3.0, 8.0]];
        assert_eq!(run(&norm, &inputs).unwrap(), [3.0, -3.0]);
        let scaled = steps(8, &["SpatialBN", "Mul", "Add"]).arg("epsilon", 1.0f32);
        let inputs: Vec<&[f32]> = inputs.into_iter().chain([&[2.0f32, 3.0][..], &[0.5, 1.0]]).collect();
        assert_eq!(run(&scaled, &inputs).unwrap(), [6.5, -8.0]);
    }

    #[test]
    fn every_activation() {
        let leaky = def(2).arg("activation", "LeakyRelu").arg("alpha", 0.5f32);
        assert_eq!(run(&leaky, &[]).unwrap(), [3.0, -2.5]);
        let clip = def(2).arg("activation", "Clip").arg("min", -1.0f32).arg("max", 2.0f32);
        assert_eq!(run(&clip, &[]).unwrap(), [2.0, -1.0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (def, more, part) in [
            (def(2).arg("normalization", ["LRN"]), &[][..], "found `LRN`, expected `SpatialBN`"),
            (def(2).arg("activation", "Tanh"), &[], "found `Tanh`, expected `Relu`"),
            (def(2).arg("normalization", ["AffineChannel"]), &[], "there are 2 inputs, expected 4"),
            (def(2).arg("sum", true), &[], "there are 2 inputs, expected 3"),
            (
                def(4).arg("normalization", ["AffineChannel"]),
                &[&[1.0, 2.0, 3.0][..], &[1.0, 2.0][..]],
                "is [3], expected [2]",
            ),
        ] {
            let mut inputs = vec![of(&[1, 2, 1, 1], &[3.0, -5.0]), of(&[2, 2, 1, 1], &[1.0; 4])];
            inputs.extend(more.iter().map(|values: &&[f32]| of(&[values.len()], values)));
            let error = run_operator(&def, inputs).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
        let inputs = [of(&[1, 2, 1, 1], &[3.0, -5.0]), of(&[2, 2, 1, 1], &[1.0; 4]), of(&[2], &[0.0; 2])];
        let error = run_operator(&def(3).arg("sum", true), inputs).unwrap_err().to_string();
        assert!(error.contains("is [2], expected [1, 2, 1, 1]"), "{error}");
    }
}
