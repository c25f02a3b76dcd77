//! `Pow`: `Y = X ^ exponent`, with one exponent, or with one for each element.
//!
//! | argument | default | |
//! |---|---|---|
//! | `exponent` | none | with one input: the exponent |
//! | `broadcast`, `axis`, `axis_str`, `order` | as those of `Add` | with two inputs; only the older rule |
//!
//! Source: Caffe2 `pow_op.h`.

use caffe2_kernels::elementwise::{Broadcast, binary_with, map};
use caffe2_operator::{
    ArgError, Args, BroadcastRule, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, register_cpu_operator,
};

use crate::arithmetic::operands;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct PowOp {
    exponent: Exponent,
}

#[derive(Debug)]
enum Exponent {
    /// The same for all elements.
    One(f32),
    /// Input 1, of the shape of input 0.
    Each,
    /// Input 1, which meets input 0 by the older rule.
    Stretched(BroadcastRule),
}

impl OperatorType for PowOp {
    const TYPE: &'static str = "Pow";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Raises elements to a power: the argument exponent, or with two inputs the elements of the second. \
                 A negative element with an exponent that is no integer gives NaN. Two inputs have the same shape, \
                 unless broadcast is set.",
            )
            .inputs(1..=2)
            .outputs(1)
            .allow_in_place(&[(0, 0), (1, 0)])
            .arg_optional::<f32>("exponent", "the exponent, needed with one input; with two it is ignored")
            .fill_using(BroadcastRule::describe)
            .input("X", "float tensor")
            .input("exponent", "float tensor; the output may replace it, unless broadcast is set")
            .output("Y", "float tensor of X's shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let rule = BroadcastRule::read(args)?;
        let exponent = match (args.input_count(), args.get_optional("exponent")?) {
            (1, Some(exponent)) => Exponent::One(exponent),
            (1, None) => {
                return Err(ArgError::value(
                    "exponent",
                    "expected a number, or a second input; found neither",
                ));
            }
            _ if args.get("broadcast")? => Exponent::Stretched(rule),
            _ => {
                for (name, given) in [
                    ("axis", args.get::<i32>("axis")? != -1),
                    ("axis_str", !args.get::<String>("axis_str")?.is_empty()),
                ] {
                    if given {
                        return Err(ArgError::value(name, "expected none without `broadcast`"));
                    }
                }
                Exponent::Each
            }
        };
        Ok(PowOp { exponent })
    }
}

impl Exponent {
    /// How the exponents that are input 1 meet elements of shape `x`.
    fn meet(&self, x: &Shape, exponents: &Shape) -> Result<Broadcast, OpError> {
        match self {
            Exponent::Stretched(rule) => rule.meet(x, exponents),
            _ if x == exponents => Ok(Broadcast::new(x, exponents)?),
            _ => Err(OpError::input(
                1,
                format!("shape {exponents}, but input 0 has {x}; expected the same without `broadcast`"),
            )),
        }
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = PowOp::from_args(context.args())?;
    if let (Some(x), Some(exponents)) = (context.shape(0), context.shape(1)) {
        operator.exponent.meet(x, exponents)?;
    }
    Ok(vec![context.info(0)])
}

impl Operator for PowOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let broadcast = match &self.exponent {
            Exponent::One(exponent) => {
                let exponent = *exponent;
                map(io.threads(), io.unary(0, 0)?, move |x| libm::powf(x, exponent));
                return Ok(());
            }
            Exponent::Stretched(rule) => rule.meet_inputs(io)?,
            Exponent::Each => self.exponent.meet(io.peek(0)?.shape(), io.peek(1)?.shape())?,
        };
        let operands = operands::<f32>(io, &broadcast)?;
        Ok(binary_with(io.threads(), &broadcast, operands, libm::powf)?)
    }
}

register_cpu_operator!(PowOp);

#[cfg(test)]
mod tests {
    use crate::testing::infer_of;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(def: OperatorDef, inputs: usize, exponents: &[f32], output: &str) -> Result<Vec<f32>, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::from_slice([2, 2], &[1.0f32, 2.0, 3.0, -2.0]).unwrap());
        workspace.feed("e", Tensor::from_slice([exponents.len()], exponents).unwrap());
        let def = ["x", "e"][..inputs].iter().fold(def, |def, input| def.input(*input)).output(output);
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        Ok(workspace.fetch(output).map_err(|e| e.to_string())?.as_slice::<f32>().unwrap().to_vec())
    }

    fn pow() -> OperatorDef {
        OperatorDef::new("Pow")
    }

    #[test]
    fn one_exponent_or_many() {
        for output in ["y", "x"] {
            assert_eq!(run(pow().arg("exponent", 2.0f32), 1, &[], output).unwrap(), [1.0, 4.0, 9.0, 4.0]);
            let legacy = || pow().arg("broadcast", true);
            assert_eq!(run(legacy(), 2, &[1.0, 3.0], output).unwrap(), [1.0, 8.0, 3.0, -8.0]);
            assert_eq!(run(legacy().arg("axis", 0), 2, &[3.0, 2.0], output).unwrap(), [1.0, 8.0, 9.0, 4.0]);
        }
        let roots = run(pow().arg("exponent", 0.5f32), 1, &[], "y").unwrap();
        assert!(roots[3].is_nan() && (roots[1] - 2.0f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn errors_name_what_is_missing_or_does_not_fit() {
        assert!(run(pow(), 1, &[], "y").unwrap_err().contains("`exponent`"));
        assert!(run(pow().arg("exponent", 2), 1, &[], "y").unwrap_err().contains("`exponent`"));
        assert!(run(pow().arg("axis", 0), 2, &[1.0], "y").unwrap_err().contains("`axis`"));
        assert!(run(pow().arg("axis_str", "C"), 2, &[1.0], "y").unwrap_err().contains("`axis_str`"));
        let error = run(pow(), 2, &[1.0, 2.0], "y").unwrap_err();
        assert!(error.contains("input 1 `e`: shape [2], but input 0 has [2, 2]"), "{error}");
        let error = run(pow().arg("broadcast", true), 2, &[1.0, 2.0], "e").unwrap_err();
        assert!(error.contains("input 1 `e`"), "{error}");
        let same = infer_of(pow(), &[&[2, 3], &[2, 3]]).unwrap();
        assert_eq!((same.0.shape.unwrap().dims(), same.1), (&[2, 3][..], 6));
        assert!(infer_of(pow(), &[&[2, 3], &[3]]).unwrap_err().contains("shape [3], but input 0 has [2, 3]"));
        assert!(infer_of(pow().arg("broadcast", true), &[&[2, 3], &[3]]).is_ok());
        assert!(infer_of(pow().arg("broadcast", true), &[&[2, 3], &[2]]).is_err());
    }
}
