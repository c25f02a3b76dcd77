//! Functions built on `exp`: `Elu`, `Gelu`, `Selu`, `Softplus`, `Swish`, `Tanh`.
//!
//! | operator | formula | argument | default |
//! |---|---|---|---|
//! | `Elu` | `x < 0 ? alpha * (exp(x) - 1) : x` | `alpha` | 1 |
//! | `Gelu` | `x * Phi(x)`, the distribution function of the normal distribution | `fast_gelu` | false |
//! | `Selu` | `scale * (x > 0 ? x : alpha * exp(x) - alpha)` | `alpha`, `scale` | 1.6732632, 1.050701 |
//! | `Softplus` | `log(1 + exp(x))` | | |
//! | `Swish` | `x / (1 + exp(-x))` | | |
//! | `Tanh` | the hyperbolic tangent | | |

use caffe2_kernels::elementwise::map;
use caffe2_kernels::vecmath;
use caffe2_operator::{ArgError, Args, Comparison, InOut, OpSchema, Threads, register_cpu_operator};

use crate::{Activation, ActivationOp};

/// `Elu`: negative values approach `-alpha` (Caffe2 `elu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Elu {
    /// Minus the limit of the negative side.
    pub alpha: f32,
}

impl Activation for Elu {
    const TYPE: &'static str = "Elu";
    const MACS: u64 = 2;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("Y = X where X is not below 0, else alpha * (exp(X) - 1).")
            .arg("alpha", "minus the limit of the negative side", 1.0f32)
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Elu { alpha: args.get("alpha")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let alpha = self.alpha;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| {
                let negative = alpha * (vecmath::exp(x) - 1.0);
                if x < 0.0 { negative } else { x }
            },
        );
    }
}

/// `Gelu`: each value times the probability that a normally distributed one is smaller (Caffe2 `gelu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Gelu {
    /// Whether the probability is approximated with the hyperbolic tangent.
    pub fast_gelu: bool,
}

impl Activation for Gelu {
    const TYPE: &'static str = "Gelu";
    const MACS: u64 = 2;
    const IN_PLACE: &'static [(usize, usize)] = &[];

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc(
                "Y = X * Phi(X), where Phi is the distribution function of the standard normal distribution.",
            )
            .arg(
                "fast_gelu",
                "whether to compute 0.5 * X * (1 + tanh(sqrt(2 / pi) * (X + 0.044715 * X^3))) instead",
                false,
            )
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Gelu { fast_gelu: args.get("fast_gelu")? })
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
        if self.fast_gelu {
            map(
                threads,
                elements,
                #[inline(always)]
                move |x| {
                    // 1 + tanh(z) is 2 * sigmoid(2 * z), without the loss of bits where tanh is about -1.
                    let inner = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + 0.044_715 * (x * x * x));
                    x * (2.0 * vecmath::sigmoid(2.0 * inner)) * 0.5
                },
            );
        } else {
            map(threads, elements, move |x| x * (0.5 * libm::erfcf(-x * FRAC_1_SQRT_2)));
        }
    }
}

/// `Selu`: `Elu` scaled so that it normalises itself (Caffe2 `selu_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Selu {
    /// Minus the limit of the negative side, before it is scaled.
    pub alpha: f32,
    /// What both sides are multiplied by; above 1.
    pub scale: f32,
}

impl Activation for Selu {
    const TYPE: &'static str = "Selu";
    const MACS: u64 = 3;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("Y = scale * X where X is above 0, else scale * (alpha * exp(X) - alpha).")
            .arg("alpha", "minus the limit of the negative side, before it is scaled", 1.673_263_2f32)
            .arg("scale", "what both sides are multiplied by; above 1", 1.050_701_f32)
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let (alpha, scale) = (args.get("alpha")?, args.get("scale")?);
        if scale > 1.0 {
            Ok(Selu { alpha, scale })
        } else {
            Err(ArgError::value("scale", format!("found {scale}, expected more than 1")))
        }
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        let Selu { alpha, scale } = *self;
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| {
                let negative = alpha * vecmath::exp(x) - alpha;
                scale * if x > 0.0 { x } else { negative }
            },
        );
    }
}

/// `Softplus`: `log(1 + exp(x))` (Caffe2 `softplus_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Softplus;

impl Activation for Softplus {
    const TYPE: &'static str = "Softplus";
    const MACS: u64 = 2;

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("Y = log(1 + exp(X)). Where exp(X) is too large for a float, from 88.73 on, the result is infinite.")
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Softplus)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        map(threads, elements, move |x| libm::log1pf(vecmath::exp(x)));
    }
}

