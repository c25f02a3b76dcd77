//! `PadImage`: pixels added around, or cut off, a batch of images.
//!
//! | argument | default | |
//! |---|---|---|
//! | `pads` | 0 | top, left, bottom, right |
//! | `pad` | none | all four |
//! | `pad_t`, `pad_l`, `pad_b`, `pad_r` | none | each; only all together |
//! | `mode` | `constant` | or `reflect`, `edge` |
//! | `value` | 0 | the constant |
//! | `order` | `NCHW` | or `NHWC` |
//!
//! Negative padding cuts pixels off. Steps, dilation, `legacy_pad` and `global_pooling` must have no effect, and a
//! kernel has none (Caffe2 `pad_op.cc`).

use caffe2_operator::window::{Image, Order};
use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

use crate::side::{Mode, Side};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct PadImageOp {
    /// Top, left, bottom, right.
    pads: [i64; 4],
    mode: Mode,
    value: f32,
    order: Order,
}

impl OperatorType for PadImageOp {
    const TYPE: &'static str = "PadImage";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Adds pixels around images: of a constant value, of the image mirrored at its outermost pixels \
                 (reflect), or of these pixels again (edge). Negative padding cuts pixels off.",
            )
            .inputs(1)
            .outputs(1)
            .arg("mode", "`constant`, `reflect` or `edge`", "constant")
            .arg("value", "value of the pixels added in mode `constant`", 0.0f32)
            .arg_repeated::<i64>("pads", "padding at the top, left, bottom and right; 0 when absent")
            .arg_optional::<i64>("pad", "padding on all four sides")
            .arg_optional::<i64>("pad_t", "padding at the top; only together with pad_l, pad_b and pad_r")
            .arg_optional::<i64>("pad_l", "padding at the left; only together with pad_t, pad_b and pad_r")
            .arg_optional::<i64>("pad_b", "padding at the bottom; only together with pad_t, pad_l and pad_r")
            .arg_optional::<i64>("pad_r", "padding at the right; only together with pad_t, pad_l and pad_b")
            .arg("order", "`NCHW` or `NHWC`: where the channels are", "NCHW")
            .arg("legacy_pad", "only 0", 0)
            .arg("global_pooling", "only false", false)
            .arg_repeated::<i64>("strides", "only 1, 1")
            .arg_optional::<i64>("stride", "only 1")
            .arg_optional::<i64>("stride_h", "only 1, if stride_w is given")
            .arg_optional::<i64>("stride_w", "only 1, if stride_h is given")
            .arg_repeated::<i64>("dilations", "only 1, 1")
            .arg_optional::<i64>("dilation", "only 1")
            .arg_optional::<i64>("dilation_h", "only 1, if dilation_w is given")
            .arg_optional::<i64>("dilation_w", "only 1, if dilation_h is given")
            .arg_repeated::<i64>("kernels", "has no effect; 0 or more")
            .arg_optional::<i64>("kernel", "has no effect; 0 or more")
            .arg_optional::<i64>("kernel_h", "has no effect; 0 or more, if kernel_w is given")
            .arg_optional::<i64>("kernel_w", "has no effect; 0 or more, if kernel_h is given")
            .arg("group", "has no effect", 1)
            .arg("shared_buffer", "has no effect", false)
            .arg("float16_compute", "has no effect", false)
            .input("X", "float tensor: images in the given order, with at least one pixel and channel each")
            .output("Y", "float tensor: the padded images")
            .differences(
                "Mode reflect with as much padding as the image has pixels is an error, where Caffe2 reads other \
                 memory, and so is global_pooling, with which Caffe2 gives the first pixel of each image.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let mode = match args.get::<String>("mode")?.as_str() {
            "constant" => Mode::Constant,
            "reflect" => Mode::Reflect,
            "edge" => Mode::Edge,
            other => {
                let message = format!("found `{other}`, expected `constant`, `reflect` or `edge`");
                return Err(ArgError::value("mode", message));
            }
        };
        let order = match args.get::<String>("order")?.as_str() {
            "NCHW" | "nchw" => Order::Nchw,
            "NHWC" | "nhwc" => Order::Nhwc,
            other => {
                return Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`")));
            }
        };
        if args.get::<i32>("legacy_pad")? != 0 {
            return Err(ArgError::value("legacy_pad", "expected 0: padding is given, not found"));
        }
        if args.get::<bool>("global_pooling")? {
            return Err(ArgError::value("global_pooling", "expected false: there is no window"));
        }
        only_one(args, "strides", "stride", ["stride_h", "stride_w"])?;
        only_one(args, "dilations", "dilation", ["dilation_h", "dilation_w"])?;
        without_effect(args)?;
        let pads = values(args, "pads", "pad", ["pad_t", "pad_l", "pad_b", "pad_r"], 0)?;
        Ok(PadImageOp { pads, mode, value: args.get("value")?, order })
    }
}

/// The values of a list, as for other windows: a single value fills it up, else one for each entry is appended to it.
fn values<const N: usize>(
    args: &Args<'_>,
    list: &'static str,
    single: &'static str,
    each: [&'static str; N],
    default: i64,
) -> Result<[i64; N], ArgError> {
    let mut values = args.list::<i32>(list)?;
    if let Some(value) = args.get_optional::<i32>(single)? {
        values.resize(N, value);
    } else if each.iter().all(|name| args.has(name)) {
        for name in each {
            values.extend(args.get_optional::<i32>(name)?);
        }
    }
    match <[i32; N]>::try_from(values.as_slice()) {
        Ok(values) => Ok(values.map(i64::from)),
        Err(_) if values.is_empty() => Ok([default; N]),
        Err(_) => {
            let message = format!("found {} values with those for each side, expected {N}", values.len());
            Err(ArgError::value(list, message))
        }
    }
}

/// Refuses another value than 1 of a property that padding does not have.
fn only_one(
    args: &Args<'_>,
    list: &'static str,
    single: &'static str,
    each: [&'static str; 2],
) -> Result<(), ArgError> {
    match values(args, list, single, each, 1)? {
        [1, 1] => Ok(()),
        [height, width] => {
            let name = given(args, list, single, each[0]);
            Err(ArgError::value(name, format!("expected 1 and 1, found {height} and {width}")))
        }
    }
}

/// Checks the arguments that change nothing: what is given must be of their kind.
fn without_effect(args: &Args<'_>) -> Result<(), ArgError> {
    args.get::<i32>("group")?;
    args.get::<bool>("shared_buffer")?;
    args.get::<bool>("float16_compute")?;
    let kernel = values(args, "kernels", "kernel", ["kernel_h", "kernel_w"], 0)?;
    match kernel.iter().find(|size| **size < 0) {
        Some(size) => Err(ArgError::value(
            given(args, "kernels", "kernel", "kernel_h"),
            format!("expected 0 or more, found {size}"),
        )),
        None => Ok(()),
    }
}

/// Which argument a property was given by.
fn given(args: &Args<'_>, list: &'static str, single: &'static str, each: &'static str) -> &'static str {
    [list, single].into_iter().find(|name| args.has(name)).unwrap_or(each)
}

impl PadImageOp {
    /// Height and width with their padding, and the shape of the output.
    fn sides(&self, x: &Shape) -> Result<(Side, Side, Shape), OpError> {
        let image = Image::of(x, self.order)?;
        let &[height, width] = image.size else {
            return Err(OpError::input(0, format!("expected 4 dimensions, found {x}")));
        };
        if height == 0 || width == 0 {
            return Err(OpError::input(0, format!("image {x} has no pixels")));
        }
        let wrong = |message: String| OpError::input(0, format!("image {x}: {message}"));
        let [top, left, bottom, right] = self.pads;
        let rows = Side::new(height, top, bottom, self.mode).map_err(wrong)?;
        let columns = Side::new(width, left, right, self.mode).map_err(wrong)?;
        let shape = match self.order {
            Order::Nchw => [image.batch, image.channels, rows.output, columns.output],
            Order::Nhwc => [image.batch, rows.output, columns.output, image.channels],
        };
        Ok((rows, columns, Shape::new(&shape)?))
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = PadImageOp::from_args(context.args())?;
    let shape = context.shape(0).map(|x| Ok::<_, OpError>(operator.sides(x)?.2)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

/// Elements below which sharing the work costs more than it gains.
const GRAIN: usize = 1 << 16;

impl Operator for PadImageOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let (rows, columns, y_shape) = self.sides(shape)?;
        let y = io.output_slice::<f32>(0, y_shape)?;
        let (height, width, pixel) = match self.order {
            Order::Nchw => (shape[2], shape[3], 1),
            Order::Nhwc => (shape[1], shape[2], shape[3]),
        };
        let (inside, from) = columns.inside();
        io.threads().for_each_block(y, columns.output * pixel, GRAIN, |index, row| {
            let (plane, at) = (index / rows.output, index % rows.output);
            let Some(source) = rows.source(at) else { return row.fill(self.value) };
            let source = &x[(plane * height + source) * width * pixel..][..width * pixel];
            let (before, rest) = row.split_at_mut(inside.start * pixel);
            let (middle, behind) = rest.split_at_mut(inside.len() * pixel);
            middle.copy_from_slice(&source[from * pixel..][..middle.len()]);
            for (border, first) in [(before, 0), (behind, inside.end)] {
                if self.mode == Mode::Constant {
                    border.fill(self.value);
                    continue;
                }
                for (at, out) in (first..).zip(border.chunks_exact_mut(pixel)) {
                    if let Some(column) = columns.source(at) {
                        out.copy_from_slice(&source[column * pixel..][..pixel]);
                    }
                }
            }
        });
        Ok(())
    }
}

register_cpu_operator!(PadImageOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(x: Tensor, def: OperatorDef) -> Result<Tensor, String> {
        Ok(run_operator(&def.input("x").output("y"), [x]).map_err(|e| e.to_string())?.remove(0))
    }

    fn def() -> OperatorDef {
        OperatorDef::new("PadImage")
    }

    fn image(dims: [usize; 4]) -> Tensor {
        Tensor::from_slice(dims, &[1.0f32, 2.0, 3.0, 4.0]).unwrap()
    }

    #[test]
    fn pixels_around_images_in_both_orders() {
        let y = run(image([1, 1, 2, 2]), def().arg("pads", [1, 0, 0, 1]).arg("value", 9.0f32)).unwrap();
        let want = [9.0f32, 9.0, 9.0, 1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        assert_eq!(y, Tensor::from_slice([1, 1, 3, 3], &want).unwrap());
        let edge = def().arg("pads", [0, 1, 1, 0]).arg("mode", "edge").arg("order", "NHWC");
        let want = [1.0f32, 2.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0];
        let y = run(image([1, 1, 2, 2]), edge).unwrap();
        assert_eq!(y, Tensor::from_slice([1, 2, 3, 2], &want).unwrap());
        let crop = def().arg("pad_t", 0).arg("pad_l", -1).arg("pad_b", -1).arg("pad_r", 0);
        assert_eq!(run(image([1, 1, 2, 2]), crop).unwrap().as_slice::<f32>().unwrap(), [2.0]);
        let empty = run(Tensor::zeros::<f32>([0, 1, 2, 2]).unwrap(), def().arg("pad", 1)).unwrap();
        assert_eq!(empty.dims(), [0, 1, 4, 4]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (def, part) in [
            (def().arg("mode", "wrap"), "`mode`: found `wrap`"),
            (def().arg("order", "x"), "`order`: found `x`"),
            (def().arg("stride", 2), "`stride`: expected 1 and 1, found 2 and 2"),
            (def().arg("dilations", [1]), "`dilations`: found 1 values"),
            (def().arg("stride_h", 1).arg("stride_w", 3), "`stride_h`: expected 1 and 1, found 1 and 3"),
            (def().arg("legacy_pad", 3), "`legacy_pad`: expected 0"),
            (def().arg("kernel", -1), "`kernel`: expected 0 or more, found -1"),
            (def().arg("group", 1.0f32), "`group`"),
            (def().arg("global_pooling", 1), "`global_pooling`: expected false"),
            (def().arg("pads", [1, 1]), "`pads`: found 2 values"),
            (def().arg("pad", 2).arg("mode", "reflect"), "`reflect` needs more pixels"),
            (def().arg("pad", -1), "no pixel is left"),
            (def().arg("pad", i64::from(i32::MAX)), "memory"),
        ] {
            let error = run(image([1, 1, 2, 2]), def).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
        for dims in [&[1usize, 2, 2][..], &[1, 1, 2, 2, 2], &[1, 0, 2, 2], &[1, 1, 0, 2], &[1, 1, 2, 0]] {
            assert!(run(Tensor::zeros::<f32>(dims).unwrap(), def()).is_err(), "{dims:?}");
        }
    }
}
