//! `ResizeNearest`: each pixel of the output is one of the input.
//!
//! | argument | default | |
//! |---|---|---|
//! | `width_scale`, `height_scale` | 1 | factors, unless a second input has them |
//! | `order` | `NCHW` | or `NHWC` |
//!
//! The pixel is the one at `min(trunc(at / scale), size - 1)` (Caffe2 `resize_op.cc`).

use caffe2_operator::window::Order;
use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    register_cpu_operator,
};

use crate::columns::{Columns, source};
use crate::scale::{GRAIN, Scale, declare};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ResizeNearestOp {
    scale: Scale,
    order: Order,
    columns: Columns,
}

impl OperatorType for ResizeNearestOp {
    const TYPE: &'static str = "ResizeNearest";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Resizes images: pixel (h, w) of Y is pixel (h / height_scale, w / width_scale) of X, rounded down, or \
                 the last there is.",
            )
            .fill_using(declare)
            .arg("order", "`NCHW` or `NHWC`: where the channels are", "NCHW")
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let order = match args.get::<String>("order")?.as_str() {
            "NCHW" | "nchw" => Order::Nchw,
            "NHWC" | "nhwc" => Order::Nhwc,
            other => {
                return Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`")));
            }
        };
        Ok(ResizeNearestOp { scale: Scale::read(args)?, order, columns: Columns::default() })
    }
}

impl ResizeNearestOp {
    /// The dimension that is the height.
    fn height(&self) -> usize {
        match self.order {
            Order::Nchw => 2,
            Order::Nhwc => 1,
        }
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ResizeNearestOp::from_args(context.args())?;
    operator.scale.infer(context, operator.height())
}

/// Elements that one thread writes in one go, about.
const BLOCK: usize = 1 << 13;

impl Operator for ResizeNearestOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let scale = self.scale.or_input(io)?;
        let at = self.height();
        let y_shape = scale.output_shape(shape, at)?;
        let (height, width, pixel) = (shape[at], shape[at + 1], shape.size_from(at + 2));
        let (y_height, y_width) = (y_shape[at], y_shape[at + 1]);
        let y = io.output_slice::<f32>(0, y_shape)?;
        if y.is_empty() {
            return Ok(());
        }
        let (row_len, y_row_len) = (width * pixel, y_width * pixel);
        self.columns.fill(scale.width, width, y_width, y.len() / y_row_len);
        let (columns, rows) = (&self.columns, (BLOCK / y_row_len).max(1));
        io.threads().for_each_block(y, rows * y_row_len, GRAIN, |index, block| {
            let mut last = None;
            for k in 0..block.len() / y_row_len {
                let (plane, at) = ((index * rows + k) / y_height, (index * rows + k) % y_height);
                let from = plane * height + source(at, scale.height, height);
                let (done, rest) = block.split_at_mut(k * y_row_len);
                let row = &mut rest[..y_row_len];
                match last.replace(from) {
                    Some(last) if last == from => row.copy_from_slice(&done[done.len() - y_row_len..]),
                    _ => columns.stretch(&x[from * row_len..][..row_len], pixel, row),
                }
            }
        });
        Ok(())
    }
}

register_cpu_operator!(ResizeNearestOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(tensors: &[Tensor], def: OperatorDef) -> Result<Tensor, String> {
        let def = def.inputs(["x", "s"].into_iter().take(tensors.len())).output("y");
        Ok(run_operator(&def, tensors.to_vec()).map_err(|e| e.to_string())?.remove(0))
    }

    fn def() -> OperatorDef {
        OperatorDef::new("ResizeNearest")
    }

    fn ramp(dims: [usize; 4]) -> Tensor {
        let values: Vec<f32> = (0..dims.iter().product()).map(|i: usize| i as f32).collect();
        Tensor::from_slice(dims, &values).unwrap()
    }

    #[test]
    fn the_nearest_pixel_rounded_down() {
        let y = run(&[ramp([1, 1, 2, 3])], def().arg("height_scale", 2.0f32).arg("width_scale", 1.5f32));
        let want = [0.0f32, 0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 3.0, 3.0, 4.0, 5.0];
        assert_eq!(y.unwrap(), Tensor::from_slice([1, 1, 4, 4], &want).unwrap());
        let y = run(&[ramp([1, 1, 2, 2])], def().arg("width_scale", 1.5f32).arg("order", "NHWC"));
        let want = [0.0f32, 1.0, 0.0, 1.0, 2.0, 3.0];
        assert_eq!(y.unwrap(), Tensor::from_slice([1, 1, 3, 2], &want).unwrap());
        let y = run(&[ramp([1, 1, 1, 2])], def().arg("width_scale", 2.0f32).arg("height_scale", 3.0f32));
        assert_eq!(y.unwrap().as_slice::<f32>().unwrap(), [[0.0f32, 0.0, 1.0, 1.0]; 3].as_flattened());
        let scales = Tensor::from_slice([2], &[0.5f32, 0.4]).unwrap();
        let y = run(&[ramp([1, 1, 2, 3]), scales], def().arg("width_scale", 7.0f32)).unwrap();
        assert_eq!(y, Tensor::from_slice([1, 1, 1, 1], &[0.0f32]).unwrap());
        for dims in [[0, 1, 2, 2], [1, 0, 2, 2], [1, 1, 0, 2]] {
            assert_eq!(run(&[ramp(dims)], def().arg("width_scale", 2.0f32)).unwrap().dims()[3], 4);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, scale) in [
            ("width_scale", 0.0f32),
            ("height_scale", -1.0),
            ("width_scale", f32::NAN),
            ("width_scale", f32::INFINITY),
        ] {
            let error = run(&[ramp([1, 1, 1, 1])], def().arg(name, scale)).unwrap_err();
            assert!(error.contains(&format!("`{name}`: expected more than 0")), "{error}");
        }
        assert!(run(&[ramp([1, 1, 1, 1])], def().arg("order", "x")).unwrap_err().contains("`order`"));
        let error = run(&[ramp([1, 1, 1, 2])], def().arg("width_scale", 3e9f32)).unwrap_err();
        assert!(error.contains("dimension 3 of [1, 1, 1, 2] times"), "{error}");
        let huge = def().arg("width_scale", 1e9f32).arg("height_scale", 1e9f32);
        assert!(run(&[ramp([1, 1, 1, 1])], huge).is_err());
        assert!(
            run(&[Tensor::zeros::<f32>([1, 2, 2]).unwrap()], def()).unwrap_err().contains("4 dimensions")
        );
        for (dims, values, part) in [
            (&[1usize][..], &[1.0f32][..], "one dimension of two"),
            (&[1, 2], &[1.0, 1.0], "one dimension of two"),
            (&[2], &[1.0, -1.0], "0 or more"),
            (&[2], &[f32::NAN, 1.0], "0 or more"),
        ] {
            let scales = Tensor::from_slice(dims, values).unwrap();
            let error = run(&[ramp([1, 1, 1, 1]), scales], def()).unwrap_err();
            assert!(error.contains("input 1 `s`") && error.contains(part), "{error}");
        }
    }
}
