//! What convolutions and pools share: the arguments that describe the window which moves over an image, and the
//! place of batch, channels and spatial dimensions in a shape.
//!
//! The rules are those of Caffe2's `ConvPoolOpBase`, but that an operator's name changes none of them.

pub use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
use caffe2_tensor::Shape;
use smallvec::SmallVec;

use crate::{ArgError, Args, OpError, OpSchema};

/// The arguments that describe a window, read and checked.
///
/// Kernel, stride and dilation are each a list (`kernels`: one entry for each spatial dimension), or one value
/// for both dimensions of a plane (`kernel`), or a pair (`kernel_h` and `kernel_w`). Padding is a list (`pads`: all
/// heads, then all tails), one value (`pad`), or `pad_t`, `pad_l`, `pad_b` and `pad_r`. A pair or foursome that is
/// not complete counts as absent, as in Caffe2.
///
/// ```
/// use caffe2_operator::proto::OperatorDef;
/// use caffe2_operator::window::{WindowArgs, declare_window_args};
/// use caffe2_operator::{Args, OpSchema};
///
/// let schema = OpSchema::new("MaxPool").fill_using(declare_window_args);
/// let def = OperatorDef::new("MaxPool").arg("kernel", 3).arg("stride", 2).arg("legacy_pad", 3);
/// let window = WindowArgs::read(&Args::new(&def, &schema)?)?;
/// let axes = window.axes(&[6, 7])?;
/// assert_eq!((axes[0].output(), axes[1].output()), (3, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowArgs {
    /// One for each spatial dimension; empty where the window is the whole image and no kernel is given.
    pub windows: Vec<Window>,
    /// How padding and the size of the output are found.
    pub rule: PadRule,
    /// Whether the window is the whole image.
    pub global: bool,
    /// Where channels and spatial dimensions are.
    pub order: Order,
}

/// Declares the arguments that [`WindowArgs::read`] reads: for [`OpSchema::fill_using`].
pub fn declare_window_args(schema: OpSchema) -> OpSchema {
    schema
        .arg_repeated::<i64>("kernels", "size of the window in each spatial dimension")
        .arg_optional::<i64>("kernel", "size of the window, for both dimensions of a plane")
        .arg_optional::<i64>("kernel_h", "height of the window; only together with kernel_w")
        .arg_optional::<i64>("kernel_w", "width of the window; only together with kernel_h")
        .arg_repeated::<i64>("strides", "steps of the window in each spatial dimension; 1 when absent")
        .arg_optional::<i64>("stride", "steps of the window, for both dimensions of a plane")
        .arg_optional::<i64>("stride_h", "vertical step; only together with stride_w")
        .arg_optional::<i64>("stride_w", "horizontal step; only together with stride_h")
        .arg_repeated::<i64>("dilations", "distance of a window's pixels in each spatial dimension; 1 when absent")
        .arg_optional::<i64>("dilation", "distance of a window's pixels, for both dimensions of a plane")
        .arg_optional::<i64>("dilation_h", "vertical distance; only together with dilation_w")
        .arg_optional::<i64>("dilation_w", "horizontal distance; only together with dilation_h")
        .arg_repeated::<i64>(
            "pads",
            "padding before the image in each spatial dimension, then behind it in each; negative values cut \
             pixels off; 0 when absent",
        )
        .arg_optional::<i64>("pad", "padding on all four sides of a plane")
        .arg_optional::<i64>("pad_t", "padding at the top; only together with pad_l, pad_b and pad_r")
        .arg_optional::<i64>("pad_l", "padding at the left; only together with pad_t, pad_b and pad_r")
        .arg_optional::<i64>("pad_b", "padding at the bottom; only together with pad_t, pad_l and pad_r")
        .arg_optional::<i64>("pad_r", "padding at the right; only together with pad_t, pad_l and pad_b")
        .arg(
            "legacy_pad",
            "0: padding as given, sizes rounded down; 1 (VALID): no padding; 2 (SAME): as much as gives \
             ceil(image / stride) pixels; 3 (CAFFE_LEGACY_POOLING): padding as given at the head, sizes rounded up",
            0,
        )
        .arg("global_pooling", "the window is the whole image, and its size is not read", false)
        .arg("order", "`NCHW` or `NHWC`: where the channels are", "NCHW")
}

