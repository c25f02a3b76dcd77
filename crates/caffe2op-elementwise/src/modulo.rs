//! `Mod`: the rest of a division.
//!
//! | argument | default | |
//! |---|---|---|
//! | `divisor` | must be given | what to divide by; not 0 |
//! | `sign_follow_divisor` | false | whether the result has the sign of the divisor, not that of the element |
//!
//! The arithmetic is that of 64-bit integers, whose lower half an int32 result keeps (Caffe2 `mod_op.cc`).

use caffe2_kernels::elementwise::map;
use caffe2_operator::{
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, dispatch_input_type,
    register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ModOp {
    divisor: i64,
    sign_follow_divisor: bool,
}

impl OperatorType for ModOp {
    const TYPE: &'static str = "Mod";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("The rest of dividing each element by the divisor; it has the sign of the element, or is 0.")
            .inputs(1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg("divisor", "what to divide by; must be given and not be 0", 0)
            .arg("sign_follow_divisor", "whether the result has the divisor's sign, not the element's", false)
            .input("X", "int32 or int64 tensor")
            .output("Y", "tensor of the same type and shape")
            .differences("The smallest int64 by -1 leaves 0, where Caffe2 crashes.")
            .infer_same_as_input(0)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let divisor = args.get::<i64>("divisor")?;
        if divisor == 0 {
            return Err(ArgError::value("divisor", "expected any number but 0"));
        }
        Ok(ModOp { divisor, sign_follow_divisor: args.get::<bool>("sign_follow_divisor")? })
    }
}

/// The rest of dividing `x`; with `follow`, where its sign is not the divisor's, the next number with that sign.
#[inline(always)]
fn rest(x: impl Into<i64>, divisor: i64, follow: bool) -> i64 {
    let rest = x.into().wrapping_rem(divisor);
    // Nothing overflows, as the signs differ.
    if follow && rest != 0 && (rest > 0) != (divisor > 0) { rest + divisor } else { rest }
}

impl Operator for ModOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (divisor, follow) = (self.divisor, self.sign_follow_divisor);
        dispatch_input_type!(io, 0, [i32, i64], T => {
            let elements = io.unary::<T>(0, 0)?;
            map(io.threads(), elements, #[inline(always)] move |x: T| rest(x, divisor, follow) as T);
        });
        Ok(())
    }
}

register_cpu_operator!(ModOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Element, Tensor, run_operator};

    fn run<T: Element>(divisor: i64, follow: bool, x: &[T]) -> Vec<T> {
        let def = OperatorDef::new("Mod").arg("divisor", divisor).arg("sign_follow_divisor", follow);
        let [apart, in_place] = ["y", "x"].map(|output| {
            let def = def.clone().input("x").output(output);
            run_operator(&def, [Tensor::from_slice([x.len()], x).unwrap()]).unwrap().remove(0)
        });
        assert_eq!(apart, in_place);
        apart.as_slice::<T>().unwrap().to_vec()
    }

    #[test]
    fn the_sign_is_the_elements_or_the_divisors() {
        let x = [-7, -3, -1, 0, 1, 3, 7];
        assert_eq!(run(3, false, &x), [-1, 0, -1, 0, 1, 0, 1]);
        assert_eq!(run(3, true, &x), [2, 0, 2, 0, 1, 0, 1]);
        assert_eq!(run(-3, false, &x), [-1, 0, -1, 0, 1, 0, 1]);
        assert_eq!(run(-3, true, &x), [-1, 0, -1, 0, -2, 0, -2]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let x = [i64::MIN, i64::MAX, -1, 1];
        for follow in [false, true] {
            assert_eq!(run(-1, follow, &x), [0; 4]);
            assert_eq!(run(i64::MIN, follow, &x)[0], 0);
        }
        assert_eq!(run(i64::MAX, true, &x), [i64::MAX - 1, 0, i64::MAX - 1, 1]);
        assert_eq!(run(i64::MIN, true, &x)[1], -1);
        assert_eq!(run(-1, false, &[i32::MIN]), [0]);
        assert_eq!(run(1 << 40, true, &[-1i32]), [-1]);
    }

    #[test]
    fn zero_and_floats_are_refused() {
        let def = |divisor| OperatorDef::new("Mod").input("x").output("y").arg("divisor", divisor);
        let one = Tensor::scalar(1.0f32).unwrap();
        assert!(
            run_operator(&def(0), [one.clone()]).unwrap_err().to_string().contains("`divisor`: expected any")
        );
        assert!(run_operator(&def(2), [one]).unwrap_err().to_string().contains("supported are int32, int64"));
    }
}
