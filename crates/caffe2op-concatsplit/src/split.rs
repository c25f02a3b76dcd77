//! `Split`: the parts of a tensor along an axis.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | by `order` | along which the input is parted; negative ones count from the end |
//! | `order` | `NCHW` | without `axis`: `NCHW` is axis 1, `NHWC` is axis 3 |
//! | `add_axis` | 0 | with `axis`: every part is one thick and loses the axis |
//! | `split` | equal parts | the thickness of each part |
//!
//! A second input, int32, may hold the thicknesses instead. A tensor of any type, strings included (Caffe2
//! `concat_split_op.cc`).

use caffe2_operator::{
    ArgError, Args, InferContext, Item, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    copy_rows, dispatch_any_type, register_cpu_operator,
};
use smallvec::SmallVec;

use crate::axis::JoinAxis;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SplitOp {
    axis: JoinAxis,
    /// The thickness of each part; empty: that of the second input, or equal parts.
    sizes: Vec<i32>,
    parts: usize,
}

impl OperatorType for SplitOp {
    const TYPE: &'static str = "Split";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Parts a tensor along an axis, one part per output: in equal parts, or as split or the second input \
                 tells. With add_axis every part is one thick and loses the axis.",
            )
            .inputs(1..=2)
            .outputs(1..)
            .fill_using(JoinAxis::describe)
            .arg_repeated::<i32>("split", "thickness of each part; equal parts without it")
            .input("X", "tensor of any type")
            .input("split", "thickness of each part: int32 tensor with an element per output; only without split")
            .output("Y", "tensors of the type of X: its parts")
            .differences(
                "A negative thickness is an error, and so is one other than 1 with add_axis; Caffe2 fails to allocate \
                 there, or mixes up the parts.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (axis, sizes, parts) = (JoinAxis::read(args)?, args.list::<i32>("split")?, args.output_count());
        if !sizes.is_empty() && args.input_count() > 1 {
            return Err(ArgError::value("split", "expected none beside a second input"));
        }
        if !sizes.is_empty() && sizes.len() != parts {
            let message = format!("expected one number per output, {parts}, found {}", sizes.len());
            return Err(ArgError::value("split", message));
        }
        Ok(SplitOp { axis, sizes, parts })
    }
}

/// How the parts lie in the input.
struct Parted<'s> {
    axis: usize,
    /// As many as there are parts; empty: all are `equal`.
    sizes: &'s [i32],
    equal: usize,
    added: bool,
}

impl Parted<'_> {
    fn thickness(&self, part: usize) -> usize {
        // Checked not to be negative.
        self.sizes.get(part).map_or(self.equal, |&size| size as usize)
    }

    /// The dimensions of a part.
    fn shape(&self, x: &Shape, part: usize) -> Result<Shape, OpError> {
        let mut dims = SmallVec::<[usize; 6]>::from_slice(x.dims());
        if self.added {
            dims.remove(self.axis);
        } else {
            dims[self.axis] = self.thickness(part);
        }
        Ok(Shape::new(&dims)?)
    }
}

impl SplitOp {
    /// Parts a shape, where the second input, if there is one, holds `sizes`.
    fn part<'s>(&'s self, x: &Shape, sizes: Option<&'s [i32]>) -> Result<Parted<'s>, OpError> {
        let (axis, parts, added) = (self.axis.within(x.rank())?, self.parts, self.axis.added);
        let of_input = |message: String| match sizes {
            Some(_) => OpError::input(1, message),
            None => ArgError::value("split", message).into(),
        };
        let whole = x[axis];
        if added && whole != parts {
            let message = format!("expected {parts} along axis {axis}, one per output, found {x}");
            return Err(OpError::input(0, message));
        }
        let given = sizes.unwrap_or(&self.sizes);
        if sizes.is_some() && given.len() != parts {
            return Err(of_input(format!("expected one number per output, {parts}, found {}", given.len())));
        }
        if given.is_empty() {
            return match whole.checked_rem(parts) {
                Some(0) => Ok(Parted { axis, sizes: given, equal: whole / parts, added }),
                _ => Err(OpError::input(
                    0,
                    format!("axis {axis} of {x} does not part into {parts} equal parts"),
                )),
            };
        }
        if let Some(wrong) = given.iter().find(|&&size| size < 0 || (added && size != 1)) {
            let wanted = if added { "1, as `add_axis` is set" } else { "0 or more" };
            return Err(of_input(format!("expected thicknesses of {wanted}, found {wrong}")));
        }
        let sum = given.iter().fold(0i64, |sum, &size| sum.saturating_add(size.into()));
        if usize::try_from(sum) != Ok(whole) {
            return Err(of_input(format!("the thicknesses add up to {sum}, not to axis {axis} of {x}")));
        }
        Ok(Parted { axis, sizes: given, equal: 0, added })
    }

