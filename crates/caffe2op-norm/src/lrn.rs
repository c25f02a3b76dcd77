//! `LRN`: local response normalisation, `y = x / (bias + alpha / size * sum of squares over size channels)^beta`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `size` | required | channels of the window, 1 or more; an even one has one more after its channel than before |
//! | `alpha` | 0 | weight of the mean square |
//! | `beta` | 0 | the exponent |
//! | `bias` | 1 | what the mean square is added to |
//! | `order` | NCHW | where the channels are |
//!
//! (Caffe2 `local_response_normalization_op.cc`.)

mod window;

use caffe2_kernels::Isa;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, DataType, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, Threads, register_cpu_operator,
};

use self::window::{Sums, Window};
use crate::layout::{GRAIN, Layout, Order, declare_order, read_order};
use crate::power::power;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct LrnOp {
    order: Order,
    window: Window,
    rule: Rule,
    scratch: [Vec<f32>; 2],
}

impl OperatorType for LrnOp {
    const TYPE: &'static str = "LRN";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Normalises each element by its neighbours in other channels: Y = X / scale^beta, with scale = bias + \
                 alpha / size * (sum of the squares of `size` channels around its own, as far as there are any).",
            )
            .inputs(1)
            .outputs(1..=2)
            .arg("size", "channels of the window, 1 or more; an even one has one more after its channel", 0)
            .arg("alpha", "weight of the mean square", 0.0f32)
            .arg("beta", "exponent", 0.0f32)
            .arg("bias", "what the mean square is added to", 1.0f32)
            .fill_using(declare_order)
            .input("X", "float tensor of four dimensions")
            .output("Y", "float tensor of X's shape")
            .output("Y_scale", "float tensor of X's shape: what Y was divided by, before it was raised to beta")
            .infer(infer)
            .cost(|context| {
                let size = context.args.get::<i64>("size").map_or(0, |size| size.max(0).unsigned_abs());
                Cost::with_macs(context, context.output_numel(0).saturating_mul(size))
            })
            .comparison(Comparison::Tolerance(1e-5))
            .differences(
                "A size below 1 is refused; Caffe2's gives NaN, or crashes. Without channels the output is empty, where \
                 Caffe2 crashes. NaN and infinity reach the windows that they are in; in Caffe2, which subtracts what \
                 leaves a window, all later channels.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let size = args.get::<i32>("size")?;
        let Some(others) = usize::try_from(size).ok().and_then(|size| size.checked_sub(1)) else {
            return Err(ArgError::value("size", format!("found {size}, expected 1 or more")));
        };
        let before = others / 2;
        let weight = args.get::<f32>("alpha")? / size as f32;
        Ok(LrnOp {
            order: read_order(args)?,
            window: Window { before, after: others - before },
            rule: Rule { weight, bias: args.get("bias")?, beta: args.get("beta")? },
            scratch: [Vec::new(), Vec::new()],
        })
    }
}

impl Operator for LrnOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let layout = layout(self.order, shape)?;
        let y = io.output_slice::<f32>(0, shape)?;
        let scale = if io.output_count() > 1 { Some(io.output_slice::<f32>(1, shape)?) } else { None };
        if x.is_empty() {
            return Ok(());
        }
        let (threads, isa, rule) = (io.threads(), Isa::current(), self.rule);
        let sums = Sums::new(self.window, layout, threads, x, &mut self.scratch);
        let write_scale = |first, out: &mut [f32]| {
            sums.write(isa, first, out);
            rule.sums_to_scales(isa, out);
        };
        let Some(scale) = scale else {
            for_each_block(threads, y, |first, y| {
                write_scale(first, y);
                rule.scales_to_results(isa, &x[first..][..y.len()], y);
            });
            return Ok(());
        };
        for_each_block(threads, scale, write_scale);
        let scale = &*scale;
        for_each_block(threads, y, |first, y| {
            y.copy_from_slice(&scale[first..][..y.len()]);
            rule.scales_to_results(isa, &x[first..][..y.len()], y);
        });
        Ok(())
    }
}

/// Calls `work` with the position of its first element and all elements of each block.
fn for_each_block(threads: &Threads, out: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync + Send) {
    const BLOCK: usize = 4 << 10;
    threads.for_each_block(out, BLOCK, GRAIN / 4, |index, out| work(index * BLOCK, out));
}

