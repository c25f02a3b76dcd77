//! `FC`: `Y = X * transpose(W) + b`, and `FCTransposed`: `Y = X * W + b`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | 1 | X is a matrix whose rows are the dimensions before `axis`, and whose columns are the rest |
//! | `axis_w` | 1 | likewise for W |
//!
//! X `[M.., K..]`, W `[N.., K..]` (of `FCTransposed` `[K.., N..]`) and b `[N]` give Y `[M.., N]`. As in Caffe2 the product is rounded to float before
//! the bias is added.

use caffe2_kernels::byte_rows;
use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, ExpectContext, Expectation, InferContext,
    OpError, OpIo, OpSchema, Operator, OperatorType, Shape, Tensor, TensorInfo, Threads, WeightBytes,
    register_cpu_operator,
};
use smallvec::SmallVec;

/// The arguments of [`FullyConnectedOp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FcArgs {
    /// The first dimension of X that belongs to the columns; negative ones count from the end.
    pub axis: i32,
    /// The first dimension of W that belongs to the columns; negative ones count from the end.
    pub axis_w: i32,
}

impl FcArgs {
    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FcArgs { axis: args.get("axis")?, axis_w: args.get("axis_w")? })
    }

    /// The sizes of the product, from the shapes of X, W and b as far as they are known.
    fn sizes<const TRANSPOSED: bool>(
        &self,
        x: &Shape,
        w: &Shape,
        b: Option<&Shape>,
    ) -> Result<Sizes, OpError> {
        let axis_of = |index, shape: &Shape, name, axis: i32| {
            let wrong = |e| OpError::input(index, format!("argument `{name}`: {e}, found {shape}"));
            shape.axis(axis.into()).map_err(wrong)
        };
        let axis = axis_of(0, x, "axis", self.axis)?;
        let axis_w = axis_of(1, w, "axis_w", self.axis_w)?;
        let (rows, columns) = (w.size_to(axis_w), w.size_from(axis_w));
        let (n, k, lines) = if TRANSPOSED { (columns, rows, "columns") } else { (rows, columns, "rows") };
        let sizes = Sizes { axis, m: x.size_to(axis), k: x.size_from(axis), n };
        if k != sizes.k {
            let message = format!(
                "W {w} has {lines} of {k} (axis_w {axis_w}), but X {x} has rows of {} (axis {axis})",
                sizes.k,
            );
            return Err(OpError::input(1, message));
        }
        match b {
            Some(b) if b.dims() != [sizes.n] => Err(OpError::input(
                2,
                format!("b is {b}; expected [{}], one for each output of W {w}", sizes.n),
            )),
            _ => Ok(sizes),
        }
    }
}

/// X is `m` rows of `k`, W is `n` rows (or columns) of `k`.
struct Sizes {
    axis: usize,
    m: usize,
    k: usize,
    n: usize,
}

impl Sizes {
    fn output_shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let mut dims: SmallVec<[usize; 6]> = x.dims()[..self.axis].into();
        dims.push(self.n);
        Ok(Shape::new(&dims)?)
    }
}

/// The operator; see the [crate]. It is `FCTransposed` if `TRANSPOSED`, else `FC`.
#[derive(Debug)]
pub struct FullyConnectedOp<const TRANSPOSED: bool = false> {
    args: FcArgs,
}

