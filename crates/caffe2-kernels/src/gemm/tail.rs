//! What is done to the sums of a product while they are in the cache.

use super::Bias;
use crate::elementwise::{negative_part, positive_part};

/// A function that ends a layer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Activation {
    /// None: values stay as they are.
    #[default]
    None,
    /// Negative values become 0, as [`relu`](crate::elementwise::relu) does it.
    Relu,
    /// Negative values are multiplied by this, as [`leaky_relu`](crate::elementwise::leaky_relu) does it.
    LeakyRelu(f32),
    /// Values are limited to `min..=max`; NaN stays.
    Clip {
        /// The least value.
        min: f32,
        /// The largest value; it wins where `min` is larger.
        max: f32,
    },
}

#[inline(always)]
fn clip(y: f32, min: f32, max: f32) -> f32 {
    let low = if y < min { min } else { y };
    if low > max { max } else { low }
}

/// What becomes of the sums of a product: `y = activation(sum * scale + bias + residual)`. Slices that are too short are
/// a panic when it is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tail<'a> {
    /// Factors of each row, or column, of the product: whichever `bias` is for, without which there are none. None are
    /// all 1.
    pub(crate) scale: Option<&'a [f32]>,
    /// What is added to each row or column.
    pub(crate) bias: Bias<'a>,
    /// What is added to each element: as many elements as the output has, in its layout.
    pub(crate) residual: Option<&'a [f32]>,
    /// What is applied at last.
    pub(crate) activation: Activation,
}

impl<'a> Tail<'a> {
    /// Nothing but a bias.
    pub(crate) const fn bias(bias: Bias<'a>) -> Tail<'a> {
        Tail { scale: None, bias, residual: None, activation: Activation::None }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Tail::bias(Bias::None)
    }

    /// Finishes a piece of row `r` that begins at column `start`, element `at` of the output.
    #[inline(always)]
    pub(crate) fn apply(&self, piece: &mut [f32], r: usize, start: usize, at: usize) {
        let tail = *self;
        match tail.activation {
            Activation::None => tail.apply_then(
                piece,
                (r, start, at),
                #[inline(always)]
                |y| y,
            ),
            Activation::Relu => tail.apply_then(piece, (r, start, at), positive_part),
            Activation::LeakyRelu(alpha) => tail.apply_then(
                piece,
                (r, start, at),
                #[inline(always)]
                move |y| positive_part(y) + alpha * negative_part(y),
            ),
            Activation::Clip { min, max } => tail.apply_then(
                piece,
                (r, start, at),
                #[inline(always)]
                move |y| clip(y, min, max),
            ),
        }
    }

    /// [`Tail::apply`] with an activation.
    #[inline(always)]
    fn apply_then(
        self,
        piece: &mut [f32],
        (r, start, at): (usize, usize, usize),
        activation: impl Fn(f32) -> f32,
    ) {
        // Multiplying by 1 and adding -0 change no bit.
        let (scale, bias) = match (self.scale, self.bias) {
            (_, Bias::None) => (1.0, -0.0),
            (scale, Bias::PerRow(bias)) => (scale.map_or(1.0, |scale| scale[r]), bias[r]),
            (scale, Bias::PerColumn(bias)) => {
                match scale {
                    None => piece.iter_mut().zip(&bias[start..]).for_each(|(y, b)| *y += b),
                    Some(scale) => {
                        let factors = scale[start..].iter().zip(&bias[start..]);
                        piece.iter_mut().zip(factors).for_each(|(y, (scale, bias))| *y = *y * scale + bias);
                    }
                }
                (1.0, -0.0)
            }
        };
        match self.residual {
            Some(residual) => {
                let residual = &residual[at..][..piece.len()];
                piece.iter_mut().zip(residual).for_each(|(y, x)| *y = activation(*y * scale + bias + x));
            }
            None => piece.iter_mut().for_each(|y| *y = activation(*y * scale + bias)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(tail: Tail<'_>, mut values: Vec<f32>) -> Vec<f32> {
        tail.apply(&mut values, 1, 1, 2);
        values
    }

    #[test]
    fn every_part_in_its_order() {
        let (scale, bias, residual) = ([2.0, 3.0, 4.0], [10.0, 20.0, 30.0], [1.0, 2.0, 100.0, -500.0]);
        let none = Tail::bias(Bias::None);
        assert!(none.is_nothing());
        assert_eq!(finish(none, vec![1.0, -2.0]), [1.0, -2.0]);
        let rows = Tail { scale: Some(&scale), bias: Bias::PerRow(&bias), residual: Some(&residual), ..none };
        assert_eq!(finish(rows, vec![1.0, -2.0]), [123.0, -486.0]);
        assert_eq!(finish(Tail { activation: Activation::Relu, ..rows }, vec![1.0, -2.0]), [123.0, 0.0]);
        let columns = Tail { bias: Bias::PerColumn(&bias), residual: None, ..rows };
        assert_eq!(finish(columns, vec![1.0, -2.0]), [23.0, 22.0]);
        assert_eq!(finish(Tail { scale: None, ..columns }, vec![1.0, -2.0]), [21.0, 28.0]);
    }

    #[test]
    fn activations_keep_nan() {
        let of = |activation: Activation, x: f32| {
            finish(Tail { activation, ..Tail::bias(Bias::None) }, vec![x])[0]
        };
        let clip = Activation::Clip { min: 0.0, max: 6.0 };
        assert_eq!([-1.0, 3.0, 9.0].map(|x| of(clip, x)), [0.0, 3.0, 6.0]);
        assert_eq!([-2.0, 4.0].map(|x| of(Activation::LeakyRelu(0.5), x)), [-1.0, 4.0]);
        for activation in [clip, Activation::Relu, Activation::LeakyRelu(0.1), Activation::None] {
            assert!(of(activation, f32::NAN).is_nan());
        }
    }
}
