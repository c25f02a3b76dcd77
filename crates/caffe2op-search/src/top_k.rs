//! `TopK`: the greatest elements along a dimension, in falling order, and where they are.
//!
//! | argument | default | |
//! |---|---|---|
//! | `k` | -1 | how many, at least 1; -1: the second input tells it |
//! | `axis` | -1 | the dimension to search along; -1 is the last |
//!
//! Of equal elements the one with the lower index comes first (Caffe2 `top_k.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

use crate::axis::{Axis, Lines};
use crate::best::Best;

/// `k` beyond the size of the dimension may not exceed this: a number must not ask for any amount of memory.
const MAX_PADDED: usize = 1 << 16;

/// `TopK`: the largest elements along an axis, and where they are.
#[derive(Debug)]
pub struct TopKOp {
    /// How many; `None`: as many as the second input says.
    k: Option<usize>,
    axis: Axis,
    best: Best,
}

impl OperatorType for TopKOp {
    const TYPE: &'static str = "TopK";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Finds the k greatest elements along a dimension, in falling order; of equal ones the first comes \
                 first. Where the dimension has fewer, the rest of the values is 0 and the rest of the indices -1.",
            )
            .inputs(1..=2)
            .outputs(2..=3)
            .arg("k", "how many, at least 1; -1: the second input, which is not read otherwise, tells it", -1)
            .fill_using(Axis::describe)
            .input("X", "float tensor of at least one dimension")
            .input("k", "int64 tensor, the first element of which is k, where the argument does not tell it")
            .output("values", "float tensor like X, with k in place of the size of the dimension")
            .output("indices", "int64 tensor of the same shape: where along the dimension the values are")
            .output("flat_indices", "int64 tensor of one dimension: where in all of X the values are")
            .differences(
                "NaN counts as greater than everything, where Caffe2's order depends on where it stands. k may \
                 exceed the size of the dimension up to 65536 only. axis -1 is the last dimension of each X, not \
                 that of the first X that the operator saw.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let axis = Axis::read(args)?;
        let k = match args.get::<i32>("k")? {
            -1 if args.input_count() > 1 => None,
            k => match usize::try_from(k) {
                Ok(k) if k > 0 => Some(k),
                _ => {
                    let message =
                        format!("expected at least 1, or -1 with a second input that tells it; found {k}");
                    return Err(ArgError::value("k", message));
                }
            },
        };
        Ok(TopKOp { k, axis, best: Best::default() })
    }
}

/// The shape of values and indices.
fn output_shape(x: &Shape, lines: Lines, k: usize) -> Result<Shape, OpError> {
    if k > lines.len.max(MAX_PADDED) {
        let message = format!("`k` is {k}: expected at most {MAX_PADDED}, or {} elements of {x}", lines.len);
        return Err(OpError::input(0, message));
    }
    let (before, after) = x.split_at(lines.axis);
    let dims = before.iter().copied().chain([k]).chain(after.iter().skip(1).copied());
    Ok(Shape::new(&dims.collect::<smallvec::SmallVec<[usize; 6]>>())?)
}

/// The `k` that the second input gives.
fn k_of_input(values: &[i64]) -> Result<usize, OpError> {
    match values {
        [k, ..] if *k > 0 => usize::try_from(*k)
            .map_err(|_| OpError::input(1, format!("k is {k}, which does not fit the memory"))),
        [k, ..] => Err(OpError::input(1, format!("k is {k}, expected at least 1"))),
        [] => Err(OpError::input(1, "expected an element, which is k, found none")),
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = TopKOp::from_args(context.args())?;
    let lines = context.shape(0).map(|x| Ok::<_, OpError>((x, operator.axis.of(x)?))).transpose()?;
    let held = || context.values(1).map(k_of_input).transpose();
    let k = operator.k.map_or_else(held, |k| Ok(Some(k)))?;
    let shape = lines.zip(k).map(|((x, lines), k)| output_shape(x, lines, k)).transpose()?;
    let flat = shape.as_ref().map(|shape| Shape::new(&[shape.numel()])).transpose()?;
    Ok(vec![
        TensorInfo { data_type: Some(DataType::Float), shape: shape.clone() },
        TensorInfo { data_type: Some(DataType::Int64), shape },
        TensorInfo { data_type: Some(DataType::Int64), shape: flat },
    ])
}

impl Operator for TopKOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_slice::<f32>(0)?;
        let k = self.k.map_or_else(|| k_of_input(io.input_slice(1)?), Ok)?;
        let lines = self.axis.of(io.input(0)?.shape())?;
        let shape = output_shape(io.input(0)?.shape(), lines, k)?;
        let values = io.output_slice::<f32>(0, &shape)?;
        let indices = io.output_slice::<i64>(1, &shape)?;
        let flat: &mut [i64] =
            if io.output_count() > 2 { io.output_slice(2, [shape.numel()])? } else { &mut [] };
        values.fill(0.0);
        indices.fill(-1);
        flat.fill(-1);
        let Lines { outer, len, inner, .. } = lines;
        // Without elements there may be any number of lines.
        if x.is_empty() {
            return Ok(());
        }
        for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            let start = o * len * inner + i;
            let line = x.get(start..(o + 1) * len * inner).unwrap_or_default();
            for (rank, &(value, index)) in self.best.of_line(line, inner, k).iter().enumerate() {
                let at = (o * k + rank) * inner + i;
                if let Some((y, place)) = values.get_mut(at).zip(indices.get_mut(at)) {
                    (*y, *place) = (value, index as i64);
                }
                if let Some(place) = flat.get_mut(at) {
                    *place = (start + index * inner) as i64;
                }
            }
        }
        Ok(())
    }
}

