//! The arguments of `ConvTranspose`: those of Caffe2's `ConvTransposeUnpoolBase`.

use caffe2_kernels::conv_transpose::TransposedWindow;
use caffe2_operator::window::Order;
use caffe2_operator::{ArgError, Args, OpSchema};

/// The arguments of `ConvTranspose`, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvTransposeArgs {
    /// The window in height and width.
    pub windows: [TransposedWindow; 2],
    /// Groups of channels; at least 1.
    pub group: usize,
    /// Where channels and spatial dimensions are.
    pub order: Order,
}

pub(crate) fn declare(schema: OpSchema) -> OpSchema {
    schema
        .arg_repeated::<i64>("kernels", "height and width of the window")
        .arg_optional::<i64>("kernel", "both")
        .arg_optional::<i64>("kernel_h", "height of the window; only together with kernel_w")
        .arg_optional::<i64>("kernel_w", "width of the window; only together with kernel_h")
        .arg_repeated::<i64>("strides", "vertical and horizontal distance of windows; 1 when absent")
        .arg_optional::<i64>("stride", "both")
        .arg_optional::<i64>("stride_h", "vertical distance; only together with stride_w")
        .arg_optional::<i64>("stride_w", "horizontal distance; only together with stride_h")
        .arg_repeated::<i64>("pads", "pixels cut off the output: top, left, bottom, right; 0 when absent")
        .arg_optional::<i64>("pad", "all four")
        .arg_optional::<i64>("pad_t", "pixels cut off the top; only together with pad_l, pad_b and pad_r")
        .arg_optional::<i64>("pad_l", "pixels cut off the left; only together with pad_t, pad_b and pad_r")
        .arg_optional::<i64>("pad_b", "pixels cut off the bottom; only together with pad_t, pad_l and pad_r")
        .arg_optional::<i64>("pad_r", "pixels cut off the right; only together with pad_t, pad_l and pad_b")
        .arg("legacy_pad", "0: pixels are cut off as given; 1 (VALID) or 2 (SAME): none are, and none may be given", 0)
        .arg_repeated::<i64>(
            "adjs",
            "rows and columns appended to the output at the bottom and the right, at most as many as the stride says; \
             0 when absent",
        )
        .arg_optional::<i64>("adj", "both")
        .arg_optional::<i64>("adj_h", "rows appended; only together with adj_w")
        .arg_optional::<i64>("adj_w", "columns appended; only together with adj_h")
        .arg("group", "groups into which channels and filters are cut; each output sees its own group only", 1)
        .arg("order", "`NCHW` or `NHWC`: where the channels are", "NCHW")
        .arg("shared_buffer", "has no effect: no buffer is kept in the workspace", false)
        .arg("no_bias", "has no effect: the bias is left out by not giving it", false)
}

/// The names of the arguments that give one property of the window: a list, one value for all of it, one value for
/// each entry.
struct Names<const N: usize> {
    list: &'static str,
    single: &'static str,
    each: [&'static str; N],
}

const KERNELS: Names<2> = Names { list: "kernels", single: "kernel", each: ["kernel_h", "kernel_w"] };
const STRIDES: Names<2> = Names { list: "strides", single: "stride", each: ["stride_h", "stride_w"] };
const ADJS: Names<2> = Names { list: "adjs", single: "adj", each: ["adj_h", "adj_w"] };
const PADS: Names<4> = Names { list: "pads", single: "pad", each: ["pad_t", "pad_l", "pad_b", "pad_r"] };

impl<const N: usize> Names<N> {
    fn has_each(&self, args: &Args<'_>) -> bool {
        self.each.iter().all(|name| args.has(name))
    }

