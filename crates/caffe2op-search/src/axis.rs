//! The argument `axis` of operators that search along one dimension.

use caffe2_operator::{ArgError, Args, OpError, OpSchema, Shape};

/// The dimension to search along: the last one, or the one that is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis(Option<usize>);

/// A shape seen from one of its dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Position of the dimension.
    pub axis: usize,
    /// The product of the dimensions before it.
    pub outer: usize,
    /// Its size.
    pub len: usize,
    /// The product of the dimensions after it: the distance of neighbours along it.
    pub inner: usize,
}

impl Axis {
    /// Declares the argument.
    pub(crate) fn describe(schema: OpSchema) -> OpSchema {
        schema.arg("axis", "the dimension to search along, from 0; -1 is the last one", -1)
    }

    /// Reads the argument.
    pub(crate) fn read(args: &Args<'_>) -> Result<Axis, ArgError> {
        let axis = args.get::<i32>("axis")?;
        match usize::try_from(axis) {
            Ok(axis) => Ok(Axis(Some(axis))),
            Err(_) if axis == -1 => Ok(Axis(None)),
            Err(_) => Err(ArgError::value("axis", format!("expected -1 or more, found {axis}"))),
        }
    }

    /// The shape of input 0 seen from the dimension.
    pub(crate) fn of(self, shape: &Shape) -> Result<Lines, OpError> {
        let axis = self.0.or(shape.rank().checked_sub(1)).filter(|&axis| axis < shape.rank());
        match axis.and_then(|axis| Some((axis, *shape.get(axis)?))) {
            Some((axis, len)) => {
                Ok(Lines { axis, outer: shape.size_to(axis), len, inner: shape.size_from(axis + 1) })
            }
            None => {
                let axis = self.0.map_or(-1, |axis| axis as i64);
                Err(OpError::input(
                    0,
                    format!("argument `axis` is {axis}, which the shape {shape} does not have"),
                ))
            }
        }
    }
}
