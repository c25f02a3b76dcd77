//! `Dropout`: in training, some elements at random become 0.
//!
//! | argument | default | |
//! |---|---|---|
//! | `is_test` | required | whether nothing is dropped |
//! | `ratio` | 0.5 | how likely an element is to be dropped, from 0 to below 1 |
//!
//! Testing: Y = X, and the mask is true throughout. Training: Y = X · mask / (1 − ratio) (Caffe2 `dropout_op.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InOut, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct DropoutOp {
    ratio: f32,
    /// What draws the mask; `None`: nothing is dropped.
    random: Option<Pcg64>,
}

impl OperatorType for DropoutOp {
    const TYPE: &'static str = "Dropout";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "With is_test the output is the input. Otherwise each element becomes 0 with probability ratio, and \
                 the others are multiplied by 1 / (1 - ratio); every run draws anew.",
            )
            .inputs(1)
            .outputs(1..=2)
            .allow_in_place(&[(0, 0)])
            .arg_required::<bool>("is_test", "whether nothing is dropped")
            .arg("ratio", "how likely an element is to be dropped: from 0 to below 1", 0.5f32)
            .input("X", "float tensor")
            .output("Y", "float tensor of the same shape")
            .output("mask", "bool tensor of that shape: what was kept; must be there unless is_test")
            .differences(
                "The random numbers are others than Caffe2's; they follow from the random_seed of the device option, \
                 and without one from the name of the outputs. With is_test the mask, if it is there, is true throughout; \
                 Caffe2 does not write it.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (is_test, ratio) = (args.get::<bool>("is_test")?, args.get::<f32>("ratio")?);
        if !(0.0..1.0).contains(&ratio) {
            return Err(ArgError::value("ratio", format!("expected 0 or more and below 1, found {ratio}")));
        }
        if !is_test && args.output_count() < 2 {
            return Err(ArgError::value(
                "is_test",
                "expected true, as there is no second output for the mask",
            ));
        }
        Ok(DropoutOp { ratio, random: (!is_test).then(|| Pcg64::seed_from_u64(args.random_seed())) })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    DropoutOp::from_args(context.args())?;
    let x = context.info(0);
    let mask = TensorInfo { data_type: Some(DataType::Bool), shape: x.shape.clone() };
    Ok(vec![x, mask])
}

impl Operator for DropoutOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32], _T => match &mut self.random {
            Some(random) => drop_out(io, self.ratio, random),
            None => keep_all(io),
        })
    }
}

fn keep_all(io: &mut OpIo<'_>) -> Result<(), OpError> {
    if io.output_count() > 1 {
        let shape = io.input_shape(0)?;
        io.output_slice::<bool>(1, &shape)?.fill(true);
    }
    if io.is_in_place(0, 0) {
        return Ok(());
    }
    let (x, y) = (io.input(0)?, io.output(0)?);
    y.assign_reshaped(x, x.shape()).map_err(|source| OpError::Output { index: 0, source })
}

fn drop_out(io: &mut OpIo<'_>, ratio: f32, random: &mut Pcg64) -> Result<(), OpError> {
    let shape = io.input_shape(0)?;
    let scale = 1.0 / (1.0 - ratio);
    // Of 2^32 numbers, as many are dropped as the ratio says.
    let dropped = (f64::from(ratio) * f64::from(u32::MAX)).ceil() as u32;
    let mask = io.output_slice::<bool>(1, &shape)?;
    mask.fill_with(|| dropped == 0 || random.next_u32() >= dropped);
    let drop = |x: f32, &kept: &bool| if kept { x * scale } else { 0.0 };
    match io.unary::<f32>(0, 0)? {
        InOut::Apart(x, y) => y.iter_mut().zip(x).zip(&*mask).for_each(|((y, &x), kept)| *y = drop(x, kept)),
        InOut::InPlace(y) => y.iter_mut().zip(&*mask).for_each(|(y, kept)| *y = drop(*y, kept)),
    }
    Ok(())
}

register_cpu_operator!(DropoutOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn dropout() -> OperatorDef {
        OperatorDef::new("Dropout").input("x").outputs(["y", "mask"])
    }

    #[test]
    fn training_drops_as_many_as_the_ratio_says() {
        let x = Tensor::from_slice([10_000], &[2.0f32; 10_000]).unwrap();
        let out = run_operator(&dropout().arg("is_test", 0).arg("ratio", 0.75f32), [x.clone()]).unwrap();
        let (y, mask) = (out[0].as_slice::<f32>().unwrap(), out[1].as_slice::<bool>().unwrap());
        assert!(y.iter().zip(mask).all(|(&y, &kept)| y == if kept { 8.0 } else { 0.0 }));
        let kept = mask.iter().filter(|&&kept| kept).count();
        assert!((2300..2700).contains(&kept), "{kept}");
        let all = run_operator(&dropout().arg("is_test", 0).arg("ratio", 0.0f32), [x.clone()]).unwrap();
        assert_eq!(all[0], x);
        assert!(all[1].as_slice::<bool>().unwrap().iter().all(|&kept| kept));
        assert_eq!(run_operator(&dropout().arg("is_test", 1), [x]).unwrap(), all);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let fails = |def: OperatorDef, x: Tensor, words: &str| {
            let error = run_operator(&def, [x]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let x = || Tensor::zeros::<f32>([2]).unwrap();
        fails(dropout(), x(), "is_test");
        for ratio in [1.0, -0.1, f32::NAN] {
            fails(
                dropout().arg("is_test", 1).arg("ratio", ratio),
                x(),
                "`ratio`: expected 0 or more and below 1",
            );
        }
        let one = OperatorDef::new("Dropout").input("x").output("y").arg("is_test", 0);
        fails(one, x(), "no second output for the mask");
        fails(dropout().arg("is_test", 1), Tensor::zeros::<f64>([2]).unwrap(), "supported are float");
    }
}
