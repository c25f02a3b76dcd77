//! `XavierFill`, `MSRAFill`, `GaussianFill`: tensors of random floats.
//!
//! | operator | distribution |
//! |---|---|
//! | `XavierFill` | uniform between -s and s, `s = sqrt(3 / fan_in)`, `fan_in = numel / dim 0` |
//! | `MSRAFill` | normal, mean 0, standard deviation `sqrt(2 / fan_out)`, `fan_out = numel / dim 1` |
//! | `GaussianFill` | normal, mean and standard deviation by the arguments `mean` (0) and `std` (1) |
//!
//! (Caffe2 `filler_op.h`.)

use caffe2_operator::{
    ArgError, Args, Comparison, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    Shape, TensorInfo, register_cpu_operator,
};
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64;

use crate::shape::FillShape;

/// A distribution of random floats, with its arguments.
pub trait Draw: Sized + Send + 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator makes, in words.
    const DOC: &'static str;
    /// Where the operator differs from Caffe2's.
    const DIFFERENCES: &'static str;

    /// Adds the arguments to the schema, but for those that tell the shape.
    fn describe(schema: OpSchema) -> OpSchema {
        schema
    }

    /// Reads the arguments.
    ///
    /// # Errors
    /// When one has a value that the distribution cannot have.
    fn read(args: &Args<'_>) -> Result<Self, ArgError>;

    /// Whether a tensor may have this shape.
    ///
    /// # Errors
    /// When the distribution cannot be told from the shape.
    fn check(shape: &Shape) -> Result<(), OpError> {
        let _ = shape;
        Ok(())
    }

    /// Fills a tensor of a shape that [`check`](Draw::check) lets pass.
    fn fill(&self, shape: &Shape, values: &mut [f32], generator: &mut Pcg64);
}

/// The operator of each [`Draw`]; see the [crate].
#[derive(Debug)]
pub struct RandomFillOp<D> {
    shape: FillShape,
    draw: D,
    generator: Pcg64,
}

impl<D: Draw> OperatorType for RandomFillOp<D> {
    const TYPE: &'static str = D::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(D::TYPE)
            .doc(D::DOC)
            .differences(D::DIFFERENCES)
            .fill_using(FillShape::describe)
            .output("Y", "float tensor of random numbers in the shape")
            .infer(infer::<D>)
            .comparison(Comparison::Random);
        D::describe(schema)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let generator = Pcg64::seed_from_u64(args.random_seed());
        Ok(RandomFillOp { shape: FillShape::read(args)?, draw: D::read(args)?, generator })
    }
}

fn infer<D: Draw>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = FillShape::read(context.args())?.infer(context)?;
    shape.as_ref().map_or(Ok(()), D::check)?;
    D::read(context.args())?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

impl<D: Draw> Operator for RandomFillOp<D> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        D::check(&shape)?;
        let values = io.output_slice(0, &shape)?;
        self.draw.fill(&shape, values, &mut self.generator);
        Ok(())
    }
}

/// Independent numbers of a normal distribution.
fn fill_normal(values: &mut [f32], mean: f32, std: f32, generator: &mut Pcg64) {
    for value in values {
        *value = mean + std * generator.sample::<f32, _>(StandardNormal);
    }
}

/// `XavierFill`
#[derive(Debug)]
pub struct Xavier;

impl Draw for Xavier {
    const TYPE: &'static str = "XavierFill";
    const DOC: &'static str = "A tensor of random floats, uniform between -s and s, where s = sqrt(3 / fan_in) and fan_in is the number of \
         elements divided by the first dimension (Xavier initialisation).";
    const DIFFERENCES: &'static str =
        "The random numbers are others. A first dimension of 0 is an error, where Caffe2 crashes.";

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Xavier)
    }

    fn check(shape: &Shape) -> Result<(), OpError> {
        if shape.rank() > 0 && shape.numel() > 0 {
            return Ok(());
        }
        Err(OpError::shape(format!("expected at least one dimension, and none of 0, found {shape}")))
    }

    fn fill(&self, shape: &Shape, values: &mut [f32], generator: &mut Pcg64) {
        let scale = (3.0 / shape.size_from(1) as f32).sqrt();
        for value in values {
            *value = generator.random::<f32>().mul_add(2.0 * scale, -scale);
        }
    }
}

/// `MSRAFill`
#[derive(Debug)]
pub struct Msra;

impl Draw for Msra {
    const TYPE: &'static str = "MSRAFill";
    const DOC: &'static str = "A tensor of random floats of a normal distribution around 0, with the standard deviation \
                               sqrt(2 / fan_out), where fan_out is the number of elements divided by the second \
                               dimension (initialisation of He et al.).";
    const DIFFERENCES: &'static str = "The random numbers are others. A second dimension of 0 gives a tensor without elements, where Caffe2 \
         crashes.";

    fn read(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Msra)
    }

    fn check(shape: &Shape) -> Result<(), OpError> {
        if shape.rank() >= 2 {
            return Ok(());
        }
        Err(OpError::shape(format!("expected at least two dimensions, found {shape}")))
    }

    fn fill(&self, shape: &Shape, values: &mut [f32], generator: &mut Pcg64) {
        let second = shape.get(1).copied().unwrap_or(1).max(1);
        let std = (2.0 / (shape.numel() / second).max(1) as f32).sqrt();
        fill_normal(values, 0.0, std, generator);
    }
}

