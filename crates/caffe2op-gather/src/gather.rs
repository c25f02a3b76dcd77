//! `Gather` and `BatchGather`: slices of a tensor, picked by their index.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | 0 | dimension of DATA that the indices pick from; negative counts from the end; only `Gather` |
//! | `wrap_indices` | whether `axis` is given as 0 | whether negative indices count from the end; only `Gather` |
//! | `match_outer` | false | whether the dimensions of INDICES before `axis` are those of DATA |
//!
//! The result has the shape `DATA[..axis] + INDICES + DATA[axis + 1..]`, or with `match_outer`
//! `DATA[..axis] + INDICES[axis..] + DATA[axis + 1..]`, where each part before `axis` has indices of its own.
//! `BatchGather` is `Gather` with `axis` 1 whose indices do not wrap. (Caffe2 `gather_op.h`, `batch_gather_ops.h`.)

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_any_type, dispatch_input_type, register_cpu_operator,
};

const DATA: usize = 0;
const INDICES: usize = 1;

/// The arguments of one operator of the family.
#[derive(Debug, Clone)]
struct Rule {
    axis: i32,
    wrap: bool,
    match_outer: bool,
}

/// What tells one [`GatherOp`] from another.
pub trait Axis: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The axis, when no argument tells it.
    const FIXED: Option<i32>;
}

/// Any axis, by argument: `Gather`.
#[derive(Debug)]
pub enum AnyAxis {}

impl Axis for AnyAxis {
    const TYPE: &'static str = "Gather";
    const DOC: &'static str = "Picks slices of a tensor along a dimension by their indices. OUTPUT has the shape \
         DATA[..axis] + INDICES + DATA[axis + 1..]; where DATA has no slices at all, it has DATA's own shape.";
    const FIXED: Option<i32> = None;
}

/// The second dimension: `BatchGather`.
#[derive(Debug)]
pub enum SecondAxis {}

impl Axis for SecondAxis {
    const TYPE: &'static str = "BatchGather";
    const DOC: &'static str = "Picks slices of a tensor along its second dimension by their indices. OUTPUT has the \
         shape DATA[..1] + INDICES + DATA[2..]; where DATA has no slices at all, it has DATA's own shape.";
    const FIXED: Option<i32> = Some(1);
}

/// The operator of each [`Axis`].
#[derive(Debug)]
pub struct GatherOp<A> {
    rule: Rule,
    /// The indices of the last run, checked, and counted from the start.
    picks: Vec<usize>,
    axis: PhantomData<fn() -> A>,
}

impl Rule {
    fn read<A: Axis>(args: &Args<'_>) -> Result<Rule, ArgError> {
        let match_outer = args.get::<bool>("match_outer")?;
        if let Some(axis) = A::FIXED {
            return Ok(Rule { axis, wrap: false, match_outer });
        }
        let axis = args.get::<i32>("axis")?;
        let wrap = args.get_optional::<bool>("wrap_indices")?.unwrap_or(axis == 0);
        Ok(Rule { axis, wrap, match_outer })
    }

    /// The axis of `data` to pick from, and the shape of the output.
    fn shapes(&self, data: &Shape, indices: &Shape) -> Result<(usize, Shape), OpError> {
        let axis = data
            .axis(self.axis.into())
            .map_err(|error| OpError::input(DATA, format!("shape {data}: {error}")))?;
        if data[axis] == 0 {
            return Ok((axis, data.clone()));
        }
        let refused = |why| {
            OpError::shape(format!("DATA of shape {data}, INDICES of shape {indices}, axis {axis}: {why}"))
        };
        let outer = if self.match_outer { axis } else { 0 };
        let Some(picked) = indices.get(outer..) else {
            return Err(refused(
                "`match_outer` needs as many dimensions in INDICES as DATA has before the axis",
            ));
        };
        let dims = || data[..axis].iter().chain(picked).chain(&data[axis + 1..]).copied();
        let shape = Shape::new(&dims().collect::<smallvec::SmallVec<[usize; 8]>>())?;
        if self.match_outer && shape.numel() > 0 {
            if axis == 0 {
                return Err(refused("`match_outer` needs an axis of 1 or more"));
            }
            if data[..axis] != indices[..axis] {
                return Err(refused("with `match_outer` the dimensions before the axis must be the same"));
            }
        }
        Ok((axis, shape))
    }
}

