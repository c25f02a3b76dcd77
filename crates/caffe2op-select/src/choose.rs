//! `Where` and `Conditional`: each part of the result comes from one of two tensors.
//!
//! | argument | default | |
//! |---|---|---|
//! | `broadcast_on_rows` | false | whether each truth value chooses a whole slice of the first dimension; only `Where` |
//!
//! `Z[i] = C[i] ? X[i] : Y[i]`, where `i` is an element, or a slice of the first dimension: always so for
//! `Conditional`. (Caffe2 `elementwise_logical_ops.h`, `conditional_op.cc`.)

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, f16, register_cpu_operator,
};

const CONDITION: usize = 0;
const X: usize = 1;
const Y: usize = 2;

/// What tells one [`ChooseOp`] from another.
pub trait Choice: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// Whether this is `Where`, which chooses by element if not told otherwise, and takes fewer types.
    const BY_ELEMENT: bool;
}

/// Element by element, or row by row: `Where`.
#[derive(Debug)]
pub enum ByElement {}

impl Choice for ByElement {
    const TYPE: &'static str = "Where";
    const BY_ELEMENT: bool = true;
}

/// Row by row, for tensors of any type: `Conditional`.
#[derive(Debug)]
pub enum ByRow {}

impl Choice for ByRow {
    const TYPE: &'static str = "Conditional";
    const BY_ELEMENT: bool = false;
}

/// The operator of each [`Choice`].
#[derive(Debug)]
pub struct ChooseOp<C> {
    rows: bool,
    choice: PhantomData<fn() -> C>,
}

impl<C: Choice> OperatorType for ChooseOp<C> {
    const TYPE: &'static str = C::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(C::TYPE).inputs(3).outputs(1).infer(infer::<C>);
        if C::BY_ELEMENT {
            schema
                .doc("Chooses elements, or rows, from two tensors: Z = C ? X : Y.")
                .arg(
                    "broadcast_on_rows",
                    "whether C chooses slices of the first dimension, not elements",
                    false,
                )
                .input("C", "bool tensor of X's shape; with broadcast_on_rows of its first dimension alone")
                .input("X", "float, double, int32, int64, string or bool tensor: what to take for true")
                .input("Y", "tensor of the same type and shape: what to take for false")
                .output("Z", "tensor of X's type and shape")
        } else {
            schema
                .doc("Chooses slices of the first dimension from two tensors: DataO[i] = Condition[i] ? DataT[i] : DataF[i].")
                .input("Condition", "bool tensor of DataT's first dimension alone")
                .input("DataT", "tensor of any type: what to take for true")
                .input("DataF", "tensor of the same type and shape: what to take for false")
                .output("DataO", "tensor of DataT's type and shape")
                .differences(
                    "DataT and DataF of different types are an error, where Caffe2 takes the bytes of one for \
                     elements of the other if they are of one size.",
                )
        }
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ChooseOp { rows: rows::<C>(args)?, choice: PhantomData })
    }
}

fn rows<C: Choice>(args: &Args<'_>) -> Result<bool, ArgError> {
    if C::BY_ELEMENT { args.get::<bool>("broadcast_on_rows") } else { Ok(true) }
}

/// Checks that the shapes go together.
fn check(rows: bool, condition: &Shape, x: &Shape, y: &Shape) -> Result<(), OpError> {
    if x != y {
        return Err(OpError::shape(format!(
            "expected two tensors of one shape to choose from, found {x} and {y}"
        )));
    }
    let wanted = if rows { x.get(..1) } else { Some(x.dims()) };
    match wanted {
        Some(wanted) if wanted == condition.dims() => Ok(()),
        Some(wanted) => {
            let message =
                format!("expected shape {wanted:?}, as what to choose from has {x}; found {condition}");
            Err(OpError::input(CONDITION, message))
        }
        None => Err(OpError::input(X, format!("expected at least one dimension, found {x}"))),
    }
}

fn infer<C: Choice>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let rows = rows::<C>(context.args())?;
    if let (Some(condition), Some(x), Some(y)) =
        (context.shape(CONDITION), context.shape(X), context.shape(Y))
    {
        check(rows, condition, x, y)?;
    }
    Ok(vec![TensorInfo { data_type: context.data_type(X), shape: context.shape(X).cloned() }])
}

