//! Where the channels of a tensor are.

pub(crate) use caffe2_kernels::geometry::Order;
use caffe2_operator::{ArgError, Args, OpError, OpSchema, Shape};

/// Elements that one thread computes in one go.
pub(crate) const BLOCK: usize = 16 << 10;
/// Elements below which sharing work costs more than it gains.
pub(crate) const GRAIN: usize = 64 << 10;

/// The grain for sharing work on `elements` when what is shared is of another number.
pub(crate) fn grain(elements: usize) -> usize {
    if elements > GRAIN { 0 } else { usize::MAX }
}

/// Declares the argument that [`read_order`] reads.
pub(crate) fn declare_order(schema: OpSchema) -> OpSchema {
    schema.arg("order", "`NCHW` or `NHWC`: whether channels are the second dimension or the last", "NCHW")
}

/// The argument `order`.
pub(crate) fn read_order(args: &Args<'_>) -> Result<Order, ArgError> {
    match args.get::<String>("order")?.as_str() {
        "NCHW" | "nchw" => Ok(Order::Nchw),
        "NHWC" | "nhwc" => Ok(Order::Nhwc),
        other => Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`"))),
    }
}

/// A shape taken apart; `pixels` is the product of all dimensions but batch and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
    pub(crate) order: Order,
}

impl Layout {
    /// The layout of input 0, which has two or more dimensions.
    pub(crate) fn of(shape: &Shape, order: Order) -> Result<Layout, OpError> {
        let (batch, channels, pixels) = match (order, shape.dims()) {
            (Order::Nchw, &[batch, channels, ref size @ ..]) => (batch, channels, size.iter().product()),
            (Order::Nhwc, &[batch, ref size @ .., channels]) => (batch, channels, size.iter().product()),
            _ => {
                let message = format!("has shape {shape}, expected 2 or more dimensions, batch and channels");
                return Err(OpError::input(0, message));
            }
        };
        // With one pixel both orders are the same; that with long lines is the faster.
        let order = if pixels == 1 { Order::Nhwc } else { order };
        Ok(Layout { batch, channels, pixels, order })
    }

    /// The layout of input 0, after a check that the parameters, from input 1 on, fit it so far as they are known.
    pub(crate) fn with_parameters<const N: usize>(
        shape: &Shape,
        order: Order,
        parameters: [Option<&Shape>; N],
    ) -> Result<Layout, OpError> {
        let layout = Layout::of(shape, order)?;
        for (index, shape) in parameters.into_iter().enumerate() {
            if let Some(shape) = shape
                && shape.numel() != layout.channels
            {
                return Err(OpError::input(
                    index + 1,
                    format!(
                        "has shape {shape}, expected one element for each of {} channels",
                        layout.channels
                    ),
                ));
            }
        }
        Ok(layout)
    }
}

#[cfg(test)]
impl Layout {
    /// Item, channel and pixel of every element.
    pub(crate) fn all(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let Layout { batch, channels, pixels, .. } = self;
        let of_item = move |n| (0..channels).flat_map(move |c| (0..pixels).map(move |p| (n, c, p)));
        (0..batch).flat_map(of_item)
    }

    /// Where an element is.
    pub(crate) fn position(self, item: usize, channel: usize, pixel: usize) -> usize {
        match self.order {
            Order::Nchw => (item * self.channels + channel) * self.pixels + pixel,
            Order::Nhwc => (item * self.pixels + pixel) * self.channels + channel,
        }
    }
}
