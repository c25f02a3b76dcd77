//! `UpsampleBilinear`: linear interpolation along height and width, the corners staying in place.
//!
//! | argument | default | |
//! |---|---|---|
//! | `width_scale`, `height_scale` | 1 | factors, unless a second input has them |
//!
//! Place `at` of the output is place `at * (size - 1) / (output size - 1)` of the input. Images in order NCHW only
//! (Caffe2 `upsample_op.cc`).

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    TensorInfo, register_cpu_operator,
};

use crate::scale::{GRAIN, Scale, declare};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct UpsampleBilinearOp {
    scale: Scale,
    columns: Vec<Place>,
}

/// The dimension that is the height.
const HEIGHT: usize = 2;

impl OperatorType for UpsampleBilinearOp {
    const TYPE: &'static str = "UpsampleBilinear";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Resizes images of order NCHW, interpolating linearly between the four nearest pixels of X; the corners \
                 of both images meet: pixel h of Y is at h * (height of X - 1) / (height of Y - 1) in X.",
            )
            .fill_using(declare)
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0).saturating_mul(6)))
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(UpsampleBilinearOp { scale: Scale::read(args)?, columns: Vec::new() })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    UpsampleBilinearOp::from_args(context.args())?.scale.infer(context, HEIGHT)
}

/// A place between two pixels.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: usize,
    second: usize,
    /// Weights of the two.
    weights: [f32; 2],
}

/// The distance in the input that a step in the output makes.
fn step(size: usize, output: usize) -> f32 {
    if output > 1 { size.saturating_sub(1) as f32 / (output - 1) as f32 } else { 0.0 }
}

impl Place {
    /// `at` steps into an input of `size` pixels.
    fn new(at: usize, step: f32, size: usize) -> Place {
        let place = step * at as f32;
        let first = (place as usize).min(size.saturating_sub(1));
        let second = if first + 1 < size { first + 1 } else { first };
        let weight = place - first as f32;
        Place { first, second, weights: [1.0 - weight, weight] }
    }
}

impl Operator for UpsampleBilinearOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let y_shape = self.scale.or_input(io)?.output_shape(shape, HEIGHT)?;
        let (height, width) = (shape[HEIGHT], shape[HEIGHT + 1]);
        let (y_height, y_width) = (y_shape[HEIGHT], y_shape[HEIGHT + 1]);
        let y = io.output_slice::<f32>(0, y_shape)?;
        if y.is_empty() {
            return Ok(());
        }
        let row_step = step(height, y_height);
        let column_step = step(width, y_width);
        let columns = move |at| Place::new(at, column_step, width);
        self.columns.clear();
        if y.len() / y_width > FEW {
            self.columns.extend((0..y_width).map(columns));
        }
        let table = self.columns.as_slice();
        io.threads().for_each_block(y, y_width, GRAIN, |index, row| {
            let (plane, at) = (index / y_height, index % y_height);
            let place = Place::new(at, row_step, height);
            let pixels = |row: usize| &x[(plane * height + row) * width..][..width];
            let rows = [pixels(place.first), pixels(place.second)];
            if table.is_empty() {
                blend(row, rows, place.weights, (0..y_width).map(columns));
            } else {
                blend(row, rows, place.weights, table.iter().copied());
            }
        });
        Ok(())
    }
}

/// Rows for which no table of columns is made, which would be larger than these.
const FEW: usize = 8;

/// Interpolates between two rows, at these places.
fn blend(
    y: &mut [f32],
    [first, second]: [&[f32]; 2],
    weights: [f32; 2],
    columns: impl Iterator<Item = Place>,
) {
    for (y, column) in y.iter_mut().zip(columns) {
        let along = |x: &[f32]| column.weights[0] * x[column.first] + column.weights[1] * x[column.second];
        *y = weights[0] * along(first) + weights[1] * along(second);
    }
}

register_cpu_operator!(UpsampleBilinearOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(x: Tensor, height: f32, width: f32) -> Result<Tensor, String> {
        let def = OperatorDef::new("UpsampleBilinear").input("x").output("y");
        let def = def.arg("height_scale", height).arg("width_scale", width);
        Ok(run_operator(&def, [x]).map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn corners_stay_and_the_rest_is_between() {
        let x = Tensor::from_slice([1, 1, 2, 2], &[0.0f32, 2.0, 4.0, 6.0]).unwrap();
        let want = [0.0f32, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0];
        assert_eq!(run(x.clone(), 1.5, 1.5).unwrap(), Tensor::from_slice([1, 1, 3, 3], &want).unwrap());
        assert_eq!(run(x.clone(), 1.0, 1.0).unwrap(), x);
        assert_eq!(run(x.clone(), 0.5, 1.0).unwrap().as_slice::<f32>().unwrap(), [0.0, 2.0]);
        assert_eq!(run(x, 0.1, 1.0).unwrap().dims(), [1, 1, 0, 2]);
        // Both neighbours count even with a weight of 0, as in Caffe2.
        let infinite = Tensor::from_slice([1, 1, 1, 2], &[0.0f32, f32::INFINITY]).unwrap();
        assert!(run(infinite, 1.0, 1.0).unwrap().as_slice::<f32>().unwrap()[0].is_nan());
        // With and without a table of columns.
        let many: Vec<f32> = [0.0f32, 2.0, 4.0, 6.0].repeat(3);
        let y = run(Tensor::from_slice([1, 3, 2, 2], &many).unwrap(), 1.5, 1.5).unwrap();
        assert_eq!(y.as_slice::<f32>().unwrap(), want.repeat(3));
        let one = Tensor::from_slice([1, 1, 1, 1], &[5.0f32]).unwrap();
        assert_eq!(run(one, 2.0, 3.0).unwrap().as_slice::<f32>().unwrap(), [5.0; 6]);
        assert_eq!(run(Tensor::zeros::<f32>([1, 1, 0, 2]).unwrap(), 2.0, 2.0).unwrap().dims(), [1, 1, 0, 4]);
    }

    #[test]
    fn only_images_of_four_dimensions() {
        let error = run(Tensor::zeros::<f32>([1, 1, 2, 2, 2]).unwrap(), 1.0, 1.0).unwrap_err();
        assert!(error.contains("expected 4 dimensions, found [1, 1, 2, 2, 2]"), "{error}");
        assert!(
            run(Tensor::zeros::<f32>([1, 1, 1, 1]).unwrap(), 1.0, 0.0).unwrap_err().contains("`width_scale`")
        );
    }
}