impl<C: Choice> Operator for ChooseOp<C> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let data_type = io.input_type(X)?;
        let condition = io.input_slice::<bool>(CONDITION)?;
        let shape = io.input(X)?.shape();
        check(self.rows, io.input(CONDITION)?.shape(), shape, io.input(Y)?.shape())?;
        let block = if self.rows { shape.size_from(1) } else { 1 };
        if data_type == DataType::String {
            let strings = |index| {
                let wrong = |source| OpError::Input { index, source };
                io.input(index)?.as_strings().map_err(wrong)
            };
            let (x, y) = (strings(X)?, strings(Y)?);
            let wrong = |source| OpError::Output { index: 0, source };
            choose(condition, block, x, y, io.output(0)?.overwrite_strings(shape).map_err(wrong)?);
            return Ok(());
        }
        macro_rules! of_types {
            ($($t:ty),*) => {
                dispatch_input_type!(io, X, [$($t),*], T => {
                    let (x, y) = (io.input_slice::<T>(X)?, io.input_slice::<T>(Y)?);
                    let out = io.output_slice::<T>(0, shape)?;
                    if block == 1 {
                        choose_each(condition, x, y, out);
                    } else {
                        choose(condition, block, x, y, out);
                    }
                })
            };
        }
        if C::BY_ELEMENT {
            of_types!(f32, f64, i32, i64, bool);
        } else {
            of_types!(f32, f64, f16, i8, i16, i32, i64, u8, u16, bool);
        }
        Ok(())
    }
}

/// Takes blocks of elements from `x` or `y`.
fn choose<T: Clone>(condition: &[bool], block: usize, x: &[T], y: &[T], out: &mut [T]) {
    if block == 0 {
        return;
    }
    let pairs = x.chunks_exact(block).zip(y.chunks_exact(block)).zip(condition);
    for (out, ((x, y), &c)) in out.chunks_exact_mut(block).zip(pairs) {
        out.clone_from_slice(if c { x } else { y });
    }
}

/// Takes elements from `x` or `y`: both are read, so that nothing depends on what the condition will be.
fn choose_each<T: Copy>(condition: &[bool], x: &[T], y: &[T], out: &mut [T]) {
    for (((out, &x), &y), &c) in out.iter_mut().zip(x).zip(y).zip(condition) {
        *out = if c { x } else { y };
    }
}

register_cpu_operator!(ChooseOp<ByElement>);
register_cpu_operator!(ChooseOp<ByRow>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(op: &OperatorDef, c: Tensor, x: Tensor, y: Tensor) -> Result<Tensor, String> {
        let def = op.clone().inputs(["c", "x", "y"]).output("z");
        run_operator(&def, [c, x, y]).map(|mut outputs| outputs.remove(0)).map_err(|e| e.to_string())
    }

    fn of(values: [i32; 4]) -> Tensor {
        Tensor::from_slice([2, 2], &values).unwrap()
    }

    #[test]
    fn elements_or_rows_are_chosen() {
        let (x, y) = (|| of([1, 2, 3, 4]), || of([-1, -2, -3, -4]));
        let choose = OperatorDef::new("Where");
        let each = Tensor::from_slice([2, 2], &[true, false, false, true]).unwrap();
        assert_eq!(run(&choose, each.clone(), x(), y()).unwrap(), of([1, -2, -3, 4]));
        let two = Tensor::from_slice([2], &[false, true]).unwrap();
        for op in [choose.clone().arg("broadcast_on_rows", true), OperatorDef::new("Conditional")] {
            assert_eq!(run(&op, two.clone(), x(), y()).unwrap(), of([-1, -2, 3, 4]));
            assert!(
                run(&op, each.clone(), x(), y()).unwrap_err().contains("input 0 `c`: expected shape [2]")
            );
            let scalar = || Tensor::scalar(1).unwrap();
            assert!(
                run(&op, two.clone(), scalar(), scalar()).unwrap_err().contains("at least one dimension")
            );
        }
        assert!(run(&choose, two.clone(), x(), y()).unwrap_err().contains("expected shape [2, 2]"));
        assert!(run(&choose, each, x(), two).unwrap_err().contains("found [2, 2] and [2]"));
    }

    #[test]
    fn which_types_are_taken() {
        let c = || Tensor::from_slice([2], &[false, true]).unwrap();
        let words = |a: &str, b: &str| Tensor::from_strings([2], [a.to_owned(), b.to_owned()]).unwrap();
        for op in ["Where", "Conditional"] {
            let got = run(&OperatorDef::new(op), c(), words("a", "b"), words("c", "d")).unwrap();
            assert_eq!(got, words("c", "b"));
            let (floats, ints) =
                (Tensor::zeros::<f32>([2]).unwrap(), Tensor::from_slice([2], &[1i32, 2]).unwrap());
            let error = run(&OperatorDef::new(op), c(), floats, ints).unwrap_err();
            assert!(error.contains("input 2 `y`: wanted a tensor of float, found one of int32"), "{error}");
        }
        let bytes = || Tensor::from_slice([2], &[1u8, 2]).unwrap();
        assert!(
            run(&OperatorDef::new("Where"), c(), bytes(), bytes())
                .unwrap_err()
                .contains("uint8 is not supported")
        );
        assert_eq!(run(&OperatorDef::new("Conditional"), c(), bytes(), bytes()).unwrap(), bytes());
    }
}
