//! `Concat`: tensors one behind the other along an axis.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | by `order` | along which the inputs are joined; negative ones count from the end |
//! | `order` | `NCHW` | without `axis`: `NCHW` is axis 1, `NHWC` is axis 3 |
//! | `add_axis` | 0 | with `axis`: the axis is a new one, along which every input is one thick |
//!
//! Tensors of any one type, strings included. The second output holds the size of each input along the axis: what
//! `Split` takes (Caffe2 `concat_split_op.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, Item, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, copy_rows, dispatch_any_type, register_cpu_operator,
};
use smallvec::SmallVec;

use crate::axis::JoinAxis;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ConcatOp {
    axis: JoinAxis,
}

impl OperatorType for ConcatOp {
    const TYPE: &'static str = "Concat";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Joins tensors along an axis, in the order of the inputs. With add_axis the axis is a new one, along \
                 which every input is one thick.",
            )
            .inputs(1..)
            .outputs(2)
            .fill_using(JoinAxis::describe)
            .input("X", "tensors of one type, any one, and of equal shapes but for the axis")
            .output("Y", "tensor of the type of the inputs, as thick along the axis as all of them")
            .output("split_info", "int32 tensor with the thickness of each input along the axis")
            .differences("All inputs must have the same number of dimensions; Caffe2 ignores what later ones have more.")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ConcatOp { axis: JoinAxis::read(args)? })
    }
}

/// Where the inputs go.
struct Joined {
    shape: Shape,
    /// Of the output.
    axis: usize,
}

impl ConcatOp {
    /// What `count` inputs of these shapes are joined to.
    fn join<'s>(
        &self,
        count: usize,
        shape_of: impl Fn(usize) -> Result<&'s Shape, OpError>,
    ) -> Result<Joined, OpError> {
        let first = shape_of(0)?;
        let mut dims = SmallVec::<[usize; 6]>::from_slice(first.dims());
        let axis = self.axis.within(first.rank() + usize::from(self.axis.added))?;
        if self.axis.added {
            dims.insert(axis, 0);
        }
        let mut thickness = 0usize;
        for i in 0..count {
            let shape = shape_of(i)?;
            let same = shape.rank() == first.rank()
                && shape
                    .iter()
                    .zip(first.dims())
                    .enumerate()
                    .all(|(d, (a, b))| a == b || (d == axis && !self.axis.added));
            if !same {
                let but =
                    if self.axis.added { String::new() } else { format!(" in all dimensions but {axis}") };
                return Err(OpError::input(
                    i,
                    format!("expected the shape of input 0, {first},{but} found {shape}"),
                ));
            }
            let own = if self.axis.added { 1 } else { shape[axis] };
            thickness = thickness
                .checked_add(own)
                .ok_or_else(|| OpError::input(i, format!("{shape} is one too many")))?;
        }
        dims[axis] = thickness;
        Ok(Joined { shape: Shape::new(&dims)?, axis })
    }

    fn compute<T: Item>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let count = io.input_count();
        let Joined { shape, axis } = {
            let io = &*io;
            self.join(count, |i| Ok(io.input(i)?.shape()))?
        };
        for i in 0..count {
            io.input_items::<T>(i)?;
        }
        let info = io.output_slice::<i32>(1, [count])?;
        for (i, info) in info.iter_mut().enumerate() {
            let own = if self.axis.added { 1 } else { io.input(i)?.shape()[axis] };
            let large = |_| {
                OpError::input(i, format!("its thickness of {own} does not fit split_info, which is int32"))
            };
            *info = i32::try_from(own).map_err(large)?;
        }
        let inner = shape.size_from(axis + 1);
        let row = shape[axis] * inner;
        let y = io.output_items::<T>(0, &shape)?;
        let mut start = 0;
        for i in 0..count {
            let x = io.input_items::<T>(i)?;
            let thickness = if self.axis.added { 1 } else { io.input(i)?.shape()[axis] };
            let part = thickness * inner;
            copy_rows(part, x, part, y.get_mut(start..).unwrap_or_default(), row);
            start += part;
        }
        Ok(())
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ConcatOp::from_args(context.args())?;
    let count = context.input_count();
    let shape = match context.shapes() {
        Some(shapes) if !shapes.is_empty() => Some(operator.join(count, |i| Ok(shapes[i]))?.shape),
        _ => None,
    };
    let info = TensorInfo::new(DataType::Int32, Shape::new(&[count])?);
    // All have the same type.
    let data_type = (0..count).find_map(|i| context.data_type(i));
    Ok(vec![TensorInfo { data_type, shape }, info])
}