    /// Which of the arguments is given, if any is.
    fn given(&self, args: &Args<'_>) -> Option<&'static str> {
        let each = self.has_each(args).then_some(self.each[0]);
        [self.list, self.single].into_iter().find(|name| args.has(name)).or(each)
    }

    /// The values, each at least `least`. As in Caffe2, a single value fills a list up to its length, values for
    /// each entry are appended to it, and such values count only if all are there.
    fn read(&self, args: &Args<'_>, least: i32) -> Result<Option<[i64; N]>, ArgError> {
        let mut values = args.list::<i32>(self.list)?;
        let mut name = self.list;
        if let Some(value) = args.get_optional(self.single)? {
            values.resize(N, value);
            name = self.single;
        } else if self.has_each(args) {
            for name in self.each {
                values.extend(args.get_optional::<i32>(name)?);
            }
            name = self.each[0];
        }
        if values.is_empty() {
            return Ok(None);
        }
        if let Some(value) = values.iter().find(|value| **value < least) {
            return Err(ArgError::value(name, format!("expected at least {least}, found {value}")));
        }
        let count = values.len();
        let values = <[i32; N]>::try_from(values).map_err(|_| {
            ArgError::value(name, format!("found {count} values, expected {N}, as for a plane"))
        })?;
        Ok(Some(values.map(i64::from)))
    }
}

impl ConvTransposeArgs {
    pub(crate) fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let Some(kernels) = KERNELS.read(args, 1)? else {
            let message =
                "no size of the window is given: expected `kernel`, `kernels`, or `kernel_h` and `kernel_w`";
            return Err(ArgError::value("kernel", message));
        };
        let strides = STRIDES.read(args, 1)?.unwrap_or([1; 2]);
        let adjs = ADJS.read(args, 0)?.unwrap_or([0; 2]);
        if let Some((adj, stride)) = adjs.iter().zip(&strides).find(|(adj, stride)| adj > stride) {
            let name = ADJS.given(args).unwrap_or(ADJS.single);
            return Err(ArgError::value(name, format!("expected at most the stride {stride}, found {adj}")));
        }
        let pads = read_pads(args)?;
        let window = |d: usize| TransposedWindow {
            kernel: kernels[d],
            stride: strides[d],
            head: pads[d],
            tail: pads[d + 2],
            adj: adjs[d],
        };
        let group = match args.get::<i32>("group")? {
            group @ 1.. => group as usize,
            group => return Err(ArgError::value("group", format!("found {group}, expected at least 1"))),
        };
        Ok(ConvTransposeArgs { windows: [window(0), window(1)], group, order: read_order(args)? })
    }
}

fn read_pads(args: &Args<'_>) -> Result<[i64; 4], ArgError> {
    let legacy = args.get::<i32>("legacy_pad")?;
    match (legacy, PADS.given(args)) {
        (0, _) | (1 | 2, None) => Ok(PADS.read(args, 0)?.unwrap_or([0; 4])),
        (1 | 2, Some(name)) => {
            Err(ArgError::value(name, format!("expected none given, since legacy_pad is {legacy}")))
        }
        _ => Err(ArgError::value("legacy_pad", format!("found {legacy}, expected 0, 1 or 2"))),
    }
}

fn read_order(args: &Args<'_>) -> Result<Order, ArgError> {
    match args.get::<String>("order")?.as_str() {
        "NCHW" | "nchw" => Ok(Order::Nchw),
        "NHWC" | "nhwc" => Ok(Order::Nhwc),
        other => Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;

    fn read(def: OperatorDef) -> Result<ConvTransposeArgs, String> {
        let schema = OpSchema::new("ConvTranspose").fill_using(declare);
        let args = Args::new(&def, &schema).map_err(|e| e.to_string())?;
        ConvTransposeArgs::read(&args).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("ConvTranspose")
    }

    /// Kernel, stride, head, tail, adj in each dimension.
    fn windows(def: OperatorDef) -> [[i64; 5]; 2] {
        read(def).unwrap().windows.map(|w| [w.kernel, w.stride, w.head, w.tail, w.adj])
    }

    #[test]
    fn every_form_of_each_argument() {
        let defaults = read(def().arg("kernel", 3)).unwrap();
        assert_eq!((defaults.group, defaults.order), (1, Order::Nchw));
        assert_eq!(windows(def().arg("kernel", 3)), [[3, 1, 0, 0, 0]; 2]);
        let lists =
            def().arg("kernels", [2, 3]).arg("strides", [4, 5]).arg("pads", [1, 2, 3, 4]).arg("adjs", [4, 1]);
        assert_eq!(windows(lists), [[2, 4, 1, 3, 4], [3, 5, 2, 4, 1]]);
        let singles = def().arg("kernel", 2).arg("stride", 3).arg("pad", 5).arg("adj", 1);
        assert_eq!(windows(singles), [[2, 3, 5, 5, 1]; 2]);
        let mut each = def();
        for (name, h, w) in [("kernel", 1, 2), ("stride", 3, 4), ("adj", 0, 3)] {
            each = each.arg(format!("{name}_h"), h).arg(format!("{name}_w"), w);
        }
        for (name, value) in [("pad_t", 1), ("pad_l", 2), ("pad_b", 3), ("pad_r", 4)] {
            each = each.arg(name, value);
        }
        assert_eq!(windows(each), [[1, 3, 1, 3, 0], [2, 4, 2, 4, 3]]);
        let several =
            def().arg("kernels", [4]).arg("kernel", 2).arg("kernel_h", 7).arg("kernel_w", 7).arg("adj_h", 1);
        assert_eq!(windows(several), [[4, 1, 0, 0, 0], [2, 1, 0, 0, 0]]);
        assert_eq!(windows(def().arg("kernel", 3).arg("legacy_pad", 2)), [[3, 1, 0, 0, 0]; 2]);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_what_is_expected() {
        let kernel = || def().arg("kernel", 3);
        for (def, argument, part) in [
            (def(), "kernel", "expected `kernel`, `kernels`, or `kernel_h` and `kernel_w`"),
            (def().arg("kernel", 0), "kernel", "expected at least 1, found 0"),
            (def().arg("kernels", [3, 3, 3]), "kernels", "found 3 values, expected 2"),
            (def().arg("kernel", 1i64 << 31), "kernel", "does not fit i32"),
            (kernel().arg("stride", 0), "stride", "at least 1"),
            (kernel().arg("pads", [1, 1]), "pads", "found 2 values, expected 4"),
            (kernel().arg("pad", -1), "pad", "expected at least 0, found -1"),
            (kernel().arg("adj", -1), "adj", "expected at least 0"),
            (kernel().arg("adjs", [0, 2]), "adjs", "expected at most the stride 1, found 2"),
            (kernel().arg("legacy_pad", 3), "legacy_pad", "found 3, expected 0, 1 or 2"),
            (kernel().arg("legacy_pad", 2).arg("pad", 0), "pad", "expected none given"),
            (kernel().arg("group", 0), "group", "found 0, expected at least 1"),
            (kernel().arg("order", "HWCN"), "order", "found `HWCN`, expected `NCHW` or `NHWC`"),
        ] {
            let error = read(def).unwrap_err();
            assert!(
                error.starts_with(&format!("argument `{argument}`:")) && error.contains(part),
                "{part}: {error}"
            );
        }
    }
}