impl<const TRANSPOSED: bool> OperatorType for FullyConnectedOp<TRANSPOSED> {
    const TYPE: &'static str = if TRANSPOSED { "FCTransposed" } else { "FC" };

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                if TRANSPOSED {
                    "Fully connected layer with the weights transposed: Y = X * W + b, where X and W are taken as \
                     matrices: the dimensions before the axis are the rows, the rest the columns."
                } else {
                    "Fully connected layer: Y = X * transpose(W) + b, where X and W are taken as matrices: the \
                     dimensions before the axis are the rows, the rest the columns."
                },
            )
            .inputs(3)
            .outputs(1)
            .arg("axis", "first dimension of X that belongs to the columns; negative: from the end", 1)
            .arg("axis_w", "first dimension of W that belongs to the columns; negative: from the end", 1)
            .arg("float16_compute", "has no effect: Caffe2 uses it on graphics processors only", false)
            .input("X", "float tensor [M.., K..]")
            .input(
                "W",
                if TRANSPOSED {
                    "float tensor [K.., N..]; multiplied from its bytes if it is kept so (ByteWeightDequant, keep_codes)"
                } else {
                    "float tensor [N.., K..]; multiplied from its bytes if it is kept so (ByteWeightDequant, keep_codes)"
                },
            )
            .input("b", "float tensor [N]")
            .output("Y", "float tensor [M.., N]")
            .differences(
                "Rows without elements (K = 0) give the bias, where Caffe2 divides by zero. The types of W and b \
                 are checked even when X is empty.",
            )
            .infer(infer::<TRANSPOSED>)
            .expect(expect::<TRANSPOSED>)
            .cost(cost::<TRANSPOSED>)
            .comparison(Comparison::Tolerance(1e-5))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FullyConnectedOp { args: FcArgs::read(args)? })
    }
}

fn infer<const TRANSPOSED: bool>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = FcArgs::read(context.args())?;
    let (Some(x), Some(w)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let shape = args.sizes::<TRANSPOSED>(x, w, context.shape(2))?.output_shape(x)?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

/// Rows as long as those of the weights.
fn expect<const TRANSPOSED: bool>(context: &ExpectContext<'_>, index: usize) -> Expectation {
    let dims = || {
        let args = FcArgs::read(context.inputs.args()).ok().filter(|args| args.axis == 1)?;
        let w = context.inputs.shape(1)?;
        let axis_w = w.axis(args.axis_w.into()).ok()?;
        Some(vec![None, Some(if TRANSPOSED { w.size_to(axis_w) } else { w.size_from(axis_w) })])
    };
    Expectation::floats(if index == 0 { dims() } else { None })
}

fn cost<const TRANSPOSED: bool>(context: &CostContext<'_>) -> Cost {
    let shape = |index: usize| context.inputs.get(index).and_then(|info| info.shape.as_ref());
    let sizes = || FcArgs::read(context.args).ok()?.sizes::<TRANSPOSED>(shape(0)?, shape(1)?, shape(2)).ok();
    let macs = sizes().map_or(0, |s| (s.m as u64).saturating_mul(s.n as u64).saturating_mul(s.k as u64));
    Cost::with_macs(context, macs)
}

impl<const TRANSPOSED: bool> Operator for FullyConnectedOp<TRANSPOSED> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, w, b) = (io.input(0)?.shape(), io.input(1)?, io.input(2)?.shape());
        let xs = io.input_slice(0)?;
        w.check_type(DataType::Float).map_err(|source| OpError::Input { index: 1, source })?;
        let bs = io.input_slice(2)?;
        let sizes = self.args.sizes::<TRANSPOSED>(x, w.shape(), Some(b))?;
        let y = io.output_slice(0, sizes.output_shape(x)?)?;
        fully_connected::<TRANSPOSED>(io.threads(), &sizes, (xs, w, bs), y)
    }
}

fn fully_connected<const TRANSPOSED: bool>(
    threads: &Threads,
    &Sizes { m, k, n, .. }: &Sizes,
    (x, w, b): (&[f32], &Tensor, &[f32]),
    y: &mut [f32],
) -> Result<(), OpError> {
    let (x, y, b) = (MatRef::new(x, m, k)?, MatMut::new(y, m, n)?, Bias::PerColumn(b));
    let (rows, width) = if TRANSPOSED { (k, n) } else { (n, k) };
    match WeightBytes::of(w, rows, width) {
        Some(w) if TRANSPOSED => byte_rows::matmul(threads, x, &w, b, y)?,
        Some(w) => byte_rows::matmul_transposed(threads, x, &w, b, y)?,
        None => {
            let w = w.as_slice().map_err(|source| OpError::Input { index: 1, source })?;
            matmul(threads, x, MatRef::new(w, rows, width)?.transposed_if(!TRANSPOSED), b, y)?;
        }
    }
    Ok(())
}

