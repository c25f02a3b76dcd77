//! `SpaceToBatch`: one image of the batch for each pixel of a block.
//!
//! | argument | default | |
//! |---|---|---|
//! | `block_size` | 2 | height and width of a block |
//! | `pad` | 0 | zeros around the images; negative: pixels cut off |
//! | `pad_t` | `pad` | the same at the top; the other sides have no such argument |
//! | `order` | `NCHW` | nothing else |
//!
//! The padded height and width must be multiples of the block size. All images of the first pixel of the blocks
//! come first (Caffe2 `space_batch_op.cc`).

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

use crate::blocks::{Blocks, GRAIN, declare, image};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SpaceToBatchOp {
    blocks: Blocks,
}

impl OperatorType for SpaceToBatchOp {
    const TYPE: &'static str = "SpaceToBatch";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Pads images with zeros, divides them into blocks and makes an image of the pixels at the same place of \
                 all blocks: pixel (h, w) of channel c of image (i * block_size + j) * N + n of Y is pixel \
                 (h * block_size + i, w * block_size + j) of channel c of the padded image n of X.",
            )
            .fill_using(declare)
            .input("X", "float tensor of N images, [N, channels, height, width]")
            .output("Y", "float tensor of N * block_size^2 images, smaller by block_size in height and width")
            .differences(
                "A block_size below 1 is an error, and an empty X gives an empty Y, where Caffe2 crashes or leaves Y \
                 unwritten.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SpaceToBatchOp { blocks: Blocks::read(args)? })
    }
}

impl SpaceToBatchOp {
    fn output_shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let [batch, channels, height, width] = image(x)?;
        let blocks = self.blocks;
        let side = |what, size: usize, head: i64, tail: i64| {
            let padded = i64::try_from(size).ok().and_then(|n| n.checked_add(head)?.checked_add(tail));
            match padded.and_then(|n| usize::try_from(n).ok()) {
                Some(padded) if padded.is_multiple_of(blocks.size) => Ok(padded / blocks.size),
                _ => Err(OpError::input(
                    0,
                    format!(
                        "{what} {size} of {x}, padded by {head} and {tail}, is no multiple of `block_size` {}",
                        blocks.size
                    ),
                )),
            }
        };
        let height = side("height", height, blocks.top, blocks.pad)?;
        let width = side("width", width, blocks.pad, blocks.pad)?;
        let Some(batch) = blocks.area()?.checked_mul(batch) else {
            return Err(OpError::input(0, format!("{x} in blocks of {} makes too many images", blocks.size)));
        };
        Ok(Shape::new(&[batch, channels, height, width])?)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = SpaceToBatchOp::from_args(context.args())?;
    let shape = context.shape(0).map(|x| operator.output_shape(x)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for SpaceToBatchOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let [batch, channels, height, width] = image(shape)?;
        let y_shape = self.output_shape(shape)?;
        let (y_height, y_width) = (y_shape[2], y_shape[3]);
        let y = io.output_slice::<f32>(0, y_shape)?;
        let blocks = self.blocks;
        io.threads().for_each_block(y, y_width, GRAIN, |index, row| {
            let (plane, h) = (index / y_height, index % y_height);
            let (image, channel) = (plane / channels, plane % channels);
            let (i, j) = blocks.offset(image / batch);
            // Row `h` shows row `h * size + i - top` of X.
            let from = usize::try_from((h * blocks.size + i) as i64 - blocks.top);
            let Some(from) = from.ok().filter(|from| *from < height) else { return row.fill(0.0) };
            let x = &x[((image % batch * channels + channel) * height + from) * width..][..width];
            spread(x, j as i64 - blocks.pad, blocks.size, row);
        });
        Ok(())
    }
}

