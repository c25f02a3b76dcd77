//! Functions made of straight lines: `Clip`, `HardSigmoid`, `ReluN`, `ThresholdedRelu`; and `Softsign`.
//!
//! | operator | formula | argument | default |
//! |---|---|---|---|
//! | `Clip` | `min(max(x, min), max)` | `min`, `max` | the lowest and greatest finite float |
//! | `HardSigmoid` | `max(min(alpha * x + beta, 1), 0)` | `alpha`, `beta` | 0.2, 0.5 |
//! | `ReluN` | `min(max(x, 0), n)` | `n` | 6 |
//! | `Softsign` | `x / (1 + abs(x))` | | |
//! | `ThresholdedRelu` | `x > alpha ? x : 0` | `alpha` | 1 |

use caffe2_kernels::elementwise::map;
use caffe2_operator::{ArgError, Args, InOut, OpSchema, Threads, register_cpu_operator};

use crate::{Activation, ActivationOp};

/// The larger of the two; `x` itself if it is NaN, or if `low` is.
#[inline(always)]
fn at_least(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

/// The smaller of the two; `x` itself if it is NaN, or if `high` is.
#[inline(always)]
fn at_most(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}

/// `Clip`: limits to an interval (Caffe2 `clip_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// What smaller values become.
    pub min: f32,
    /// What greater values become.
    pub max: f32,
}

impl Activation for Clip {
    const TYPE: &'static str = "Clip";
    const MACS: u64 = 0;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc(
                "Limits values to an interval: Y = min(max(X, min), max). NaN stays NaN, and where min is greater than \
                 max, everything else becomes max. Without arguments infinity becomes the greatest finite float.",
            )
            .arg("min", "what smaller values become", f32::MIN)
            .arg("max", "what greater values become", f32::MAX)
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Clip { min: args.get("min")?, max: args.get("max")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let Clip { min, max } = *self;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| at_most(at_least(x, min), max),
        );
    }
}

/// `HardSigmoid`: a straight line between 0 and 1 (Caffe2 `hard_sigmoid_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct HardSigmoid {
    /// The slope of the line.
    pub alpha: f32,
    /// The value at 0.
    pub beta: f32,
}

impl Activation for HardSigmoid {
    const TYPE: &'static str = "HardSigmoid";
    const MACS: u64 = 1;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("A straight line between 0 and 1: Y = max(min(alpha * X + beta, 1), 0). NaN stays NaN.")
            .arg("alpha", "slope of the line", 0.2f32)
            .arg("beta", "value of the line at 0", 0.5f32)
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(HardSigmoid { alpha: args.get("alpha")?, beta: args.get("beta")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let HardSigmoid { alpha, beta } = *self;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| at_least(at_most(alpha * x + beta, 1.0), 0.0),
        );
    }
}

/// `ReluN`: `Relu` with an upper limit (Caffe2 `relu_n_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct ReluN {
    /// The upper limit, above 0.
    pub n: f32,
}

impl Activation for ReluN {
    const TYPE: &'static str = "ReluN";
    const MACS: u64 = 0;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.doc("Limits values to 0 to n: Y = min(max(X, 0), n). NaN stays NaN and -0 stays -0.").arg(
            "n",
            "what greater values become; above 0",
            6.0f32,
        )
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        match args.get("n")? {
            n if n > 0.0 => Ok(ReluN { n }),
            n => Err(ArgError::value("n", format!("found {n}, expected more than 0"))),
        }
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let n = self.n;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| at_most(at_least(x, 0.0), n),
        );
    }
}

/// `Softsign`: `x / (1 + |x|)` (Caffe2 `softsign_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Softsign;

impl Activation for Softsign {
    const TYPE: &'static str = "Softsign";
    const MACS: u64 = 2;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.doc(
            "Y = X / (1 + abs(X)), computed as the product of X and the reciprocal: infinities become NaN.",
        )
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Softsign)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| x * (1.0 / (1.0 + x.abs())),
        );
    }
}

