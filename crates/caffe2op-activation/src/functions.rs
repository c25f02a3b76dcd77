//! `Relu`, `LeakyRelu`, `Sigmoid`.
//!
//! | operator | formula | argument | default |
//! |---|---|---|---|
//! | `Relu` | `x < 0 ? 0 : x` | | |
//! | `LeakyRelu` | `max(x, 0) + alpha * min(x, 0)` | `alpha` | 0.01 |
//! | `Sigmoid` | `1 / (1 + exp(-x))` | | |

use caffe2_kernels::elementwise::{leaky_relu, relu, sigmoid};
use caffe2_operator::{ArgError, Args, Comparison, InOut, OpSchema, Threads, register_cpu_operator};

use crate::{Activation, ActivationOp};

/// `Relu`: negative values become 0; NaN and -0 stay (Caffe2 `relu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Relu;

impl Activation for Relu {
    const TYPE: &'static str = "Relu";
    const MACS: u64 = 0;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.doc("Replaces negative values by 0: Y = max(X, 0). NaN stays NaN and -0 stays -0.")
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Relu)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        relu(threads, elements);
    }
}

/// `LeakyRelu`: negative values are scaled by `alpha` (Caffe2 `leaky_relu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct LeakyRelu {
    /// The slope of the negative side.
    pub alpha: f32,
}

impl Activation for LeakyRelu {
    const TYPE: &'static str = "LeakyRelu";
    const MACS: u64 = 1;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc(
                "Scales negative values: Y = max(X, 0) + alpha * min(X, 0). Both terms are always computed, so an \
                 alpha that is not finite makes NaN of values that are not negative, too.",
            )
            .arg("alpha", "slope of the negative side", 0.01f32)
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LeakyRelu { alpha: args.get("alpha")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        leaky_relu(threads, self.alpha, elements);
    }
}

/// `Sigmoid`: `1 / (1 + exp(-x))` (Caffe2 `sigmoid_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Sigmoid;

impl Activation for Sigmoid {
    const TYPE: &'static str = "Sigmoid";
    const MACS: u64 = 1;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.doc("The logistic function: Y = 1 / (1 + exp(-X)).").comparison(Comparison::Tolerance(1e-6))
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Sigmoid)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        sigmoid(threads, elements);
    }
}

register_cpu_operator!(ActivationOp<Relu>);
register_cpu_operator!(ActivationOp<LeakyRelu>);
register_cpu_operator!(ActivationOp<Sigmoid>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{OperatorType, Tensor, Workspace};

    fn run(x: Tensor, output: &str, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        workspace.run_operator_once(&def.input("x").output(output)).map_err(|e| e.to_string())?;
        workspace.fetch(output).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_schema_and_of_caffe2() {
        let (schema, def) = (ActivationOp::<LeakyRelu>::schema(), OperatorDef::new("LeakyRelu"));
        assert_eq!(LeakyRelu::read(&Args::new(&def, &schema).unwrap()), Ok(LeakyRelu { alpha: 0.01 }));
    }

    #[test]
    fn each_type_has_its_function_in_place_or_not() {
        let x = Tensor::from_slice([3, 1], &[-1.0f32, 0.0, 2.0]).unwrap();
        let sigmoid_of_1 = 1.0 / (1.0 + (-1.0f32).exp());
        for (op, want) in [
            ("Relu", [0.0, 0.0, 2.0]),
            ("LeakyRelu", [-0.01, 0.0, 2.0]),
            ("Sigmoid", [1.0 - sigmoid_of_1, 0.5, 0.880_797]),
        ] {
            for output in ["y", "x"] {
                let y = run(x.clone(), output, OperatorDef::new(op)).unwrap();
                assert_eq!(y.dims(), [3, 1]);
                let close = y.as_slice::<f32>().unwrap().iter().zip(want).all(|(y, w)| (y - w).abs() < 1e-6);
                assert!(close, "{op}: {:?}", y.as_slice::<f32>());
            }
        }
    }

    #[test]
    fn only_floats_are_taken_and_a_shared_tensor_stays_as_it_was() {
        let double = Tensor::scalar(1.0f64).unwrap();
        for output in ["y", "x"] {
            let error = run(double.clone(), output, OperatorDef::new("Relu")).unwrap_err();
            assert!(error.contains("input 0 `x`: wanted a tensor of float, found one of double"), "{error}");
        }
        let x = Tensor::scalar(-1.0f32).unwrap();
        assert_eq!(run(x.clone(), "x", OperatorDef::new("Relu")).unwrap(), Tensor::scalar(0.0f32).unwrap());
        assert_eq!(x, Tensor::scalar(-1.0f32).unwrap());
        assert!(run(x, "y", OperatorDef::new("LeakyRelu").arg("alpha", 1)).unwrap_err().contains("`alpha`"));
    }
}
