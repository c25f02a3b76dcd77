//! Functions of one value, applied to every element: `Abs`, `Cbrt`, `Ceil`, `Cos`, `Cube`, `Exp`, `Floor`, `Log`,
//! `Negative`, `Not`, `Reciprocal`, `Rsqrt`, `Sign`, `Sin`, `Sqr`, `Sqrt`, `Tan`.
//!
//! None has arguments. Which types each takes, and whether it works in place, is as in Caffe2; the table at
//! `functions!` below tells. Integers wrap around (Caffe2 `abs_op.h`, `cbrt_op.h` and so on; `Not` is in
//! `elementwise_ops.h`).

use std::marker::PhantomData;

use caffe2_kernels::elementwise::map;
use caffe2_kernels::vecmath;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, OpError, OpIo, OpSchema, Operator, OperatorType, dispatch_input_type,
    register_cpu_operator,
};

/// What tells one [`UnaryOp`] from another.
pub trait Function: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The types that it takes, in words.
    const TAKES: &'static str;
    /// Whether the output may replace the input, as a list of pairs.
    const IN_PLACE: &'static [(usize, usize)];
    /// How closely results are those of Caffe2.
    const COMPARISON: Comparison;
    /// Multiplications for each element; a function such as `exp` counts as one.
    const MACS: u64;

    /// Reads input 0 and writes output 0.
    ///
    /// # Errors
    /// When the input is of another type, or output or memory are missing.
    fn run(io: &mut OpIo<'_>) -> Result<(), OpError>;
}

/// The operator of each [`Function`]: one tensor in, one of the same shape and type out.
#[derive(Debug)]
pub struct UnaryOp<F> {
    function: PhantomData<fn() -> F>,
}

impl<F: Function> OperatorType for UnaryOp<F> {
    const TYPE: &'static str = F::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(F::TYPE)
            .doc(F::DOC)
            .inputs(1)
            .outputs(1)
            .allow_in_place(F::IN_PLACE)
            .input("X", F::TAKES)
            .output("Y", "tensor of the same type and shape")
            .infer_same_as_input(0)
            .cost(|context| Cost::with_macs(context, context.output_numel(0).saturating_mul(F::MACS)))
            .comparison(F::COMPARISON)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(UnaryOp { function: PhantomData })
    }
}

impl<F: Function> Operator for UnaryOp<F> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        F::run(io)
    }
}

/// What floats and integers do each in their own way.
trait Number: Copy {
    /// `self` with the other sign; the smallest integer is its own.
    fn negative(self) -> Self;
    /// `self * self * self`
    fn cube(self) -> Self;
    /// 1, 0 or -1.
    fn sign(self) -> Self;
}

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn negative(self) -> $t { -self }
            #[inline(always)]
            fn cube(self) -> $t { self * self * self }
            #[inline(always)]
            fn sign(self) -> $t { if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else { 0.0 } }
        }
    )*};
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn negative(self) -> $t { self.wrapping_neg() }
            #[inline(always)]
            fn cube(self) -> $t { self.wrapping_mul(self).wrapping_mul(self) }
            #[inline(always)]
            fn sign(self) -> $t { self.signum() }
        }
    )*};
}

floats!(f32, f64);
integers!(i32, i64);

const IN_PLACE: &[(usize, usize)] = &[(0, 0)];
const APART: &[(usize, usize)] = &[];
const EXACT: Comparison = Comparison::Exact;
const CLOSE: Comparison = Comparison::Tolerance(1e-6);

/// Operators by name, documentation, types, place, comparison and multiplications; `T` is the type of the elements.
macro_rules! functions {
    ($($name:ident, $doc:literal, $takes:literal [$($rust:ty),+], $place:ident, $comparison:ident, $macs:literal,
       $T:ident => $function:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Function for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;
            const TAKES: &'static str = $takes;
            const IN_PLACE: &'static [(usize, usize)] = $place;
            const COMPARISON: Comparison = $comparison;
            const MACS: u64 = $macs;

            fn run(io: &mut OpIo<'_>) -> Result<(), OpError> {
                dispatch_input_type!(io, 0, [$($rust),+], $T => {
                    let elements = io.unary::<$T>(0, 0)?;
                    map(io.threads(), elements, #[inline(always)] move |x: $T| ($function)(x));
                });
                Ok(())
            }
        }

        register_cpu_operator!(UnaryOp<$name>);
    )*};
}