register_cpu_operator!(TopKOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(def: OperatorDef, x: &[f32]) -> Result<(Vec<f32>, Vec<i64>), String> {
        let def = def.input("x").outputs(["v", "i"]);
        let y = run_operator(&def, [Tensor::from_slice([x.len()], x).unwrap()]).map_err(|e| e.to_string())?;
        Ok((y[0].as_slice().unwrap().to_vec(), y[1].as_slice().unwrap().to_vec()))
    }

    fn def(k: i64) -> OperatorDef {
        OperatorDef::new("TopK").arg("k", k)
    }

    #[test]
    fn greatest_first_and_lower_indices_first() {
        assert_eq!(run(def(3), &[1.0, 5.0, 2.0, 5.0]), Ok((vec![5.0, 5.0, 2.0], vec![1, 3, 2])));
        assert_eq!(run(def(2), &[7.0]), Ok((vec![7.0, 0.0], vec![0, -1])));
        let (values, indices) = run(def(3), &[1.0, f32::NAN, f32::INFINITY, -f32::NAN]).unwrap();
        assert!(values[0].is_nan() && values[1].is_nan() && values[2] == f32::INFINITY);
        assert_eq!(indices, [1, 3, 2]);
    }

    #[test]
    fn k_is_bounded() {
        for k in [0, -1, i64::MIN, i64::MAX, 1 << 31] {
            assert!(run(def(k), &[1.0]).unwrap_err().contains("`k`"), "{k}");
        }
        assert!(run(OperatorDef::new("TopK"), &[1.0]).unwrap_err().contains("`k`"));
        let def = OperatorDef::new("TopK").inputs(["x", "k"]).outputs(["v", "i", "f"]);
        let with = |k: &[i64]| {
            let x = Tensor::from_slice([2, 2], &[1.0f32, 2.0, 4.0, 3.0]).unwrap();
            run_operator(&def, [x, Tensor::from_slice([k.len()], k).unwrap()]).map_err(|e| e.to_string())
        };
        assert_eq!(with(&[1, 7]).unwrap()[2].as_slice::<i64>().unwrap(), [1, 2]);
        for k in [&[][..], &[0], &[i64::MAX]] {
            assert!(with(k).is_err());
        }
    }

    #[test]
    fn the_argument_goes_before_the_input() {
        let x = Tensor::from_slice([3], &[1.0f32, 3.0, 2.0]).unwrap();
        let with = |k: i32| {
            let def = OperatorDef::new("TopK").inputs(["x", "k"]).outputs(["v", "i"]).arg("k", k);
            run_operator(&def, [x.clone(), Tensor::from_slice([1], &[3i64]).unwrap()])
                .map_err(|e| e.to_string())
        };
        assert_eq!(with(2).unwrap()[1].as_slice::<i64>().unwrap(), [1, 2]);
        assert_eq!(with(-1).unwrap()[1].as_slice::<i64>().unwrap(), [1, 2, 0]);
        for k in [0, -2] {
            assert!(with(k).unwrap_err().contains("`k`: expected at least 1"), "{k}");
        }
    }

    #[test]
    fn lines_without_elements_take_no_time() {
        for (dims, axis) in [([1 << 40, 5, 0], 1), ([0, 1 << 40, 3], 1), ([5, 1 << 40, 0], 0)] {
            let def =
                OperatorDef::new("TopK").input("x").outputs(["v", "i", "f"]).arg("k", 2).arg("axis", axis);
            let y = run_operator(&def, [Tensor::zeros::<f32>(dims).unwrap()]).unwrap();
            assert_eq!(y[0].dims()[axis as usize], 2);
        }
    }
}
