//! `Expand`: dimensions of 1 become larger, and new ones come before them.
//!
//! No arguments. The second input holds a shape, which meets X's by numpy's rule (Caffe2 `expand_op.h`).

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

use crate::spread::Spread;

/// The operator `Expand`.
#[derive(Debug)]
pub struct ExpandOp;

impl OperatorType for ExpandOp {
    const TYPE: &'static str = "Expand";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Repeats a tensor along dimensions of 1, and along new ones before its own. The shapes are aligned at \
                 their last dimension; where X has 1, the result has what shape says. A dimension of 1 or less in \
                 shape leaves X's as it is.",
            )
            .inputs(2)
            .outputs(1)
            .input("X", "float, double, int32 or int64 tensor with elements")
            .input("shape", "int64 tensor of any shape: the dimensions that X meets")
            .output("Y", "tensor of X's type")
            .differences("Dimensions are not cut to 32 bits.")
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ExpandOp)
    }
}

fn check(x: &Shape) -> Result<(), OpError> {
    match x.numel() {
        0 => Err(OpError::input(0, format!("expected elements, found none in {x}"))),
        _ => Ok(()),
    }
}

/// The shape that `x` and `wanted` have together, and how it comes from `x`.
fn meet(x: &Shape, wanted: &[i64]) -> Result<(Shape, Spread), OpError> {
    check(x)?;
    let rank = x.rank().max(wanted.len());
    let (missing, unwanted) = (rank - x.rank(), rank - wanted.len());
    let (mut dims, mut spread) = (SmallVec::<[usize; 6]>::new(), Spread::default());
    for axis in 0..rank {
        let own = axis.checked_sub(missing).map_or(1, |axis| x[axis]);
        let to = axis.checked_sub(unwanted).map_or(1, |axis| wanted[axis].max(1));
        match usize::try_from(to) {
            Ok(to) if to == own || to == 1 => spread.keep(own),
            Ok(to) if own == 1 => spread.repeat(to),
            _ => {
                let message =
                    format!("expected 1 or {own} at {}, where X has {own}, found {to}", axis - unwanted);
                return Err(OpError::input(1, message));
            }
        }
        dims.push(usize::try_from(to).map_or(own, |to| to.max(own)));
    }
    Ok((Shape::new(&dims)?, spread))
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    context.shape(0).map(check).transpose()?;
    let known = context.shape(0).zip(context.values::<i64>(1));
    let shape = known.map(|(x, wanted)| Ok::<_, OpError>(meet(x, wanted)?.0)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for ExpandOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [i32, i64, f32, f64], T => {
            let x = io.input_slice::<T>(0)?;
            let (shape, spread) = meet(io.input(0)?.shape(), io.input_slice::<i64>(1)?)?;
            spread.write(x, io.output_slice::<T>(0, shape)?);
            Ok(())
        })
    }
}

register_cpu_operator!(ExpandOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn expand(x: &[usize], wanted: &[i64]) -> Result<Tensor, String> {
        let elements: Vec<i32> = (0..x.iter().product::<usize>() as i32).collect();
        let inputs =
            [Tensor::from_slice(x, &elements).unwrap(), Tensor::from_slice([wanted.len()], wanted).unwrap()];
        let def = OperatorDef::new("Expand").inputs(["x", "shape"]).output("y");
        Ok(run_operator(&def, inputs).map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn shapes_meet_by_numpys_rule() {
        let want = Tensor::from_slice([2, 2, 3], &[0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]).unwrap();
        for wanted in [&[2, 2, 3][..], &[2, 1, 3], &[2, -1, 3]] {
            assert_eq!(expand(&[2, 1], wanted).unwrap(), want);
        }
        assert_eq!(expand(&[2, 1], &[3]).unwrap().dims(), [2, 3]);
        assert_eq!(expand(&[2, 1], &[]).unwrap().dims(), [2, 1]);
        assert_eq!(expand(&[], &[2, 2]).unwrap().as_slice::<i32>().unwrap(), [0; 4]);
    }

    #[test]
    fn shapes_that_do_not_meet_are_named() {
        let error = expand(&[2, 1], &[1, 3, 1]).unwrap_err();
        assert!(error.contains("input 1 `shape`: expected 1 or 2 at 1, where X has 2, found 3"), "{error}");
        assert!(expand(&[0, 1], &[1]).unwrap_err().contains("found none in [0, 1]"));
        assert!(expand(&[1, 1], &[i64::MAX, i64::MAX]).unwrap_err().contains("memory"));
        assert!(expand(&[1], &[i64::MAX]).is_err());
    }
}
