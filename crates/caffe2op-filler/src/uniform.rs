//! `UniformFill` and `UniformIntFill`: tensors of random numbers, all equally likely.
//!
//! | argument | default | |
//! |---|---|---|
//! | `min` | 0 | the least number |
//! | `max` | 1 | the greatest number; of floats it is itself (but for rounding) not drawn, of integers it is |
//!
//! Two more inputs of one element each give `min` and `max` instead; if there `min` exceeds `max`, the first
//! dimension of the output is 0 (Caffe2 `filler_op.h`).

use caffe2_operator::{
    ArgError, ArgType, Args, Comparison, Element, InferContext, IntoArgDefault, Item, OpError, OpIo,
    OpSchema, Operator, OperatorType, Shape, TensorError, TensorInfo, register_cpu_operator,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use smallvec::SmallVec;

use crate::shape::{FillShape, check_is_one};

/// A type of numbers to draw.
pub trait UniformElement:
    Item + Element + Copy + PartialOrd + std::fmt::Display + ArgType + IntoArgDefault
{
    /// The operator type.
    const OP_TYPE: &'static str;
    /// What the operator makes, in words.
    const DOC: &'static str;
    /// What `max` is, in words.
    const MAX_DOC: &'static str;
    /// The defaults of `min` and `max`.
    const DEFAULTS: (Self, Self);

    /// Whether numbers can be drawn between the two.
    fn is_range(min: Self, max: Self) -> bool;

    /// Fills with numbers of a range that [`is_range`](UniformElement::is_range).
    fn draw(values: &mut [Self], min: Self, max: Self, generator: &mut Pcg64);
}

impl UniformElement for f32 {
    const OP_TYPE: &'static str = "UniformFill";
    const DOC: &'static str = "A tensor of random floats, all between min and max equally likely.";
    const MAX_DOC: &'static str = "the greatest number; greater than min";
    const DEFAULTS: (f32, f32) = (0.0, 1.0);

    fn is_range(min: f32, max: f32) -> bool {
        min <= max && (max - min).is_finite()
    }

    fn draw(values: &mut [f32], min: f32, max: f32, generator: &mut Pcg64) {
        for value in values {
            *value = (min + (max - min) * generator.random::<f32>()).min(max);
        }
    }
}

impl UniformElement for i32 {
    const OP_TYPE: &'static str = "UniformIntFill";
    const DOC: &'static str = "A tensor of random integers, all from min to max equally likely.";
    const MAX_DOC: &'static str = "the greatest number, which is drawn too; greater than min";
    const DEFAULTS: (i32, i32) = (0, 1);

    fn is_range(min: i32, max: i32) -> bool {
        min <= max
    }

    fn draw(values: &mut [i32], min: i32, max: i32, generator: &mut Pcg64) {
        for value in values {
            *value = generator.random_range(min..=max);
        }
    }
}

/// The operator; see the [crate].
#[derive(Debug)]
pub struct UniformFillOp<T> {
    shape: FillShape,
    /// None if inputs tell them.
    bounds: Option<(T, T)>,
    generator: Pcg64,
}

impl<T: UniformElement> OperatorType for UniformFillOp<T> {
    const TYPE: &'static str = T::OP_TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(T::OP_TYPE)
            .doc(T::DOC)
            .fill_using(FillShape::describe)
            .inputs(0..=3)
            .inputs_in(&[0, 1, 3])
            .arg("min", "the least number", T::DEFAULTS.0)
            .arg("max", T::MAX_DOC, T::DEFAULTS.1)
            .input("min", "optional tensor of one element, of the output's type, instead of the argument")
            .input(
                "max",
                "optional tensor of one element, of the output's type, instead of the argument; where it is less than \
                 min, the first dimension of the output is 0",
            )
            .output("Y", "tensor of random numbers in the shape")
            .differences(
                "The random numbers are others. With min and max as inputs, both arguments are refused; min above max \
                 is an error for a scalar.",
            )
            .infer(infer::<T>)
            .comparison(Comparison::Random)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(UniformFillOp {
            shape: FillShape::read(args)?,
            bounds: bounds(args)?,
            generator: Pcg64::seed_from_u64(args.random_seed()),
        })
    }
}

/// The bounds, if the arguments are what tells them.
fn bounds<T: UniformElement>(args: &Args<'_>) -> Result<Option<(T, T)>, ArgError> {
    if args.input_count() == 3 {
        return match ["min", "max"].into_iter().find(|name| args.has(name)) {
            Some(name) => Err(ArgError::value(name, "expected none, as an input tells it")),
            None => Ok(None),
        };
    }
    let (min, max) = (args.get::<T>("min")?, args.get::<T>("max")?);
    if min < max && T::is_range(min, max) {
        return Ok(Some((min, max)));
    }
    Err(ArgError::value("max", format!("expected more than min, by a finite amount; found {min} to {max}")))
}