register_cpu_operator!(FullyConnectedOp<false>);
register_cpu_operator!(FullyConnectedOp<true>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn ramp(shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|v| v as f32).collect();
        Tensor::from_slice(shape, &values).unwrap()
    }

    fn run(x: Tensor, w: Tensor, b: Tensor, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        for (name, tensor) in [("x", x), ("w", w), ("b", b)] {
            workspace.feed(name, tensor);
        }
        let def = def.inputs(["x", "w", "b"]).output("y");
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("FC")
    }

    #[test]
    fn defaults_are_those_of_the_schema_and_of_caffe2() {
        let (schema, def) = (<FullyConnectedOp>::schema(), def());
        let read = FcArgs::read(&Args::new(&def, &schema).unwrap()).unwrap();
        assert_eq!(read, FcArgs { axis: 1, axis_w: 1 });
    }

    #[test]
    fn dimensions_before_the_axis_stay() {
        let y = run(ramp(&[2, 2, 2]), ramp(&[1, 2]), ramp(&[1]), def().arg("axis", 2)).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 2, 1], &[1.0f32, 3.0, 5.0, 7.0]).unwrap());
        let y =
            run(ramp(&[2]), ramp(&[1, 1, 2]), ramp(&[1]), def().arg("axis", 0).arg("axis_w", -1)).unwrap();
        assert_eq!(y, Tensor::from_slice([1], &[1.0f32]).unwrap());
    }

    #[test]
    fn weights_may_be_transposed() {
        let transposed = || OperatorDef::new("FCTransposed");
        let y = run(ramp(&[1, 2]), ramp(&[2, 3]), ramp(&[3]), transposed()).unwrap();
        assert_eq!(y, Tensor::from_slice([1, 3], &[3.0f32, 5.0, 7.0]).unwrap());
        let error = run(ramp(&[2, 3]), ramp(&[4, 3]), ramp(&[4]), transposed()).unwrap_err();
        assert!(error.contains("W [4, 3] has columns of 4"), "{error}");
    }

    #[test]
    fn rows_without_elements_give_the_bias() {
        let b = Tensor::from_slice([2], &[3.0f32, 4.0]).unwrap();
        let y = run(ramp(&[2, 0]), ramp(&[2, 0]), b.clone(), def()).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 2], &[3.0f32, 4.0, 3.0, 4.0]).unwrap());
        assert_eq!(run(ramp(&[0, 3]), ramp(&[2, 3]), b, def()).unwrap().dims(), [0, 2]);
        assert_eq!(run(ramp(&[2, 3]), ramp(&[0, 3]), ramp(&[0]), def()).unwrap().dims(), [2, 0]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_told() {
        let error = run(ramp(&[2, 3]), ramp(&[4, 5]), ramp(&[4]), def()).unwrap_err();
        assert!(
            error.contains("W [4, 5] has rows of 5 (axis_w 1), but X [2, 3] has rows of 3 (axis 1)"),
            "{error}"
        );
        let error = run(ramp(&[2, 3]), ramp(&[4, 3]), ramp(&[4, 1]), def()).unwrap_err();
        assert!(error.contains("input 2 `b`: b is [4, 1]; expected [4]"), "{error}");
        let error = run(ramp(&[2]), ramp(&[4, 2]), ramp(&[4]), def()).unwrap_err();
        assert!(error.contains("input 0 `x`: argument `axis`") && error.contains("found [2]"), "{error}");
        let ints = Tensor::from_slice([4], &[0i32; 4]).unwrap();
        assert!(run(ramp(&[0, 3]), ramp(&[4, 3]), ints, def()).unwrap_err().contains("found one of int32"));
    }
}
