//! How much larger the output is than the input.

use caffe2_operator::{ArgError, Args, InferContext, OpError, OpIo, OpSchema, Shape, TensorInfo};

/// Elements below which sharing the work costs more than it gains.
pub(crate) const GRAIN: usize = 1 << 15;

/// Factors for height and width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) height: f32,
    pub(crate) width: f32,
}

/// Declares arguments and inputs that both operators have.
pub(crate) fn declare(schema: OpSchema) -> OpSchema {
    schema
        .inputs(1..=2)
        .outputs(1)
        .arg("width_scale", "factor for the width, more than 0; not used with a second input", 1.0f32)
        .arg("height_scale", "factor for the height, more than 0; not used with a second input", 1.0f32)
        .input("X", "float tensor of four dimensions")
        .input("scales", "factors for height and width: float tensor of two elements in one dimension")
        .output("Y", "float tensor of four dimensions: height and width times the factors, rounded down")
        .differences(
            "Five or more dimensions are an error, where Caffe2 drops those behind the fourth, and so are factors \
             that are negative, infinite, or give a size beyond 32 bits.",
        )
}

impl Scale {
    /// The factors of the arguments.
    pub(crate) fn read(args: &Args<'_>) -> Result<Scale, ArgError> {
        let read = |name| match args.get::<f32>(name)? {
            scale if scale > 0.0 && scale.is_finite() => Ok(scale),
            scale => Err(ArgError::value(name, format!("expected more than 0, and finite, found {scale}"))),
        };
        Ok(Scale { height: read("height_scale")?, width: read("width_scale")? })
    }

    /// The factors of the second input, or else `self`.
    pub(crate) fn or_input(self, io: &OpIo<'_>) -> Result<Scale, OpError> {
        if io.input_count() < 2 {
            return Ok(self);
        }
        Scale::held(io.input_slice(1)?, io.input(1)?.shape())
    }

    /// The factors that the second input holds.
    fn held(scales: &[f32], shape: &Shape) -> Result<Scale, OpError> {
        match *scales {
            _ if shape.rank() != 1 => {}
            [height, width] if [height, width].iter().all(|s| *s >= 0.0 && s.is_finite()) => {
                return Ok(Scale { height, width });
            }
            [_, _] => {
                return Err(OpError::input(1, format!("expected factors of 0 or more, found {scales:?}")));
            }
            _ => {}
        }
        Err(OpError::input(1, format!("expected one dimension of two elements, found {shape}")))
    }

    /// The shape of the output for input 0, whose height is dimension `height`.
    pub(crate) fn output_shape(self, x: &Shape, height: usize) -> Result<Shape, OpError> {
        let &[d0, d1, d2, d3] = x.dims() else {
            return Err(OpError::input(0, format!("expected 4 dimensions, found {x}")));
        };
        let mut dims = [d0, d1, d2, d3];
        for (dim, scale) in [(height, self.height), (height + 1, self.width)] {
            let scaled = dims[dim] as f32 * scale;
            if scaled.is_nan() || scaled >= i32::MAX as f32 {
                let message = format!("dimension {dim} of {x} times {scale} is too large");
                return Err(OpError::input(0, message));
            }
            dims[dim] = scaled as usize;
        }
        Ok(Shape::new(&dims)?)
    }

    /// What is known of the output before it is there: no shape, if the factors are an input that is not known.
    pub(crate) fn infer(self, context: &InferContext<'_>, height: usize) -> Result<Vec<TensorInfo>, OpError> {
        let held =
            || context.values(1).zip(context.shape(1)).map(|(s, shape)| Scale::held(s, shape)).transpose();
        let scale = if context.input_count() < 2 { Some(self) } else { held()? };
        let known = context.shape(0).zip(scale);
        let shape = known.map(|(x, scale)| scale.output_shape(x, height)).transpose()?;
        Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
    }
}