    fn compute<T: Item>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_items::<T>(0)?, io.input(0)?.shape());
        let sizes = if io.input_count() > 1 { Some(io.input_slice::<i32>(1)?) } else { None };
        let parted = self.part(shape, sizes)?;
        let inner = shape.size_from(parted.axis + 1);
        let row = shape[parted.axis] * inner;
        let mut start = 0;
        for part in 0..self.parts {
            let y = io.output_items::<T>(part, &parted.shape(shape, part)?)?;
            let own = parted.thickness(part) * inner;
            copy_rows(own, x.get(start..).unwrap_or_default(), row, y, own);
            start += own;
        }
        Ok(())
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = SplitOp::from_args(context.args())?;
    let data_type = context.data_type(0);
    let unknown = TensorInfo { data_type, shape: None };
    let sizes = context.values::<i32>(1);
    match context.shape(0) {
        // With an axis of their own, the parts are one thick, whatever holds that.
        Some(x) if sizes.is_some() || context.input_count() == 1 || operator.axis.added => {
            let parted = operator.part(x, sizes)?;
            let info = |part| Ok(TensorInfo { data_type, shape: Some(parted.shape(x, part)?) });
            (0..operator.parts).map(info).collect()
        }
        _ => Ok(vec![unknown; operator.parts]),
    }
}

impl Operator for SplitOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_any_type!(io, 0, T => self.compute::<T>(io))
    }
}

register_cpu_operator!(SplitOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn split(parts: usize) -> OperatorDef {
        OperatorDef::new("Split").input("x").outputs((0..parts).map(|i| format!("y{i}")))
    }

    fn ramp(dims: &[usize]) -> Tensor {
        let elements: Vec<i32> = (0..dims.iter().product::<usize>() as i32).collect();
        Tensor::from_slice(dims, &elements).unwrap()
    }

    #[test]
    fn parts_are_equal_or_as_told() {
        let out = run_operator(&split(2), [ramp(&[2, 4])]).unwrap();
        assert_eq!(out[0], Tensor::from_slice([2, 2], &[0, 1, 4, 5]).unwrap());
        assert_eq!(out[1], Tensor::from_slice([2, 2], &[2, 3, 6, 7]).unwrap());
        let sizes = Tensor::from_slice([3], &[1i32, 0, 3]).unwrap();
        let by_argument = split(3).arg("axis", -1).arg("split", vec![1, 0, 3]);
        for (def, inputs) in [
            (by_argument, vec![ramp(&[2, 4])]),
            (split(3).input("s").arg("axis", 1), vec![ramp(&[2, 4]), sizes]),
        ] {
            let out = run_operator(&def, inputs).unwrap();
            assert_eq!(out[0], Tensor::from_slice([2, 1], &[0, 4]).unwrap());
            assert_eq!(out[1].dims(), [2, 0]);
            assert_eq!(out[2], Tensor::from_slice([2, 3], &[1, 2, 3, 5, 6, 7]).unwrap());
        }
        let out = run_operator(&split(2).arg("axis", 1).arg("add_axis", 1), [ramp(&[2, 2])]).unwrap();
        assert_eq!(out[1], Tensor::from_slice([2], &[1, 3]).unwrap());
    }

    #[test]
    fn what_does_not_add_up_is_named() {
        let fails = |def: OperatorDef, words: &str| {
            let error = run_operator(&def, [ramp(&[2, 4])]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        fails(split(3), "axis 1 of [2, 4] does not part into 3");
        fails(split(2).arg("split", vec![1, 2]), "`split`: the thicknesses add up to 3");
        fails(split(2).arg("split", vec![-1, 5]), "0 or more, found -1");
        fails(split(2).arg("split", vec![4]), "one number per output, 2, found 1");
        fails(split(2).arg("axis", 1).arg("add_axis", 1), "expected 2 along axis 1");
        fails(
            split(2).arg("axis", 0).arg("add_axis", 1).arg("split", vec![2, 0]),
            "1, as `add_axis` is set, found 2",
        );
        fails(split(2).arg("axis", -3), "no axis -3");
        fails(split(2).arg("split", vec![i32::MAX, i32::MAX]), "add up to 4294967294");
        let sizes = Tensor::from_slice([1], &[4i32]).unwrap();
        let error =
            run_operator(&split(2).input("s"), [ramp(&[2, 4]), sizes.clone()]).unwrap_err().to_string();
        assert!(error.contains("input 1 `s`: expected one number per output"), "{error}");
        let both = split(2).input("s").arg("split", vec![2, 2]);
        assert!(
            run_operator(&both, [ramp(&[2, 4]), sizes]).unwrap_err().to_string().contains("expected none")
        );
    }

    #[test]
    fn many_parts_and_many_empty_rows_take_no_time() {
        let out = run_operator(&split(20_000).arg("axis", 0), [ramp(&[20_000])]).unwrap();
        assert_eq!(out[19_999].as_slice::<i32>().unwrap(), [19_999]);
        let out = run_operator(&split(2), [ramp(&[1 << 40, 0])]).unwrap();
        assert_eq!(out[1].dims(), [1 << 40, 0]);
    }
}