impl Operator for ConcatOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_any_type!(io, 0, T => self.compute::<T>(io))
    }
}

register_cpu_operator!(ConcatOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn concat(count: usize) -> OperatorDef {
        let names = (0..count).map(|i| format!("x{i}"));
        OperatorDef::new("Concat").inputs(names).outputs(["y", "info"])
    }

    fn ramp(dims: &[usize]) -> Tensor {
        let elements: Vec<i32> = (0..dims.iter().product::<usize>() as i32).collect();
        Tensor::from_slice(dims, &elements).unwrap()
    }

    #[test]
    fn inputs_lie_one_behind_the_other() {
        let out = run_operator(&concat(3), [ramp(&[2, 2]), ramp(&[2, 0]), ramp(&[2, 1])]).unwrap();
        assert_eq!(out[0], Tensor::from_slice([2, 3], &[0, 1, 0, 2, 3, 1]).unwrap());
        assert_eq!(out[1].as_slice::<i32>().unwrap(), [2, 0, 1]);
        let new = concat(2).arg("axis", -1).arg("add_axis", 1);
        let out = run_operator(&new, [ramp(&[3]), ramp(&[3])]).unwrap();
        assert_eq!(out[0], Tensor::from_slice([3, 2], &[0, 0, 1, 1, 2, 2]).unwrap());
        assert_eq!(out[1].as_slice::<i32>().unwrap(), [1, 1]);
        let strings = || Tensor::from_strings([1], ["a"]).unwrap();
        let out = run_operator(&concat(2).arg("axis", 0), [strings(), strings()]).unwrap();
        assert_eq!(out[0], Tensor::from_strings([2], ["a", "a"]).unwrap());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fails = |def: OperatorDef, a: &[usize], b: &[usize], words: &str| {
            let error = run_operator(&def, [ramp(a), ramp(b)]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        fails(
            concat(2),
            &[2, 3],
            &[1, 3],
            "input 1 `x1`: expected the shape of input 0, [2, 3], in all dimensions but 1",
        );
        fails(concat(2), &[2, 3], &[2, 3, 1], "found [2, 3, 1]");
        fails(concat(2).arg("axis", 0).arg("add_axis", 1), &[2], &[3], "found [3]");
        fails(concat(2).arg("axis", 2), &[2, 3], &[2, 3], "no axis 2 among 2");
        fails(concat(2).arg("axis", i32::MIN), &[2, 3], &[2, 3], "no axis");
        fails(concat(2).arg("axis", 0).arg("order", "NCHW"), &[2], &[2], "`order`: expected none");
        fails(concat(2).arg("order", "CHWN"), &[2], &[2], "found `CHWN`");
        let mixed = run_operator(&concat(2), [ramp(&[1, 1]), Tensor::zeros::<f32>([1, 1]).unwrap()]);
        assert!(mixed.unwrap_err().to_string().contains("wanted a tensor of int32"));
        assert!(run_operator(&concat(1), [Tensor::new()]).unwrap_err().to_string().contains("never written"));
    }

    #[test]
    fn many_inputs_and_many_empty_rows_take_no_time() {
        let count = 20_000;
        let out = run_operator(&concat(count).arg("axis", 0), vec![ramp(&[1]); count]).unwrap();
        assert_eq!(out[0].numel(), count);
        let out = run_operator(&concat(2), vec![ramp(&[1 << 40, 0]); 2]).unwrap();
        assert_eq!(out[0].dims(), [1 << 40, 0]);
    }
}
