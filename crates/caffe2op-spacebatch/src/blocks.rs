//! The arguments of both operators.

use caffe2_operator::{ArgError, Args, OpError, OpSchema, Shape};

/// Elements below which sharing the work costs more than it gains.
pub(crate) const GRAIN: usize = 1 << 15;

/// The size of a block, and how many pixels lie around the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) size: usize,
    /// Padding at the top.
    pub(crate) top: i64,
    /// Padding on each of the other sides.
    pub(crate) pad: i64,
}

/// Declares the arguments.
pub(crate) fn declare(schema: OpSchema) -> OpSchema {
    schema
        .inputs(1)
        .outputs(1)
        .arg("block_size", "height and width of a block", 2)
        .arg("pad", "padding on all four sides", 0)
        .arg_optional::<i64>(
            "pad_t",
            "padding at the top instead of pad; the other sides have no such argument",
        )
        .arg("order", "only `NCHW`", "NCHW")
}

impl Blocks {
    pub(crate) fn read(args: &Args<'_>) -> Result<Blocks, ArgError> {
        let order = args.get::<String>("order")?;
        if order != "NCHW" && order != "nchw" {
            return Err(ArgError::value("order", format!("found `{order}`, expected `NCHW`")));
        }
        let size = args.get::<i32>("block_size")?;
        let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
            return Err(ArgError::value("block_size", format!("expected 1 or more, found {size}")));
        };
        let pad = args.get::<i32>("pad")?;
        let top = args.get_optional::<i32>("pad_t")?.unwrap_or(pad);
        Ok(Blocks { size, top: top.into(), pad: pad.into() })
    }

    /// The number of pixels of a block.
    pub(crate) fn area(&self) -> Result<usize, OpError> {
        let area = self.size.checked_mul(self.size);
        area.ok_or_else(|| OpError::shape(format!("blocks of {0} x {0} are too large", self.size)))
    }

    /// Row and column within a block of its pixel `index`.
    pub(crate) fn offset(&self, index: usize) -> (usize, usize) {
        (index / self.size, index % self.size)
    }
}

/// The four dimensions of input 0.
pub(crate) fn image(x: &Shape) -> Result<[usize; 4], OpError> {
    let dims = <[usize; 4]>::try_from(x.dims());
    dims.map_err(|_| OpError::input(0, format!("expected 4 dimensions, found {x}")))
}