/// The names of the arguments that give one property of a window: a list, one value for a plane, one value for
/// each entry of a plane's list.
struct Names<const N: usize> {
    list: &'static str,
    single: &'static str,
    each: [&'static str; N],
}

const KERNELS: Names<2> = Names { list: "kernels", single: "kernel", each: ["kernel_h", "kernel_w"] };
const STRIDES: Names<2> = Names { list: "strides", single: "stride", each: ["stride_h", "stride_w"] };
const DILATIONS: Names<2> =
    Names { list: "dilations", single: "dilation", each: ["dilation_h", "dilation_w"] };
const PADS: Names<4> = Names { list: "pads", single: "pad", each: ["pad_t", "pad_l", "pad_b", "pad_r"] };

/// Values with the name of the argument that gave them; none if no argument did.
struct Given {
    name: &'static str,
    values: Vec<i64>,
}

impl<const N: usize> Names<N> {
    /// As in Caffe2, a single value fills a list up to the length for a plane, and values for each entry are
    /// appended to it.
    fn read(&self, args: &Args<'_>) -> Result<Given, ArgError> {
        let of_i32 = |values: Vec<i32>| values.into_iter().map(i64::from).collect();
        let mut values = args.list::<i32>(self.list)?;
        if let Some(value) = args.get_optional(self.single)? {
            values.resize(N, value);
            return Ok(Given { name: self.single, values: of_i32(values) });
        }
        if !self.each.iter().all(|name| args.has(name)) {
            return Ok(Given { name: self.list, values: of_i32(values) });
        }
        for name in self.each {
            values.extend(args.get_optional::<i32>(name)?);
        }
        Ok(Given { name: self.each[0], values: of_i32(values) })
    }

    /// Which of the arguments is given, if any is.
    fn given(&self, args: &Args<'_>) -> Option<&'static str> {
        let each = self.each.iter().all(|name| args.has(name)).then_some(self.each[0]);
        [self.list, self.single].into_iter().find(|name| args.has(name)).or(each)
    }
}

impl Given {
    /// The values, each at least `least`.
    fn at_least(self, least: i64) -> Result<Given, ArgError> {
        match self.values.iter().find(|value| **value < least) {
            Some(value) => {
                Err(ArgError::value(self.name, format!("expected at least {least}, found {value}")))
            }
            None => Ok(self),
        }
    }

    /// `count` values; those, or `default` if none are given.
    fn or_all(mut self, default: i64, count: usize) -> Result<Given, ArgError> {
        if self.values.is_empty() {
            self.values = vec![default; count];
        }
        if self.values.len() == count {
            return Ok(self);
        }
        let message = format!("found {} values, expected {count} to go with the kernel", self.values.len());
        Err(ArgError::value(self.name, message))
    }

