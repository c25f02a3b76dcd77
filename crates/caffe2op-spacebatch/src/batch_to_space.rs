//! `BatchToSpace`: images of several pixels of a block become one image; the inverse of `SpaceToBatch`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `block_size` | 2 | height and width of a block |
//! | `pad` | 0 | pixels to cut off all sides, which padding had added |
//! | `pad_t` | `pad` | the same at the top; the other sides have no such argument |
//! | `order` | `NCHW` | nothing else |
//!
//! See Caffe2 `space_batch_op.cc`.

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

use crate::blocks::{Blocks, GRAIN, declare, image};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct BatchToSpaceOp {
    blocks: Blocks,
}

impl OperatorType for BatchToSpaceOp {
    const TYPE: &'static str = "BatchToSpace";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Undoes SpaceToBatch: of each block_size^2 images that hold the pixels of blocks it makes one image, and \
                 cuts the padding off.",
            )
            .fill_using(declare)
            .input("X", "float tensor of N * block_size^2 images (or a few more), [images, channels, height, width]")
            .output("Y", "float tensor of N images, larger by block_size in height and width but for the padding")
            .differences(
                "A block_size below 1, negative padding, and fewer images than block_size^2 are errors, and an empty X \
                 gives an empty Y, where Caffe2 crashes or leaves Y unwritten. Images beyond the last multiple of \
                 block_size^2 are not read, where Caffe2 writes pixels of them beside the padding that it cuts off.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let blocks = Blocks::read(args)?;
        for (name, pad) in [("pad_t", blocks.top), ("pad", blocks.pad)] {
            if pad < 0 {
                let name = if args.has(name) { name } else { "pad" };
                return Err(ArgError::value(name, format!("expected 0 or more, found {pad}")));
            }
        }
        Ok(BatchToSpaceOp { blocks })
    }
}

impl BatchToSpaceOp {
    fn output_shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let [images, channels, height, width] = image(x)?;
        let blocks = self.blocks;
        let area = blocks.area()?;
        if images > 0 && images < area {
            let message = format!("{images} images of {x} are less than {area}, the pixels of a block");
            return Err(OpError::input(0, message));
        }
        let side = |what, size: usize, head: i64, tail: i64| {
            let whole = size.checked_mul(blocks.size).and_then(|n| i64::try_from(n).ok());
            let cut = whole.and_then(|n| n.checked_sub(head)?.checked_sub(tail));
            cut.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
                let message = format!(
                    "{what} {size} of {x} in blocks of {} cannot be cut by {head} and {tail}",
                    blocks.size
                );
                OpError::input(0, message)
            })
        };
        let height = side("height", height, blocks.top, blocks.pad)?;
        let width = side("width", width, blocks.pad, blocks.pad)?;
        Ok(Shape::new(&[images / area, channels, height, width])?)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = BatchToSpaceOp::from_args(context.args())?;
    let shape = context.shape(0).map(|x| operator.output_shape(x)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for BatchToSpaceOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let [_, channels, height, width] = image(shape)?;
        let y_shape = self.output_shape(shape)?;
        let (batch, y_height, y_width) = (y_shape[0], y_shape[2], y_shape[3]);
        let y = io.output_slice::<f32>(0, y_shape)?;
        let blocks = self.blocks;
        // Checked not to be negative.
        let (top, left) = (blocks.top as usize, blocks.pad as usize);
        io.threads().for_each_block(y, y_width, GRAIN, |index, row| {
            let (plane, h) = (index / y_height, index % y_height + top);
            let (image, channel) = (plane / channels, plane % channels);
            let (from, i) = blocks.offset(h);
            // The pixels of one column of the blocks are of one image.
            for w in 0..blocks.size.min(y_width) {
                let (column, j) = blocks.offset(w + left);
                let image = (i * blocks.size + j) * batch + image;
                let x = &x[((image * channels + channel) * height + from) * width..][column..width];
                row[w..].iter_mut().step_by(blocks.size).zip(x).for_each(|(y, x)| *y = *x);
            }
        });
        Ok(())
    }
}

register_cpu_operator!(BatchToSpaceOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(kind: &str, x: &Tensor, args: &[(&str, i64)]) -> Result<Tensor, String> {
        let mut def = OperatorDef::new(kind).input("x").output("y");
        for (name, value) in args {
            def = def.arg(*name, *value);
        }
        Ok(run_operator(&def, [x.clone()]).map_err(|e| e.to_string())?.remove(0))
    }

    fn back(dims: &[usize], args: &[(&str, i64)]) -> Result<Tensor, String> {
        run("BatchToSpace", &Tensor::zeros::<f32>(dims).unwrap(), args)
    }

    #[test]
    fn there_and_back() {
        let values: Vec<f32> = (0..2 * 3 * 4 * 6).map(|i| i as f32).collect();
        let x = Tensor::from_slice([2, 3, 4, 6], &values).unwrap();
        for args in [
            &[][..],
            &[("block_size", 1)],
            &[("pad", 2)],
            &[("block_size", 3), ("pad_t", 2), ("pad", 0)],
            &[("pad", 1), ("pad_t", 3)],
        ] {
            let there = run("SpaceToBatch", &x, args).unwrap();
            assert_eq!(run("BatchToSpace", &there, args).unwrap(), x, "{args:?}");
        }
        assert_eq!(back(&[7, 1, 1, 1], &[]).unwrap().dims(), [1, 1, 2, 2]);
        assert_eq!(back(&[0, 1, 2, 2], &[]).unwrap().dims(), [0, 1, 4, 4]);
        assert_eq!(back(&[4, 0, 2, 2], &[]).unwrap().dims(), [1, 0, 4, 4]);
        assert_eq!(back(&[4, 1, 0, 2], &[]).unwrap().dims(), [1, 1, 0, 4]);
        assert_eq!(back(&[4, 1, 1, 1], &[("pad", 1)]).unwrap().dims(), [1, 1, 0, 0]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (args, part) in [
            (&[("block_size", -1)][..], "`block_size`: expected 1 or more"),
            (&[("pad", -1)], "`pad`: expected 0 or more"),
            (&[("pad_t", -1)], "`pad_t`: expected 0 or more"),
            (&[("block_size", 3)], "4 images of [4, 1, 1, 1] are less than 9"),
            (&[("pad", 3), ("pad_t", 0)], "height 1 of [4, 1, 1, 1] in blocks of 2 cannot be cut"),
        ] {
            let error = back(&[4, 1, 1, 1], args).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(back(&[3, 1, 1, 1], &[]).is_err() && back(&[4, 1, 1], &[]).is_err());
        assert!(back(&[0, 1, usize::MAX >> 2, 1], &[("block_size", 8)]).is_err());
    }
}
