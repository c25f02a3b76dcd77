//! `NCHW2NHWC` moves dimension 1 to the end, `NHWC2NCHW` the last dimension to place 1.
//!
//! No arguments. Any number of spatial dimensions, at least one (Caffe2 `order_switch_ops.cc`).

use caffe2_kernels::transpose::transpose;
use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

/// Moves the channels of input 0 within `shape_of` the output, each image being a matrix of the given dimensions.
fn switch(
    io: &mut OpIo<'_>,
    shape_of: fn(&Shape) -> Result<Shape, OpError>,
    matrices: fn(&Shape) -> [usize; 3],
) -> Result<(), OpError> {
    let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
    let y = io.output_slice::<f32>(0, shape_of(shape)?)?;
    if x.is_empty() {
        return Ok(());
    }
    Ok(transpose(io.threads(), &matrices(shape), &[0, 2, 1], x, y)?)
}

/// The shape with the dimensions from 1 on rotated by one place, to the left or to the right.
fn rotated(x: &Shape, left: bool) -> Result<Shape, OpError> {
    if x.rank() < 3 {
        return Err(OpError::input(0, format!("expected at least 3 dimensions, found {x}")));
    }
    let mut y = x.to_i64s();
    if left {
        y[1..].rotate_left(1);
    } else {
        y[1..].rotate_right(1);
    }
    Ok(Shape::from_i64s(&y)?)
}

macro_rules! order_switch {
    ($op:ident, $type:literal, $left:literal, $doc:literal, $x:literal, $y:literal, $matrices:expr) => {
        #[doc = concat!("`", $type, "`; see the [crate].")]
        #[derive(Debug)]
        pub struct $op;

        impl OperatorType for $op {
            const TYPE: &'static str = $type;

            fn schema() -> OpSchema {
                OpSchema::new(Self::TYPE)
                    .doc($doc)
                    .inputs(1)
                    .outputs(1)
                    .input("data", concat!("float tensor ", $x, ", of at least three dimensions"))
                    .output("output", concat!("float tensor ", $y))
                    .infer(|context: &InferContext<'_>| {
                        let shape = context.shape(0).map(|x| rotated(x, $left)).transpose()?;
                        Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
                    })
            }

            fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
                Ok($op)
            }
        }

        impl Operator for $op {
            fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
                switch(io, |x| rotated(x, $left), $matrices)
            }
        }

        register_cpu_operator!($op);
    };
}

order_switch!(
    Nchw2NhwcOp,
    "NCHW2NHWC",
    true,
    "Moves the channels behind the spatial dimensions.",
    "[batch, channels, height, width]",
    "[batch, height, width, channels]",
    |x| [x.size_to(1), x.dims()[1], x.size_from(2)]
);

order_switch!(
    Nhwc2NchwOp,
    "NHWC2NCHW",
    false,
    "Moves the channels before the spatial dimensions.",
    "[batch, height, width, channels]",
    "[batch, channels, height, width]",
    |x| {
        let channels = x.size_from(x.rank() - 1);
        [x.size_to(1), x.size_from(1) / channels.max(1), channels]
    }
);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(kind: &str, x: Tensor) -> Result<Tensor, String> {
        let def = OperatorDef::new(kind).input("x").output("y");
        Ok(run_operator(&def, [x]).map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn there_and_back() {
        let planes = Tensor::from_slice([1, 2, 1, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let pixels = Tensor::from_slice([1, 1, 3, 2], &[1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0]).unwrap();
        assert_eq!(run("NCHW2NHWC", planes.clone()).unwrap(), pixels);
        assert_eq!(run("NHWC2NCHW", pixels).unwrap(), planes);
        for dims in [&[0, 2, 3][..], &[2, 0, 3], &[2, 3, 0], &[2, 3, 4, 5, 6]] {
            let there = run("NCHW2NHWC", Tensor::zeros::<f32>(dims).unwrap()).unwrap();
            assert_eq!(run("NHWC2NCHW", there).unwrap().dims(), dims);
        }
    }

    #[test]
    fn images_have_at_least_three_dimensions() {
        for kind in ["NCHW2NHWC", "NHWC2NCHW"] {
            let error = run(kind, Tensor::zeros::<f32>([2, 3]).unwrap()).unwrap_err();
            assert!(error.contains("at least 3 dimensions, found [2, 3]"), "{error}");
            assert!(run(kind, Tensor::zeros::<f64>([1, 2, 3]).unwrap()).unwrap_err().contains("double"));
        }
    }
}