functions! {
    Abs, "The absolute value: Y = abs(X).", "float tensor" [f32], APART, EXACT, 0, T => T::abs;
    Cbrt, "The cube root, also of negative values.", "float tensor" [f32], IN_PLACE, CLOSE, 1, T => libm::cbrtf;
    Ceil, "The next integer not below: Y = ceil(X).", "float tensor" [f32], IN_PLACE, EXACT, 0, T => T::ceil;
    Cos, "The cosine of angles in radians.", "float tensor" [f32], APART, CLOSE, 1, T => libm::cosf;
    Cube, "The third power: Y = X * X * X. Integers wrap around.",
        "float, double, int32 or int64 tensor" [f32, f64, i32, i64], APART, EXACT, 2, T => T::cube;
    Exp, "The exponential function: Y = exp(X).", "float tensor" [f32], IN_PLACE, CLOSE, 1, T => vecmath::exp;
    Floor, "The next integer not above: Y = floor(X).", "float tensor" [f32], IN_PLACE, EXACT, 0, T => T::floor;
    Log, "The natural logarithm: minus infinity for 0, NaN below.",
        "float tensor" [f32], IN_PLACE, CLOSE, 1, T => libm::logf;
    Negative, "Y = -X. The smallest integer stays what it is.",
        "float, double, int32 or int64 tensor" [f32, f64, i32, i64], IN_PLACE, EXACT, 0, T => T::negative;
    Not, "The opposite of truth values.", "bool tensor" [bool], APART, EXACT, 0, T => |x: T| !x;
    Reciprocal, "Y = 1 / X.", "float tensor" [f32], IN_PLACE, CLOSE, 1, T => T::recip;
    Rsqrt, "The reciprocal of the square root: Y = 1 / sqrt(X); NaN below 0.",
        "float tensor" [f32], IN_PLACE, CLOSE, 1, T => |x: T| 1.0 / x.sqrt();
    Sign, "1 for values above 0, -1 for those below, 0 for 0 and NaN.",
        "float, double, int32 or int64 tensor" [f32, f64, i32, i64], APART, EXACT, 0, T => T::sign;
    Sin, "The sine of angles in radians.", "float tensor" [f32], APART, CLOSE, 1, T => libm::sinf;
    Sqr, "The square: Y = X * X.", "float tensor" [f32], IN_PLACE, EXACT, 1, T => |x: T| x * x;
    Sqrt, "The square root; NaN below 0.", "float or double tensor" [f32, f64], IN_PLACE, CLOSE, 1, T => T::sqrt;
    Tan, "The tangent of angles in radians.", "float tensor" [f32], APART, CLOSE, 1, T => libm::tanf;
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Element, Tensor, Workspace};

    fn run(op: &str, x: Tensor, output: &str) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        let def = OperatorDef::new(op).input("x").output(output);
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch(output).map_err(|e| e.to_string())
    }

    fn of<T: Element + Copy>(op: &str, x: T) -> T {
        run(op, Tensor::from_slice([1], &[x]).unwrap(), "y").unwrap().as_slice::<T>().unwrap()[0]
    }

    #[test]
    fn each_name_is_its_function() {
        type Reference = fn(f32) -> f32;
        let functions: [(&str, f32, Reference); 16] = [
            ("Abs", -2.5, f32::abs),
            ("Cbrt", -2.5, f32::cbrt),
            ("Ceil", -2.5, f32::ceil),
            ("Cos", -2.5, f32::cos),
            ("Cube", -2.5, |x| x * x * x),
            ("Exp", -2.5, f32::exp),
            ("Floor", -2.5, f32::floor),
            ("Log", 2.5, f32::ln),
            ("Negative", -2.5, |x| -x),
            ("Reciprocal", -2.5, f32::recip),
            ("Rsqrt", 2.5, |x| 1.0 / x.sqrt()),
            ("Sign", -2.5, f32::signum),
            ("Sin", -2.5, f32::sin),
            ("Sqr", -2.5, |x| x * x),
            ("Sqrt", 2.5, f32::sqrt),
            ("Tan", -2.5, f32::tan),
        ];
        for (op, x, function) in functions {
            let (got, want) = (of(op, x), function(x));
            assert!((got - want).abs() <= 1e-6 * want.abs(), "{op}: {got} instead of {want}");
        }
        assert!(of("Not", false) && !of("Not", true));
    }

    #[test]
    fn integers_wrap_and_other_types_are_as_exact_as_they_can() {
        assert_eq!(of("Negative", i32::MIN), i32::MIN);
        assert_eq!(of("Cube", 1i64 << 22), 0);
        assert_eq!([-7, 0, 7].map(|x| of("Sign", x)), [-1, 0, 1]);
        assert_eq!([-7i64, 7].map(|x| of("Cube", x)), [-343, 343]);
        assert_eq!(of("Sqrt", 2.0f64), std::f64::consts::SQRT_2);
        assert_eq!(of("Sign", f64::NAN), 0.0);
        assert!(of("Negative", 0.0f32).is_sign_negative() && of("Sign", -0.0f32).is_sign_positive());
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let error = run("Sqrt", Tensor::scalar(1i32).unwrap(), "y").unwrap_err();
        assert!(error.contains("int32 is not supported; supported are float, double"), "{error}");
        assert!(run("Not", Tensor::scalar(1u8).unwrap(), "y").unwrap_err().contains("supported are bool"));
        let x = || Tensor::scalar(4.0f32).unwrap();
        assert!(run("Abs", x(), "x").unwrap_err().contains("does not work in place"));
        assert_eq!(run("Sqrt", x(), "x").unwrap(), Tensor::scalar(2.0f32).unwrap());
    }
}