fn infer<T: UniformElement>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = FillShape::read(context.args())?.infer(context)?;
    let held = || {
        let [min, max] = [1, 2].map(|index| context.values::<T>(index)?.first().copied());
        min.zip(max)
    };
    let bounds = bounds::<T>(context.args())?.or_else(held);
    for index in 1..context.input_count() {
        if let Some(found) = context.data_type(index).filter(|found| *found != <T as Element>::DATA_TYPE) {
            let source = TensorError::Type { wanted: <T as Element>::DATA_TYPE, found };
            return Err(OpError::Input { index, source });
        }
        context.shape(index).map_or(Ok(()), |shape| check_is_one(index, shape))?;
    }
    let shape = shape.zip(bounds).map(|(shape, (min, max))| drawn(shape, min, max)).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(<T as Element>::DATA_TYPE), shape }])
}

impl<T: UniformElement> Operator for UniformFillOp<T> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        let (min, max) = match self.bounds {
            Some(bounds) => bounds,
            None => (bound::<T>(io, 1)?, bound::<T>(io, 2)?),
        };
        let values = io.output_slice(0, drawn(shape, min, max)?)?;
        T::draw(values, min, max, &mut self.generator);
        Ok(())
    }
}

fn bound<T: UniformElement>(io: &OpIo<'_>, index: usize) -> Result<T, OpError> {
    let values = io.input_slice::<T>(index)?;
    check_is_one(index, io.input(index)?.shape())?;
    Ok(values[0])
}

/// The shape of what is drawn between these bounds.
fn drawn<T: UniformElement>(shape: Shape, min: T, max: T) -> Result<Shape, OpError> {
    if min > max {
        return without_elements(&shape);
    }
    if !T::is_range(min, max) {
        return Err(OpError::input(2, format!("expected a number a finite amount above {min}, found {max}")));
    }
    Ok(shape)
}

fn without_elements(shape: &Shape) -> Result<Shape, OpError> {
    let mut dims: SmallVec<[usize; 6]> = shape.dims().into();
    match dims.first_mut() {
        Some(first) => *first = 0,
        None => return Err(OpError::input(2, "expected no less than min for a scalar")),
    }
    Ok(Shape::new(&dims)?)
}

register_cpu_operator!(UniformFillOp<f32>);
register_cpu_operator!(UniformFillOp<i32>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn fill(def: OperatorDef, inputs: Vec<Tensor>) -> Result<Tensor, String> {
        run_operator(&def.output("y"), inputs).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    #[test]
    fn floats_are_spread_over_the_range() {
        let def =
            OperatorDef::new("UniformFill").arg("shape", vec![10000]).arg("min", -1.0f32).arg("max", 3.0f32);
        let y = fill(def, vec![]).unwrap();
        let y = y.as_slice::<f32>().unwrap();
        assert!(y.iter().all(|v| (-1.0..=3.0).contains(v)));
        for quarter in 0..4 {
            let low = quarter as f32 - 1.0;
            let count = y.iter().filter(|v| (low..low + 1.0).contains(*v)).count();
            assert!((2300..2700).contains(&count), "{count}");
        }
    }

    #[test]
    fn integers_reach_both_ends() {
        let def = || OperatorDef::new("UniformIntFill").arg("shape", vec![6000]);
        let y = fill(def().arg("min", -1).arg("max", 4), vec![]).unwrap();
        for wanted in -1..=4 {
            let count = y.as_slice::<i32>().unwrap().iter().filter(|v| **v == wanted).count();
            assert!((850..1150).contains(&count), "{wanted}: {count}");
        }
        assert!(fill(def().arg("min", i32::MIN).arg("max", i32::MAX), vec![]).is_ok());
    }

    #[test]
    fn inputs_tell_the_bounds() {
        let scalar = |v: f32| Tensor::scalar(v).unwrap();
        let run = |dims: &[usize], min, max| {
            let def = OperatorDef::new("UniformFill").inputs(["x", "min", "max"]);
            fill(def, vec![Tensor::zeros::<u8>(dims).unwrap(), scalar(min), scalar(max)])
        };
        assert_eq!(run(&[2], 5.0, 5.0).unwrap(), Tensor::from_slice([2], &[5.0f32; 2]).unwrap());
        assert_eq!(run(&[2, 3], 5.0, 4.0).unwrap().dims(), [0, 3]);
        assert!(run(&[], 5.0, 4.0).unwrap_err().contains("for a scalar"));
        assert!(run(&[2], f32::NAN, 4.0).unwrap_err().contains("input 2"));
        assert!(run(&[2], f32::MIN, f32::MAX).unwrap_err().contains("finite"));
    }

    #[test]
    fn bounds_must_be_in_order() {
        let error = fill(OperatorDef::new("UniformFill").arg("min", 1.0f32), vec![]).unwrap_err();
        assert!(error.contains("`max`: expected more than min"), "{error}");
        let error = fill(OperatorDef::new("UniformIntFill").arg("min", 3).arg("max", 2), vec![]).unwrap_err();
        assert!(error.contains("found 3 to 2"), "{error}");
    }
}