/// `ThresholdedRelu`: keeps what is above a threshold (Caffe2 `thresholded_relu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdedRelu {
    /// The threshold.
    pub alpha: f32,
}

impl Activation for ThresholdedRelu {
    const TYPE: &'static str = "ThresholdedRelu";
    const MACS: u64 = 0;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("Keeps the values above a threshold, the others, and NaN, become 0: Y = X > alpha ? X : 0.")
            .arg("alpha", "the threshold", 1.0f32)
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ThresholdedRelu { alpha: args.get("alpha")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let alpha = self.alpha;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| if x > alpha { x } else { 0.0 },
        );
    }
}

register_cpu_operator!(ActivationOp<Clip>);
register_cpu_operator!(ActivationOp<HardSigmoid>);
register_cpu_operator!(ActivationOp<ReluN>);
register_cpu_operator!(ActivationOp<Softsign>);
register_cpu_operator!(ActivationOp<ThresholdedRelu>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::OperatorType;
    use caffe2_operator::proto::OperatorDef;

    fn read<A: Activation>(def: OperatorDef) -> Result<A, ArgError> {
        A::read(&Args::new(&def, &ActivationOp::<A>::schema())?)
    }

    fn of<A: Activation>(function: &A, x: f32) -> f32 {
        let mut element = [x];
        function.apply(&Threads::single(), InOut::InPlace(&mut element));
        element[0]
    }

    #[test]
    fn defaults_are_those_of_caffe2() {
        assert_eq!(read(OperatorDef::new("Clip")), Ok(Clip { min: f32::MIN, max: f32::MAX }));
        assert_eq!(read(OperatorDef::new("HardSigmoid")), Ok(HardSigmoid { alpha: 0.2, beta: 0.5 }));
        assert_eq!(read(OperatorDef::new("ReluN")), Ok(ReluN { n: 6.0 }));
        assert_eq!(read(OperatorDef::new("ThresholdedRelu")), Ok(ThresholdedRelu { alpha: 1.0 }));
    }

    #[test]
    fn the_lines_have_their_corners_and_keep_nan() {
        let clip = Clip { min: -1.0, max: 2.0 };
        assert_eq!([-3.0, -1.0, 0.5, 2.0, f32::INFINITY].map(|x| of(&clip, x)), [-1.0, -1.0, 0.5, 2.0, 2.0]);
        assert_eq!(of(&Clip { min: 1.0, max: -1.0 }, 0.0), -1.0);
        let hard = HardSigmoid { alpha: 0.25, beta: 0.5 };
        assert_eq!([-3.0, -2.0, 1.0, 2.0, 9.0].map(|x| of(&hard, x)), [0.0, 0.0, 0.75, 1.0, 1.0]);
        assert_eq!([-1.0, 3.0, 7.0].map(|x| of(&ReluN { n: 6.0 }, x)), [0.0, 3.0, 6.0]);
        assert_eq!([-1.0, 1.0, 3.0].map(|x| of(&ThresholdedRelu { alpha: 1.0 }, x)), [0.0, 0.0, 3.0]);
        assert_eq!([-1.0, 0.0, 3.0].map(|x| of(&Softsign, x)), [-0.5, 0.0, 0.75]);
        assert!(of(&clip, f32::NAN).is_nan() && of(&hard, f32::NAN).is_nan());
        assert!(of(&ReluN { n: 6.0 }, f32::NAN).is_nan());
    }

    #[test]
    fn the_upper_limit_of_relu_n_is_above_0() {
        for n in [0.0f32, -1.0, f32::NAN] {
            let error = read::<ReluN>(OperatorDef::new("ReluN").arg("n", n)).unwrap_err().to_string();
            assert!(error.contains("`n`") && error.contains("more than 0"), "{error}");
        }
        assert_eq!(read(OperatorDef::new("ReluN").arg("n", 1.0f32)), Ok(ReluN { n: 1.0 }));
    }
}
