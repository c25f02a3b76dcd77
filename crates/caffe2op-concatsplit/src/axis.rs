//! The axis that both operators read alike.

use caffe2_operator::{ArgError, Args, OpSchema};

/// Along which axis, and whether it is there only where the parts are one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinAxis {
    axis: i32,
    /// Whether the parts lack the axis.
    pub(crate) added: bool,
}

impl JoinAxis {
    pub(crate) fn describe(schema: OpSchema) -> OpSchema {
        schema
            .arg_optional::<i32>(
                "axis",
                "the axis; negative ones count from the end; without it, order tells",
            )
            .arg("order", "`NCHW`: axis 1, `NHWC`: axis 3; only without axis", "NCHW")
            .arg(
                "add_axis",
                "whether the parts lack the axis and are one thick along it; only with axis",
                false,
            )
    }

    pub(crate) fn read(args: &Args<'_>) -> Result<JoinAxis, ArgError> {
        let (axis, order) = (args.get_optional::<i32>("axis")?, args.get::<String>("order")?);
        let added = args.get::<bool>("add_axis")?;
        if let Some(axis) = axis {
            return match args.has("order") {
                true => Err(ArgError::value("order", "expected none beside `axis`")),
                false => Ok(JoinAxis { axis, added }),
            };
        }
        match order.as_str() {
            "NCHW" => Ok(JoinAxis { axis: 1, added: false }),
            "NHWC" => Ok(JoinAxis { axis: 3, added: false }),
            _ => Err(ArgError::value("order", format!("expected `NCHW` or `NHWC`, found `{order}`"))),
        }
    }

    /// The axis of a whole of `rank` dimensions.
    pub(crate) fn within(self, rank: usize) -> Result<usize, ArgError> {
        let from_end = if self.axis < 0 { rank } else { 0 };
        let axis = usize::try_from(i64::from(self.axis) + from_end as i64).ok().filter(|&axis| axis < rank);
        axis.ok_or_else(|| {
            ArgError::value("axis", format!("there is no axis {} among {rank} dimensions", self.axis))
        })
    }
}