    /// Only `only`, as a window over the whole image has it.
    fn all(self, only: i64) -> Result<(), ArgError> {
        match self.values.iter().find(|value| **value != only) {
            Some(value) => {
                let message =
                    format!("found {value}, expected {only}, since global_pooling takes the whole image");
                Err(ArgError::value(self.name, message))
            }
            None => Ok(()),
        }
    }
}

impl WindowArgs {
    /// Reads the arguments, which [`declare_window_args`] has put into the schema.
    ///
    /// # Errors
    /// When one is of the wrong kind, a size is not positive, lists differ in length, padding is given though
    /// `legacy_pad` finds it, or stride, dilation or padding though the window is the whole image.
    pub fn read(args: &Args<'_>) -> Result<WindowArgs, ArgError> {
        let global = args.get("global_pooling")?;
        let (rule, order) = (read_rule(args)?, read_order(args)?);
        let kernels = KERNELS.read(args)?.at_least(if global { 0 } else { 1 })?;
        let strides = STRIDES.read(args)?.at_least(1)?;
        let dilations = DILATIONS.read(args)?.at_least(1)?;
        let pads = PADS.read(args)?;
        if global {
            strides.all(1)?;
            dilations.all(1)?;
            pads.all(0)?;
            return Ok(WindowArgs { windows: Vec::new(), rule, global, order });
        }
        if kernels.values.is_empty() {
            let message =
                "no size of the window is given: expected `kernel`, `kernels`, or `kernel_h` and `kernel_w`";
            return Err(ArgError::value("kernel", message));
        }
        let rank = kernels.values.len();
        let (strides, dilations) = (strides.or_all(1, rank)?, dilations.or_all(1, rank)?);
        let pads = pads.or_all(0, 2 * rank)?;
        let window = |d| Window {
            kernel: kernels.values[d],
            stride: strides.values[d],
            dilation: dilations.values[d],
            head: pads.values[d],
            tail: pads.values[rank + d],
        };
        Ok(WindowArgs { windows: (0..rank).map(window).collect(), rule, global, order })
    }