/// `Swish`: `x / (1 + exp(-x))` (Caffe2 `swish_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Swish;

impl Activation for Swish {
    const TYPE: &'static str = "Swish";
    const MACS: u64 = 2;
    const IN_PLACE: &'static [(usize, usize)] = &[];

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .doc("Y = X / (1 + exp(-X)), which is X * sigmoid(X). Minus infinity becomes NaN.")
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Swish)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        map(
            threads,
            elements,
            #[inline(always)]
            move |x| x / (1.0 + vecmath::exp(-x)),
        );
    }
}

/// `Tanh`: the hyperbolic tangent (Caffe2 `tanh_op.cc`).
#[derive(Debug, Clone, PartialEq)]
pub struct Tanh;

impl Activation for Tanh {
    const TYPE: &'static str = "Tanh";
    const MACS: u64 = 1;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.doc("The hyperbolic tangent: Y = tanh(X).").comparison(Comparison::Tolerance(1e-6))
    }

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Tanh)
    }

    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>) {
        map(threads, elements, vecmath::tanh);
    }
}

register_cpu_operator!(ActivationOp<Elu>);
register_cpu_operator!(ActivationOp<Gelu>);
register_cpu_operator!(ActivationOp<Selu>);
register_cpu_operator!(ActivationOp<Softplus>);
register_cpu_operator!(ActivationOp<Swish>);
register_cpu_operator!(ActivationOp<Tanh>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::OperatorType;
    use caffe2_operator::proto::OperatorDef;

    fn read<A: Activation>(def: OperatorDef) -> Result<A, ArgError> {
        A::read(&Args::new(&def, &ActivationOp::<A>::schema())?)
    }

    /// The largest difference from `exact`, by which the larger of the result and 1 is multiplied.
    fn worst<A: Activation>(function: &A, exact: impl Fn(f64) -> f64) -> f64 {
        let x: Vec<f32> = (-2000..=2000).map(|i| i as f32 * 0.01).collect();
        let mut y = vec![0.0; x.len()];
        function.apply(&Threads::single(), InOut::Apart(&x, &mut y));
        let relative = |(&x, &y): (&f32, &f32)| {
            let want = exact(x.into());
            (f64::from(y) - want).abs() / want.abs().max(1.0)
        };
        x.iter().zip(&y).map(relative).fold(0.0, f64::max)
    }

    #[test]
    fn defaults_are_those_of_caffe2() {
        assert_eq!(read(OperatorDef::new("Elu")), Ok(Elu { alpha: 1.0 }));
        assert_eq!(read(OperatorDef::new("Gelu")), Ok(Gelu { fast_gelu: false }));
        // The constants of the paper (Klambauer and others, 2017), as floats.
        let selu =
            Selu { alpha: 1.673_263_242_354_377_3_f64 as f32, scale: 1.050_700_987_355_480_5_f64 as f32 };
        assert_eq!(read(OperatorDef::new("Selu")), Ok(selu));
    }

    #[test]
    fn each_is_its_formula() {
        let below = |x: f64, negative: f64| if x < 0.0 { negative } else { x };
        let tanh_gelu = |x: f64| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        };
        let gelu = |x: f64| x * 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
        assert!(worst(&Elu { alpha: 2.0 }, |x| below(x, 2.0 * (x.exp() - 1.0))) < 5e-7);
        assert!(worst(&Selu { alpha: 2.0, scale: 1.5 }, |x| 1.5 * below(x, 2.0 * (x.exp() - 1.0))) < 1e-6);
        assert!(worst(&Softplus, |x| x.exp().ln_1p()) < 5e-7);
        assert!(worst(&Swish, |x| x / (1.0 + (-x).exp())) < 5e-7);
        assert!(worst(&Tanh, f64::tanh) < 5e-7);
        assert!(worst(&Gelu { fast_gelu: false }, gelu) < 5e-7);
        assert!(worst(&Gelu { fast_gelu: true }, tanh_gelu) < 5e-7);
    }

    #[test]
    fn the_scale_of_selu_is_above_1() {
        for scale in [1.0f32, -2.0, f32::NAN] {
            let error = read::<Selu>(OperatorDef::new("Selu").arg("scale", scale)).unwrap_err().to_string();
            assert!(error.contains("`scale`") && error.contains("more than 1"), "{error}");
        }
    }
}