/// Writes every `step`-th pixel of `x`, from `start` on; 0 where there is none.
fn spread(x: &[f32], start: i64, step: usize, row: &mut [f32]) {
    let places = |distance: i64| usize::try_from(distance).map_or(0, |distance| distance.div_ceil(step));
    let end = places(x.len() as i64 - start).min(row.len());
    let first = places(-start).min(end);
    row[..first].fill(0.0);
    row[end..].fill(0.0);
    let from = usize::try_from((first * step) as i64 + start).unwrap_or(0);
    let pixels = x.iter().skip(from).step_by(step);
    row[first..end].iter_mut().zip(pixels).for_each(|(y, x)| *y = *x);
}

register_cpu_operator!(SpaceToBatchOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(dims: &[usize], def: OperatorDef) -> Result<(Vec<usize>, Vec<f32>), String> {
        let values: Vec<f32> = (0..dims.iter().product()).map(|i: usize| i as f32 + 1.0).collect();
        let x = Tensor::from_slice(dims, &values).unwrap();
        let y = run_operator(&def.input("x").output("y"), [x]).map_err(|e| e.to_string())?.remove(0);
        Ok((y.dims().to_vec(), y.as_slice::<f32>().unwrap().to_vec()))
    }

    fn def() -> OperatorDef {
        OperatorDef::new("SpaceToBatch")
    }

    #[test]
    fn a_row_is_spread_from_any_place() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        for step in 1..7usize {
            for start in -9i64..9 {
                for len in 0..8i64 {
                    let mut row = vec![-1.0; len as usize];
                    super::spread(&x, start, step, &mut row);
                    let at = |w: i64| usize::try_from(w * step as i64 + start).ok();
                    let want: Vec<f32> =
                        (0..len).map(|w| at(w).and_then(|at| x.get(at)).copied().unwrap_or(0.0)).collect();
                    assert_eq!(row, want, "{start} {step}");
                }
            }
        }
    }

    #[test]
    fn an_image_for_each_pixel_of_a_block() {
        let (dims, y) = run(&[2, 1, 2, 4], def()).unwrap();
        assert_eq!(dims, [8, 1, 1, 2]);
        assert_eq!(
            y,
            [1.0, 3.0, 9.0, 11.0, 2.0, 4.0, 10.0, 12.0, 5.0, 7.0, 13.0, 15.0, 6.0, 8.0, 14.0, 16.0]
        );
        let (dims, y) = run(&[1, 1, 1, 2], def().arg("pad_t", 1)).unwrap();
        assert_eq!((dims, y), (vec![4, 1, 1, 1], vec![0.0, 0.0, 1.0, 2.0]));
        let (dims, y) = run(&[1, 1, 3, 3], def().arg("block_size", 1).arg("pad", -1)).unwrap();
        assert_eq!((dims, y), (vec![1, 1, 1, 1], vec![5.0]));
        for (dims, want) in
            [([0, 1, 2, 2], [0, 1, 1, 1]), ([1, 0, 2, 2], [4, 0, 1, 1]), ([1, 1, 0, 2], [4, 1, 0, 1])]
        {
            assert_eq!(run(&dims, def()).unwrap().0, want);
        }
        assert_eq!(run(&[1, 1, 0, 2], def().arg("pad_t", 2)).unwrap().1, [0.0; 4]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (def, part) in [
            (def().arg("order", "NHWC"), "`order`: found `NHWC`"),
            (def().arg("block_size", 0), "`block_size`: expected 1 or more"),
            (def().arg("block_size", 3), "height 2 of [1, 1, 2, 2], padded by 0 and 0, is no multiple"),
            (def().arg("pad_t", 1), "height 2 of [1, 1, 2, 2], padded by 1 and 0"),
            (def().arg("pad", -2), "height 2"),
            (def().arg("block_size", i64::from(i32::MAX)), "no multiple"),
        ] {
            let error = run(&[1, 1, 2, 2], def).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
        let huge = def().arg("block_size", i64::from(i32::MAX)).arg("pad_t", i64::from(i32::MAX));
        assert!(run(&[3, 1, 0, 0], huge).is_err());
        assert!(run(&[2, 2, 2], def()).unwrap_err().contains("expected 4 dimensions"));
    }
}