impl<A: Axis> OperatorType for GatherOp<A> {
    const TYPE: &'static str = A::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(A::TYPE).doc(A::DOC).inputs(2).outputs(1);
        let schema = match A::FIXED {
            Some(_) => schema,
            None => schema
                .arg("axis", "dimension to pick from; negative counts from the end", 0)
                .arg_optional::<bool>(
                    "wrap_indices",
                    "whether negative indices count from the end; when absent, whether axis is 0",
                ),
        };
        schema
            .arg("match_outer", "whether INDICES begins with DATA's dimensions before the axis", false)
            .input("DATA", "tensor of any type with the axis")
            .input("INDICES", "int32 or int64 tensor of any shape")
            .output("OUTPUT", "tensor of DATA's type")
            .differences("With match_outer every index is checked, where Caffe2 checks only the first ones.")
            .infer(infer::<A>)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(GatherOp { rule: Rule::read::<A>(args)?, picks: Vec::new(), axis: PhantomData })
    }
}

fn infer<A: Axis>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let rule = Rule::read::<A>(context.args())?;
    let known = context.shape(DATA).zip(context.shape(INDICES));
    let shape = known.map(|(data, indices)| Ok::<_, OpError>(rule.shapes(data, indices)?.1)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(DATA), shape }])
}

impl<A: Axis> Operator for GatherOp<A> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(DATA)?;
        let data = io.input_shape(DATA)?;
        let (axis, shape) = self.rule.shapes(&data, io.input(INDICES)?.shape())?;
        self.picks.clear();
        dispatch_input_type!(io, INDICES, [i32, i64], T => {
            let indices = io.input_slice::<T>(INDICES)?;
            if shape.numel() > 0 {
                self.check(indices, axis, data[axis])?;
            }
        });
        let (of_axis, block) = (data[axis], data.size_from(axis + 1));
        dispatch_any_type!(io, DATA, T => {
            let (x, y) = (io.input_items::<T>(DATA)?, io.output_items::<T>(0, shape)?);
            if !y.is_empty() {
                self.pick(x, y, data.size_to(axis), of_axis, block);
            }
        });
        Ok(())
    }
}

impl<A: Axis> GatherOp<A> {
    /// Fills `picks` from the indices into a dimension of `size`.
    fn check<T: Element + Into<i64>>(
        &mut self,
        indices: &[T],
        axis: usize,
        size: usize,
    ) -> Result<(), OpError> {
        let wrap = self.rule.wrap;
        // No dimension of a checked shape is above i64::MAX.
        let offset = size as i64;
        self.picks.reserve(indices.len());
        for (at, &index) in indices.iter().enumerate() {
            let index: i64 = index.into();
            let wrapped = if wrap && index < 0 { index.wrapping_add(offset) } else { index };
            match usize::try_from(wrapped) {
                Ok(pick) if pick < size => self.picks.push(pick),
                _ => {
                    let low = if wrap { -offset } else { 0 };
                    let message = format!(
                        "index {index} at {at} is outside {low} to {}: axis {axis} has {size}",
                        size - 1
                    );
                    return Err(OpError::input(INDICES, message));
                }
            }
        }
        Ok(())
    }

