//! How operators of two operands bring their shapes together.

use caffe2_kernels::elementwise::Broadcast;
use caffe2_tensor::Shape;
use smallvec::SmallVec;

use crate::{ArgError, Args, OpError, OpIo, OpSchema};

/// The rule by which the second operand of a binary operator meets the first: numpy's, or Caffe2's older
/// one where the argument `broadcast` asks for it (`elementwise_ops.h`, `elementwise_ops_utils.cc`).
///
/// * numpy's: shapes are aligned at their last dimension, and a dimension of 1 stretches to the other's.
/// * The older one: the result has the shape of the first operand. A second operand of one element goes
///   with every element; any other, but for leading and trailing dimensions of 1, equals a run of the first
///   one's dimensions, which begins at `axis`, or is such that the shapes end together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastRule {
    legacy: Option<Axis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// The shapes end together.
    Last,
    At(i64),
}

impl BroadcastRule {
    /// Declares the arguments that [`BroadcastRule::read`] reads.
    pub fn describe(schema: OpSchema) -> OpSchema {
        schema
            .arg(
                "broadcast",
                "whether B meets A by the older rule: the result has A's shape, and B, without its leading and \
                 trailing dimensions of 1, equals a run of A's dimensions",
                false,
            )
            .arg("axis", "dimension of A where B's shape begins; -1: both shapes end together; only with broadcast", -1)
            .arg("axis_str", "letter of order that names the axis, instead of axis; only with broadcast", "")
            .arg("order", "letters of A's dimensions, for axis_str", "NCHW")
    }

    /// The rule that the arguments give.
    ///
    /// # Errors
    /// When an argument cannot be read; with `broadcast`, when `axis` and `axis_str` are both given, or
    /// `axis_str` is no letter of `order`.
    pub fn read(args: &Args<'_>) -> Result<BroadcastRule, ArgError> {
        let (axis, letter, order) =
            (args.get::<i32>("axis")?, args.get::<String>("axis_str")?, args.get::<String>("order")?);
        if !args.get::<bool>("broadcast")? {
            return Ok(BroadcastRule { legacy: None });
        }
        let axis = match (axis, letter.as_str()) {
            (-1, "") => Axis::Last,
            (axis, "") => Axis::At(axis.into()),
            (-1, letter) => match order.find(letter).filter(|_| letter.len() == 1) {
                Some(at) => Axis::At(at as i64),
                None => {
                    let message = format!("expected one letter of the order `{order}`, found `{letter}`");
                    return Err(ArgError::value("axis_str", message));
                }
            },
            _ => return Err(ArgError::value("axis_str", "expected either axis or axis_str, found both")),
        };
        Ok(BroadcastRule { legacy: Some(axis) })
    }

    /// Whether the result always has the shape of the first operand.
    pub fn keeps_first(&self) -> bool {
        self.legacy.is_some()
    }

    /// How operands of these shapes meet.
    ///
    /// # Errors
    /// [`OpError::Shape`] with both shapes when they do not.
    pub fn meet(&self, a: &Shape, b: &Shape) -> Result<Broadcast, OpError> {
        let refused =
            |why: &dyn std::fmt::Display| OpError::shape(format!("A of shape {a} and B of shape {b}: {why}"));
        match self.legacy {
            None => Broadcast::new(a, b).map_err(|e| refused(&e)),
            Some(_) if b.numel() == 1 => Broadcast::new(a, &[]).map_err(|e| refused(&e)),
            Some(axis) => {
                let aligned = align(a, b, axis).map_err(|why| refused(&why))?;
                Broadcast::new(a, &aligned).map_err(|e| refused(&e))
            }
        }
    }

    /// How the first two inputs meet, for a result that goes to output 0.
    ///
    /// # Errors
    /// As [`BroadcastRule::meet`]; when the result does not have the shape of the input that it replaces,
    /// or by the older rule would replace the second one.
    pub fn meet_inputs(&self, io: &OpIo<'_>) -> Result<Broadcast, OpError> {
        let (a, b) = (io.peek(0)?.shape(), io.peek(1)?.shape());
        let broadcast = self.meet(a, b)?;
        if self.legacy.is_some() && io.is_in_place(1, 0) {
            return Err(OpError::input(1, "the output must not replace it when `broadcast` is set"));
        }
        for (index, shape) in [a, b].into_iter().enumerate() {
            if io.is_in_place(index, 0) && shape.dims() != broadcast.dims() {
                let result = broadcast.dims();
                return Err(OpError::input(
                    index,
                    format!("shape {shape} cannot hold the result of shape {result:?}"),
                ));
            }
        }
        Ok(broadcast)
    }
}