/// What becomes of a sum of squares.
#[derive(Debug, Clone, Copy)]
struct Rule {
    weight: f32,
    bias: f32,
    beta: f32,
}

impl Rule {
    fn sums_to_scales(self, isa: Isa, sums: &mut [f32]) {
        isa.dispatch(
            #[inline(always)]
            move || sums.iter_mut().for_each(|sum| *sum = self.bias + self.weight * *sum),
        );
    }

    fn scales_to_results(self, isa: Isa, x: &[f32], y: &mut [f32]) {
        let exponent = -f64::from(self.beta);
        isa.dispatch(
            #[inline(always)]
            move || {
                let pairs = y.iter_mut().zip(x);
                // The square roots of the usual exponents are cheaper than a power.
                if self.beta == 0.75 {
                    pairs.for_each(|(y, x)| *y = x / (y.sqrt() * y.sqrt().sqrt()));
                } else if self.beta == 0.5 {
                    pairs.for_each(|(y, x)| *y = x / y.sqrt());
                } else if self.beta == 1.0 {
                    pairs.for_each(|(y, x)| *y = x / *y);
                } else if self.beta == 0.0 {
                    pairs.for_each(|(y, x)| *y = *x);
                } else {
                    pairs.for_each(|(y, x)| *y = x * power(*y, exponent));
                }
            },
        );
    }
}

fn layout(order: Order, shape: &Shape) -> Result<Layout, OpError> {
    if shape.rank() != 4 {
        return Err(OpError::input(0, format!("has shape {shape}, expected 4 dimensions")));
    }
    Layout::of(shape, order)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let LrnOp { order, .. } = LrnOp::from_args(context.args())?;
    let shape = context.shape(0).map(|shape| layout(order, shape).map(|_| shape.clone())).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }; context.output_count()])
}

register_cpu_operator!(LrnOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(def: OperatorDef, shape: &[usize]) -> Result<Vec<Vec<f32>>, String> {
        let x: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
        let x = Tensor::from_slice(shape, &x).unwrap();
        let outputs = run_operator(&def.input("x"), [x]).map_err(|e| e.to_string())?;
        Ok(outputs.iter().map(|t| t.as_slice::<f32>().unwrap().to_vec()).collect())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("LRN").arg("alpha", 1.0f32)
    }

    #[test]
    fn windows_lean_to_higher_channels() {
        for (size, want) in [
            (1, [1.0, 2.0, 5.0, 10.0]),
            (2, [1.5, 3.5, 7.5, 5.5]),
            (3, [4.0 / 3.0, 8.0 / 3.0, 17.0 / 3.0, 16.0 / 3.0]),
            (2147483647, [1.0; 4]),
        ] {
            for (order, shape) in [("NCHW", [1, 4, 1, 1]), ("NHWC", [1, 1, 1, 4])] {
                let def = def().arg("size", size).arg("order", order).outputs(["y", "s"]);
                let got = run(def, &shape).unwrap();
                assert!(got[1].iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-4), "{size} {got:?}");
                assert_eq!(got[0], [0.0, 1.0, 2.0, 3.0]);
            }
        }
    }

    #[test]
    fn the_shortcuts_are_the_power() {
        for beta in [0.75f32, 0.5, 0.6, 1.0, 2.0] {
            for shape in [[2, 3, 4, 5], [2, 1, 40, 50]] {
                let def = def().arg("size", 3).arg("beta", beta);
                let two = run(def.clone().outputs(["y", "s"]), &shape).unwrap();
                assert_eq!(run(def.output("y"), &shape).unwrap()[0], two[0]);
                for (i, (y, s)) in two[0].iter().zip(&two[1]).enumerate() {
                    let want = i as f64 / f64::from(*s).powf(f64::from(beta));
                    assert!((f64::from(*y) - want).abs() <= 1e-5 * want, "{y} {want}");
                }
            }
        }
    }

    #[test]
    fn sizes_and_shapes_are_checked() {
        for size in [0, -1] {
            assert!(run(def().arg("size", size).output("y"), &[1, 1, 1, 1]).unwrap_err().contains("`size`"));
        }
        assert!(run(def().arg("size", 1).output("y"), &[1, 1, 1]).unwrap_err().contains("4 dimensions"));
        assert_eq!(run(def().arg("size", 1).output("y"), &[1, 0, 1, 1]).unwrap(), [Vec::<f32>::new()]);
    }
}