/// `GaussianFill`
#[derive(Debug)]
pub struct Gaussian {
    mean: f32,
    std: f32,
}

impl Draw for Gaussian {
    const TYPE: &'static str = "GaussianFill";
    const DOC: &'static str = "A tensor of random floats of a normal distribution.";
    const DIFFERENCES: &'static str = "The random numbers are others. A mean or standard deviation that is infinite or no number is an error, as \
         is a negative standard deviation of a tensor without elements.";

    fn describe(schema: OpSchema) -> OpSchema {
        schema.arg("mean", "mean of the distribution", 0.0f32).arg(
            "std",
            "standard deviation of the distribution; not negative",
            1.0f32,
        )
    }

    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let (mean, std) = (args.get::<f32>("mean")?, args.get::<f32>("std")?);
        if !mean.is_finite() {
            return Err(ArgError::value("mean", format!("expected a finite number, found {mean}")));
        }
        if !std.is_finite() || std < 0.0 {
            return Err(ArgError::value("std", format!("expected a finite number, 0 or more, found {std}")));
        }
        Ok(Gaussian { mean, std })
    }

    fn fill(&self, _: &Shape, values: &mut [f32], generator: &mut Pcg64) {
        fill_normal(values, self.mean, self.std, generator);
    }
}

register_cpu_operator!(RandomFillOp<Xavier>);
register_cpu_operator!(RandomFillOp<Msra>);
register_cpu_operator!(RandomFillOp<Gaussian>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{DeviceOption, NetDef, OperatorDef};
    use caffe2_operator::{Tensor, Workspace, run_operator};

    fn fill(def: OperatorDef) -> Result<Tensor, String> {
        run_operator(&def.output("y"), []).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn moments(y: &Tensor) -> (f64, f64) {
        let y = y.as_slice::<f32>().unwrap();
        let mean = y.iter().map(|&v| f64::from(v)).sum::<f64>() / y.len() as f64;
        let variance = y.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / y.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn xavier_is_uniform_in_its_bounds() {
        let y = fill(OperatorDef::new("XavierFill").arg("shape", vec![2000, 4, 3])).unwrap();
        let (mean, std) = moments(&y);
        let y = y.as_slice::<f32>().unwrap();
        assert!(
            y.iter().all(|v| v.abs() <= 0.5) && y.iter().any(|v| *v > 0.49) && y.iter().any(|v| *v < -0.49)
        );
        assert!(mean.abs() < 0.01 && (std - 1.0 / 12f64.sqrt()).abs() < 0.01, "{mean} {std}");
    }

    #[test]
    fn msra_and_gaussian_are_normal() {
        let y = fill(OperatorDef::new("MSRAFill").arg("shape", vec![2, 10000, 4])).unwrap();
        let (mean, std) = moments(&y);
        assert!(mean.abs() < 0.01 && (std - 0.5).abs() < 0.01, "{mean} {std}");
        let def = OperatorDef::new("GaussianFill").arg("mean", 3.0f32).arg("std", 0.1f32);
        let (mean, std) = moments(&fill(def.arg("shape", vec![10000])).unwrap());
        assert!((mean - 3.0).abs() < 0.01 && (std - 0.1).abs() < 0.01, "{mean} {std}");
    }

    #[test]
    fn the_seed_tells_the_numbers_and_runs_go_on() {
        let seeded = |seed| {
            let mut def = OperatorDef::new("GaussianFill").output("y").arg("shape", vec![4]);
            def.device_option = Some(DeviceOption { random_seed: Some(seed), ..Default::default() });
            let mut workspace = Workspace::new();
            workspace.create_net(&NetDef::new("fill").op(def)).unwrap();
            let mut run = || {
                workspace.run_net("fill").unwrap();
                workspace.fetch("y").unwrap()
            };
            (run(), run())
        };
        let (first, second) = seeded(1);
        assert_ne!(first, second);
        assert_eq!(seeded(1), (first.clone(), second));
        assert_ne!(seeded(2).0, first);
    }

    #[test]
    fn shapes_without_a_fan_and_wild_moments_are_refused() {
        for shape in [vec![], vec![0, 3], vec![3, 0]] {
            let error = fill(OperatorDef::new("XavierFill").arg("shape", shape)).unwrap_err();
            assert!(error.contains("expected at least one dimension"), "{error}");
        }
        let error = fill(OperatorDef::new("MSRAFill").arg("shape", vec![3])).unwrap_err();
        assert!(error.contains("expected at least two dimensions, found [3]"), "{error}");
        assert_eq!(fill(OperatorDef::new("MSRAFill").arg("shape", vec![3, 0])).unwrap().dims(), [3, 0]);
        for (name, value) in [("std", -1.0f32), ("std", f32::NAN), ("std", f32::INFINITY), ("mean", f32::NAN)]
        {
            let error = fill(OperatorDef::new("GaussianFill").arg(name, value)).unwrap_err();
            assert!(error.contains(&format!("`{name}`: expected a finite number")), "{error}");
        }
    }
}