    /// Copies blocks of elements; `x` is `outer` parts of `of_axis` blocks, and nothing is empty.
    fn pick<T: Clone>(&self, x: &[T], y: &mut [T], outer: usize, of_axis: usize, block: usize) {
        let each = y.len() / outer.max(1);
        let parts = x.chunks_exact((of_axis * block).max(1)).zip(y.chunks_exact_mut(each.max(1)));
        let count = if self.rule.match_outer { each / block.max(1) } else { 0 };
        for (part, (x, y)) in parts.enumerate() {
            let picks = &self.picks[part * count..];
            if block == 1 {
                y.iter_mut().zip(picks).for_each(|(y, &pick)| *y = x[pick].clone());
            } else {
                for (y, &pick) in y.chunks_exact_mut(block.max(1)).zip(picks) {
                    y.clone_from_slice(&x[pick * block..][..block]);
                }
            }
        }
    }
}

register_cpu_operator!(GatherOp<AnyAxis>);
register_cpu_operator!(GatherOp<SecondAxis>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Error, Tensor, run_operator};

    fn run(op: &OperatorDef, data: Tensor, indices: Tensor) -> Result<Tensor, Error> {
        let def = op.clone().inputs(["data", "indices"]).output("y");
        run_operator(&def, [data, indices]).map(|mut outputs| outputs.remove(0))
    }

    fn data() -> Tensor {
        Tensor::from_slice([2, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap()
    }

    fn at(indices: &[i64]) -> Tensor {
        Tensor::from_slice([indices.len()], indices).unwrap()
    }

    #[test]
    fn slices_are_picked_along_the_axis() {
        let gather = OperatorDef::new("Gather");
        let rows = run(&gather, data(), at(&[1, -2, 1])).unwrap();
        assert_eq!(rows, Tensor::from_slice([3, 3], &[4u8, 5, 6, 1, 2, 3, 4, 5, 6]).unwrap());
        let columns = Tensor::from_slice([2, 2], &[3u8, 1, 6, 4]).unwrap();
        for op in [gather.clone().arg("axis", 1), gather.arg("axis", -1), OperatorDef::new("BatchGather")] {
            assert_eq!(run(&op, data(), at(&[2, 0])).unwrap(), columns);
            assert!(run(&op, data(), at(&[0, -1])).unwrap_err().to_string().contains("index -1 at 1"));
        }
    }

    #[test]
    fn matched_outer_dimensions_have_indices_of_their_own() {
        let op = OperatorDef::new("BatchGather").arg("match_outer", true);
        let indices = |last| Tensor::from_slice([2, 2], &[2, 0, 1, last]).unwrap();
        assert_eq!(
            run(&op, data(), indices(1)).unwrap(),
            Tensor::from_slice([2, 2], &[3u8, 1, 5, 5]).unwrap()
        );
        assert!(run(&op, data(), indices(3)).unwrap_err().to_string().contains("outside 0 to 2"));
        assert!(run(&op, data(), at(&[0])).unwrap_err().to_string().contains("must be the same"));
        let scalar = Tensor::scalar(0i32).unwrap();
        assert!(run(&op, data(), scalar).unwrap_err().to_string().contains("as many dimensions"));
        let first = OperatorDef::new("Gather").arg("match_outer", true);
        assert!(run(&first, data(), at(&[0])).unwrap_err().to_string().contains("1 or more"));
    }

    #[test]
    fn strings_and_extremes() {
        let words = Tensor::from_strings([2], ["a", "b"]).unwrap();
        let gather = OperatorDef::new("Gather");
        assert_eq!(
            run(&gather, words.clone(), at(&[-1])).unwrap(),
            Tensor::from_strings([1], ["b"]).unwrap()
        );
        for wrong in [i64::MIN, i64::MAX, 2, -3] {
            assert!(
                run(&gather, words.clone(), at(&[wrong]))
                    .unwrap_err()
                    .to_string()
                    .contains("outside -2 to 1")
            );
        }
        for axis in [i64::from(i32::MIN), -2, 1] {
            let error = run(&gather.clone().arg("axis", axis), words.clone(), at(&[0])).unwrap_err();
            assert!(error.to_string().contains("axis"), "{error}");
        }
    }
}