/// The dimensions of `b`, filled up with ones so that numpy's rule puts them where the older one does.
fn align(a: &[usize], b: &[usize], axis: Axis) -> Result<SmallVec<[usize; 8]>, String> {
    let Some(spare) = a.len().checked_sub(b.len()) else { return Err("B has more dimensions".into()) };
    let axis = match axis {
        Axis::Last => spare,
        Axis::At(axis) => match usize::try_from(axis) {
            Ok(axis) if axis <= spare => axis,
            _ => return Err(format!("axis {axis} is outside 0 to {spare}")),
        },
    };
    let ones_before = b.iter().take_while(|&&d| d == 1).count();
    let ones_after = b[ones_before..].iter().rev().take_while(|&&d| d == 1).count();
    let (core, start) = (&b[ones_before..b.len() - ones_after], axis + ones_before);
    let run = &a[start..start + core.len()];
    if run != core {
        return Err(format!("{core:?} is not {run:?}, A's dimensions from {start} on"));
    }
    let mut aligned = SmallVec::from_slice(core);
    aligned.resize(a.len() - start, 1);
    Ok(aligned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::OperatorDef;

    fn rule(def: OperatorDef) -> Result<BroadcastRule, ArgError> {
        let schema = BroadcastRule::describe(OpSchema::new("Add"));
        BroadcastRule::read(&Args::new(&def, &schema)?)
    }

    fn legacy() -> OperatorDef {
        OperatorDef::new("Add").arg("broadcast", true)
    }

    fn shape(dims: &[usize]) -> Shape {
        Shape::new(dims).unwrap()
    }

    /// The dimensions that the second operand is given.
    fn aligned(a: &[usize], b: &[usize], axis: Axis) -> Option<Vec<usize>> {
        align(a, b, axis).ok().map(|dims| dims.to_vec())
    }

    #[test]
    fn defaults_are_caffe2s() {
        assert_eq!(rule(OperatorDef::new("Add")), Ok(BroadcastRule { legacy: None }));
        assert_eq!(rule(legacy()), Ok(BroadcastRule { legacy: Some(Axis::Last) }));
        // Without `broadcast` the other arguments are read and change nothing.
        let ignored = OperatorDef::new("Add").arg("axis", 1).arg("axis_str", "C");
        assert_eq!(rule(ignored), Ok(BroadcastRule { legacy: None }));
        assert!(rule(OperatorDef::new("Add").arg("axis", "C")).is_err());
    }

    #[test]
    fn the_axis_by_number_or_letter() {
        let at = |axis| Ok(BroadcastRule { legacy: Some(Axis::At(axis)) });
        assert_eq!(rule(legacy().arg("axis", 2)), at(2));
        assert_eq!(rule(legacy().arg("axis_str", "H")), at(2));
        assert_eq!(rule(legacy().arg("axis_str", "C").arg("order", "NHWC")), at(3));
        assert_eq!(rule(legacy().arg("axis_str", "a").arg("order", "ab").arg("axis", -1)), at(0));
        for wrong in ["X", "NC", "Ü"] {
            assert!(rule(legacy().arg("axis_str", wrong)).unwrap_err().to_string().contains(wrong));
        }
        assert!(rule(legacy().arg("axis_str", "C").arg("axis", 1)).unwrap_err().to_string().contains("both"));
    }

    #[test]
    fn the_older_rule_puts_a_run_of_dimensions_at_the_axis() {
        let a = [2, 3, 4, 2];
        assert_eq!(aligned(&a, &[4, 2], Axis::Last), Some(vec![4, 2]));
        assert_eq!(aligned(&a, &[3], Axis::At(1)), Some(vec![3, 1, 1]));
        assert_eq!(aligned(&a, &[1, 3, 4, 1], Axis::Last), Some(vec![3, 4, 1]));
        assert_eq!(aligned(&a, &[1, 3, 1], Axis::At(0)), Some(vec![3, 1, 1]));
        assert_eq!(aligned(&[2, 0], &[0], Axis::Last), Some(vec![0]));
        for (b, axis) in [(&[1, 3, 1][..], 1), (&[3], 0), (&[3], 4), (&[3], -2), (&[2, 1, 4], 0)] {
            assert_eq!(aligned(&a, b, Axis::At(axis)), None, "{b:?} at {axis}");
        }
        // A's own dimensions of 1 do not stretch.
        assert_eq!(aligned(&[1, 3], &[2, 3], Axis::Last), None);
        assert_eq!(aligned(&[3], &[2, 3], Axis::Last), None);
    }

    #[test]
    fn errors_name_both_shapes() {
        let (a, b) = (shape(&[2, 3]), shape(&[2]));
        for def in [OperatorDef::new("Add"), legacy(), legacy().arg("axis", 9)] {
            let error = rule(def).unwrap().meet(&a, &b).unwrap_err().to_string();
            assert!(error.contains("[2, 3]") && error.contains("[2]"), "{error}");
        }
        let one = shape(&[1, 1, 1]);
        assert_eq!(rule(legacy()).unwrap().meet(&a, &one).unwrap().dims(), [2, 3]);
        assert_eq!(rule(OperatorDef::new("Add")).unwrap().meet(&a, &one).unwrap().dims(), [1, 2, 3]);
    }
}