    /// The window in each dimension of an image.
    ///
    /// # Errors
    /// When there are not as many windows as dimensions, or one does not fit into the image; the message has both.
    pub fn axes(&self, image: &[usize]) -> Result<SmallVec<[Axis; 4]>, OpError> {
        if self.global {
            return each_axis(image, |_, size| Axis::global(size));
        }
        if self.windows.len() == image.len() {
            return each_axis(image, |d, size| Axis::new(size, self.windows[d], self.rule));
        }
        let (found, expected) = (image.len(), self.windows.len());
        Err(OpError::input(
            0,
            format!("image {image:?} has {found} spatial dimensions, but the kernel {expected}"),
        ))
    }
}

fn each_axis<E: std::fmt::Display>(
    image: &[usize],
    axis: impl Fn(usize, usize) -> Result<Axis, E>,
) -> Result<SmallVec<[Axis; 4]>, OpError> {
    let wrong = |d: usize, e: E| OpError::input(0, format!("spatial dimension {d} of image {image:?}: {e}"));
    image.iter().enumerate().map(|(d, &size)| axis(d, size).map_err(|e| wrong(d, e))).collect()
}

fn read_rule(args: &Args<'_>) -> Result<PadRule, ArgError> {
    let number = args.get::<i32>("legacy_pad")?;
    let Some(rule) = PadRule::from_legacy_pad(number.into()) else {
        return Err(ArgError::value("legacy_pad", format!("found {number}, expected 0 to 3")));
    };
    match PADS.given(args) {
        Some(name) if matches!(rule, PadRule::Valid | PadRule::Same) => {
            let message =
                format!("legacy_pad is {number}, which finds the padding itself: expected none given");
            Err(ArgError::value(name, message))
        }
        _ => Ok(rule),
    }
}

fn read_order(args: &Args<'_>) -> Result<Order, ArgError> {
    match args.get::<String>("order")?.as_str() {
        "NCHW" | "nchw" => Ok(Order::Nchw),
        "NHWC" | "nhwc" => Ok(Order::Nhwc),
        other => Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`"))),
    }
}

/// A batch of images: its shape taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    /// The number of images.
    pub batch: usize,
    /// Channels of each.
    pub channels: usize,
    /// Height and width, or as many sizes as there are.
    pub size: &'a [usize],
}

impl<'a> Image<'a> {
    /// Takes the shape of input 0 apart.
    ///
    /// # Errors
    /// Without spatial dimensions, or channels.
    pub fn of(shape: &'a Shape, order: Order) -> Result<Image<'a>, OpError> {
        let (batch, channels, size) = match (order, shape.dims()) {
            (Order::Nchw, &[batch, channels, ref size @ ..]) if !size.is_empty() => (batch, channels, size),
            (Order::Nhwc, &[batch, ref size @ .., channels]) if !size.is_empty() => (batch, channels, size),
            _ => {
                let wanted = match order {
                    Order::Nchw => "[batch, channels, height, width]",
                    Order::Nhwc => "[batch, height, width, channels]",
                };
                let message = format!("image is {shape}, expected 3 or more dimensions, such as {wanted}");
                return Err(OpError::input(0, message));
            }
        };
        if channels == 0 {
            return Err(OpError::input(0, format!("image {shape} has no channels")));
        }
        Ok(Image { batch, channels, size })
    }

    /// The shape of a batch of images with `channels` and, in each spatial dimension, the output of an axis.
    ///
    /// # Errors
    /// When it is too large.
    pub fn output_shape(&self, channels: usize, axes: &[Axis], order: Order) -> Result<Shape, OpError> {
        let size = axes.iter().map(Axis::output);
        let dims: SmallVec<[usize; 6]> = match order {
            Order::Nchw => [self.batch, channels].into_iter().chain(size).collect(),
            Order::Nhwc => [self.batch].into_iter().chain(size).chain([channels]).collect(),
        };
        Ok(Shape::new(&dims)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::OperatorDef;

    fn read(def: OperatorDef) -> Result<WindowArgs, String> {
        let schema = OpSchema::new("Conv").fill_using(declare_window_args);
        let args = Args::new(&def, &schema).map_err(|e| e.to_string())?;
        WindowArgs::read(&args).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Conv")
    }

    /// Kernel, stride, dilation, head, tail of each window.
    fn windows(def: OperatorDef) -> Vec<[i64; 5]> {
        let windows = read(def).unwrap().windows;
        windows.iter().map(|w| [w.kernel, w.stride, w.dilation, w.head, w.tail]).collect()
    }

    #[test]
    fn every_form_of_each_argument() {
        assert_eq!(windows(def().arg("kernel", 3)), [[3, 1, 1, 0, 0]; 2]);
        assert_eq!(windows(def().arg("kernels", [3])), [[3, 1, 1, 0, 0]]);
        let all = def()
            .arg("kernels", [2, 3])
            .arg("strides", [4, 5])
            .arg("dilations", [6, 7])
            .arg("pads", [1, 2, 3, -4]);
        assert_eq!(windows(all), [[2, 4, 6, 1, 3], [3, 5, 7, 2, -4]]);
        let singles = def().arg("kernel", 2).arg("stride", 3).arg("dilation", 4).arg("pad", 5);
        assert_eq!(windows(singles), [[2, 3, 4, 5, 5]; 2]);
        let mut each = def();
        for (at, name) in ["kernel", "stride", "dilation"].into_iter().enumerate() {
            each = each.arg(format!("{name}_h"), at as i64 + 1).arg(format!("{name}_w"), at as i64 + 4);
        }
        for (name, value) in [("pad_t", 1), ("pad_l", 2), ("pad_b", 3), ("pad_r", 4)] {
            each = each.arg(name, value);
        }
        assert_eq!(windows(each), [[1, 2, 3, 1, 3], [4, 5, 6, 2, 4]]);
    }

    #[test]
    fn several_forms_at_once_join_as_in_caffe2() {
        let both = def().arg("kernel", 2).arg("kernel_h", 3).arg("kernel_w", 3);
        assert_eq!(windows(both), [[2, 1, 1, 0, 0]; 2]);
        let incomplete =
            def().arg("kernel", 2).arg("stride_h", 5).arg("pad_t", 1).arg("kernel_h", "not read");
        assert_eq!(windows(incomplete), [[2, 1, 1, 0, 0]; 2]);
        assert_eq!(windows(def().arg("kernels", [4, 5]).arg("kernel", 2))[1][0], 5);
        assert_eq!(windows(def().arg("kernels", [4, 5, 6]).arg("kernel", 2)).len(), 2);
        assert_eq!(windows(def().arg("kernels", [4, 5]).arg("kernel_h", 2).arg("kernel_w", 3)).len(), 4);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_what_is_expected() {
        let kernel = || def().arg("kernel", 3);
        for (def, argument, part) in [
            (def(), "kernel", "expected `kernel`, `kernels`, or `kernel_h` and `kernel_w`"),
            (def().arg("kernel_h", 3), "kernel", "no size"),
            (def().arg("kernel", 0), "kernel", "expected at least 1, found 0"),
            (def().arg("kernels", [3, -1]), "kernels", "found -1"),
            (def().arg("kernel", 1i64 << 31), "kernel", "does not fit i32"),
            (kernel().arg("stride", 0), "stride", "at least 1"),
            (kernel().arg("dilation_h", 1).arg("dilation_w", 0), "dilation_h", "at least 1"),
            (kernel().arg("strides", [1]), "strides", "found 1 values, expected 2"),
            (kernel().arg("pads", [1, 1]), "pads", "found 2 values, expected 4"),
            (kernel().arg("pads", 1), "pads", "field `ints`"),
            (kernel().arg("legacy_pad", 4), "legacy_pad", "found 4, expected 0 to 3"),
            (kernel().arg("legacy_pad", 2).arg("pad", 0), "pad", "expected none given"),
            (kernel().arg("order", "HWCN"), "order", "found `HWCN`, expected `NCHW` or `NHWC`"),
            (def().arg("global_pooling", 1).arg("stride", 2), "stride", "found 2, expected 1"),
            (def().arg("global_pooling", 1).arg("kernel", 2).arg("pad", 1), "pad", "found 1, expected 0"),
        ] {
            let error = read(def).unwrap_err();
            assert!(
                error.starts_with(&format!("argument `{argument}`:")) && error.contains(part),
                "{part}: {error}"
            );
        }
    }

    #[test]
    fn windows_meet_images() {
        let outputs = |def, image: &[usize]| -> Result<Vec<usize>, String> {
            let axes = read(def)?.axes(image).map_err(|e| e.to_string())?;
            Ok(axes.iter().map(Axis::output).collect())
        };
        assert_eq!(outputs(def().arg("kernel", 3), &[5, 6]), Ok(vec![3, 4]));
        assert_eq!(outputs(def().arg("global_pooling", 1), &[5, 6, 7]), Ok(vec![1, 1, 1]));
        let error = outputs(def().arg("kernels", [1, 1, 1]), &[5, 6]).unwrap_err();
        assert!(error.contains("[5, 6] has 2 spatial dimensions, but the kernel 3"), "{error}");
        let error = outputs(def().arg("kernel", 3), &[5, 2]).unwrap_err();
        assert!(error.contains("dimension 1 of image [5, 2]") && error.contains("exceeds"), "{error}");
    }

    #[test]
    fn shapes_of_images_in_both_orders() {
        let shape = Shape::new(&[2, 3, 4, 5]).unwrap();
        let image = |order| Image::of(&shape, order).unwrap();
        assert_eq!(image(Order::Nchw), Image { batch: 2, channels: 3, size: &[4, 5] });
        assert_eq!(image(Order::Nhwc), Image { batch: 2, channels: 5, size: &[3, 4] });
        let axes = [Axis::global(4).unwrap(), Axis::global(5).unwrap()];
        assert_eq!(image(Order::Nchw).output_shape(7, &axes, Order::Nchw).unwrap().dims(), [2, 7, 1, 1]);
        assert_eq!(image(Order::Nchw).output_shape(7, &axes, Order::Nhwc).unwrap().dims(), [2, 1, 1, 7]);
        for dims in [&[2usize, 3][..], &[], &[2, 0, 3]] {
            assert!(Image::of(&Shape::new(dims).unwrap(), Order::Nchw).is_err());
        }
    }
}
