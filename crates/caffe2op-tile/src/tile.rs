//! `Tile`: a tensor several times, one behind the other along an axis.
//!
//! | argument | default | |
//! |---|---|---|
//! | `tiles` | required, unless there is a second input | how many times |
//! | `axis` | required, unless there is a third input | along which; negative ones count from the end |
//!
//! An int32, int64, float, double, float16, uint8 or string tensor (Caffe2 `tile_op.h`).

use caffe2_operator::{
    ArgError, ArgProblem, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    Shape, TensorInfo, dispatch_any_type, dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

use crate::spread::Spread;

/// The types of elements that `Tile` takes.
const TYPES: &[DataType] = &[
    DataType::Int32,
    DataType::Int64,
    DataType::Float,
    DataType::Double,
    DataType::Float16,
    DataType::UInt8,
    DataType::String,
];

/// The operator `Tile`.
#[derive(Debug)]
pub struct TileOp {
    tiles: Number,
    axis: Number,
}

/// A number that an input holds, or an argument where that input is not there.
#[derive(Debug)]
struct Number {
    name: &'static str,
    index: usize,
    /// `None`: the input holds it.
    argument: Option<i32>,
}

impl Number {
    fn read(args: &Args<'_>, name: &'static str, index: usize) -> Result<Number, ArgError> {
        if args.input_count() > index {
            return Ok(Number { name, index, argument: None });
        }
        match args.get_optional::<i32>(name)? {
            Some(given) => Ok(Number { name, index, argument: Some(given) }),
            None => Err(ArgError::new(name, ArgProblem::Absent)),
        }
    }

    fn value(&self, io: &OpIo<'_>) -> Result<i64, OpError> {
        if let Some(given) = self.argument {
            return Ok(given.into());
        }
        dispatch_input_type!(io, self.index, [i32, i64], T => {
            match (io.input_slice::<T>(self.index)?, io.input(self.index)?.shape()) {
                (&[value], shape) if shape.rank() == 1 => Ok(Into::<i64>::into(value)),
                (_, shape) => Err(self.refuse(format!("expected shape [1], found {shape}"))),
            }
        })
    }

    /// The number, if it is known without a run.
    fn known(&self, context: &InferContext<'_>) -> Option<i64> {
        match self.argument {
            Some(given) => Some(given.into()),
            None => context.integers(self.index)?.first().copied(),
        }
    }

    /// An error about the number, wherever it comes from.
    fn refuse(&self, message: String) -> OpError {
        match self.argument {
            Some(_) => ArgError::value(self.name, message).into(),
            None => OpError::input(self.index, message),
        }
    }
}

impl OperatorType for TileOp {
    const TYPE: &'static str = "Tile";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Repeats a tensor along an axis: with two tiles along axis 0, all of X comes once more behind it.")
            .inputs(1..=3)
            .outputs(1)
            .arg_optional::<i32>("tiles", "how many times; must be given unless there is a second input")
            .arg_optional::<i32>(
                "axis",
                "along which; negative ones count from the end; must be given unless there is a third input",
            )
            .input("X", "int32, int64, float, double, float16, uint8 or string tensor that has the axis")
            .input("tiles", "int32 or int64 tensor of shape [1], instead of the argument")
            .input("axis", "int32 or int64 tensor of shape [1], instead of the argument")
            .output("Y", "tensor of X's type, which is tiles times as large along the axis")
            .differences(
                "The axis is the argument's also where tiles is an int64 tensor: Caffe2 writes the upper half of that \
                 number over it.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(TileOp { tiles: Number::read(args, "tiles", 1)?, axis: Number::read(args, "axis", 2)? })
    }
}

impl TileOp {
    /// The shape of the output, and how it comes from `x`.
    fn plan(&self, x: &Shape, tiles: i64, axis: i64) -> Result<(Shape, Spread), OpError> {
        let axis = x.axis(axis).map_err(|e| self.axis.refuse(format!("{e}, found {x}")))?;
        let times = usize::try_from(tiles);
        let times = times.map_err(|_| self.tiles.refuse(format!("expected 0 or more, found {tiles}")))?;
        let mut dims = SmallVec::<[usize; 6]>::from_slice(x.dims());
        dims[axis] = dims[axis].saturating_mul(times);
        let large = |_| self.tiles.refuse(format!("{tiles} times {x} is too large"));
        let shape = Shape::new(&dims).map_err(large)?;
        let mut spread = Spread::default();
        spread.keep(x.size_to(axis));
        spread.repeat(times);
        spread.keep(x.size_from(axis));
        Ok((shape, spread))
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = TileOp::from_args(context.args())?;
    let shape = match (context.shape(0), operator.tiles.known(context), operator.axis.known(context)) {
        (Some(x), Some(tiles), Some(axis)) => Some(operator.plan(x, tiles, axis)?.0),
        _ => None,
    };
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for TileOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let found = io.input_type(0)?;
        if !TYPES.contains(&found) {
            return Err(OpError::InputType { index: 0, found, supported: TYPES });
        }
        let (tiles, axis) = (self.tiles.value(io)?, self.axis.value(io)?);
        let (shape, spread) = self.plan(io.input(0)?.shape(), tiles, axis)?;
        dispatch_any_type!(io, 0, T => {
            spread.write(io.input_items::<T>(0)?, io.output_items::<T>(0, shape)?);
        });
        Ok(())
    }
}

register_cpu_operator!(TileOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn tile() -> OperatorDef {
        OperatorDef::new("Tile").input("x").output("y")
    }

    fn x() -> Tensor {
        Tensor::from_slice([2, 2], &[1u8, 2, 3, 4]).unwrap()
    }

    #[test]
    fn tiles_lie_along_the_axis() {
        for (axis, dims, want) in
            [(0, [4, 2], [1u8, 2, 3, 4, 1, 2, 3, 4]), (-1, [2, 4], [1, 2, 1, 2, 3, 4, 3, 4])]
        {
            let want = Tensor::from_slice(dims, &want).unwrap();
            let by_argument = tile().arg("tiles", 2).arg("axis", axis);
            assert_eq!(run_operator(&by_argument, [x()]).unwrap()[0], want);
            let numbers =
                [Tensor::from_slice([1], &[2i64]).unwrap(), Tensor::from_slice([1], &[axis]).unwrap()];
            let [tiles, at] = numbers;
            let by_input = tile().inputs(["tiles", "axis"]);
            assert_eq!(run_operator(&by_input, [x(), tiles.clone(), at]).unwrap()[0], want);
            let by_both = tile().input("tiles").arg("axis", axis);
            assert_eq!(run_operator(&by_both, [x(), tiles]).unwrap()[0], want);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fails = |def: OperatorDef, more: &[Tensor], words: &str| {
            let inputs = [&[x()], more].concat();
            let error = run_operator(&def, inputs).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let numbers = |values: &[i64]| Tensor::from_slice([values.len()], values).unwrap();
        fails(tile().arg("axis", 0), &[], "`tiles`: required");
        fails(tile().input("tiles"), &[numbers(&[1])], "`axis`: required");
        fails(tile().arg("axis", 0).arg("tiles", -1), &[], "`tiles`: expected 0 or more, found -1");
        fails(tile().arg("axis", 2).arg("tiles", 1), &[], "`axis`");
        let by_input = || tile().input("tiles").arg("axis", 0);
        fails(by_input(), &[numbers(&[1, 2])], "input 1 `tiles`: expected shape [1], found [2]");
        for tiles in [i64::MIN, i64::MAX] {
            fails(by_input(), &[numbers(&[tiles])], "input 1 `tiles`");
        }
        let by_inputs = || tile().inputs(["tiles", "axis"]);
        fails(by_inputs(), &[numbers(&[1]), numbers(&[i64::MIN])], "input 2 `axis`");
    }
}
