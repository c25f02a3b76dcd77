//! Elements of any type, strings among them: for operators that move elements and never look at them.

use bytes::Bytes;
use caffe2_tensor::{DataType, IntoShape, Tensor, TensorError, f16};

use crate::{OpError, OpIo};

mod sealed {
    pub trait Sealed {}
}

/// The Rust type of a tensor's elements: an [`Element`](crate::Element), or [`Bytes`] for strings.
///
/// Operators that move elements take any type of them: they are written once, for `T: Item`, and
/// [`dispatch_any_type!`](crate::dispatch_any_type) names the type of an input. Sealed, as the data types are.
///
/// ```
/// use caffe2_operator::{Item, OpError, OpIo, dispatch_any_type};
///
/// /// Writes the elements of the first input in reverse.
/// fn run(io: &mut OpIo<'_>) -> Result<(), OpError> {
///     dispatch_any_type!(io, 0, T => reverse::<T>(io))
/// }
///
/// fn reverse<T: Item>(io: &mut OpIo<'_>) -> Result<(), OpError> {
///     let (x, shape) = (io.input_items::<T>(0)?, io.input(0)?.shape());
///     let y = io.output_items::<T>(0, shape)?;
///     y.iter_mut().zip(x.iter().rev()).for_each(|(y, x)| y.clone_from(x));
///     Ok(())
/// }
/// ```
pub trait Item:
    sealed::Sealed + Clone + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static
{
    /// The data type whose elements these are.
    const DATA_TYPE: DataType;

    /// The elements of a tensor.
    ///
    /// # Errors
    /// When they are of another type or unwritten.
    fn of(tensor: &Tensor) -> Result<&[Self], TensorError>;

    /// Gives a tensor this type and shape, and returns its elements for overwriting; what they hold is
    /// unspecified.
    ///
    /// # Errors
    /// When the dimensions are no shape or memory is short.
    fn overwrite(tensor: &mut Tensor, shape: impl IntoShape) -> Result<&mut [Self], TensorError>;
}

macro_rules! items {
    ($($rust:ty: $data_type:ident, $of:ident, $overwrite:ident;)*) => {$(
        impl sealed::Sealed for $rust {}

        impl Item for $rust {
            const DATA_TYPE: DataType = DataType::$data_type;

            #[inline]
            fn of(tensor: &Tensor) -> Result<&[Self], TensorError> {
                tensor.$of()
            }

            #[inline]
            fn overwrite(tensor: &mut Tensor, shape: impl IntoShape) -> Result<&mut [Self], TensorError> {
                tensor.$overwrite(shape)
            }
        }
    )*};
}

items! {
    f32: Float, as_slice, overwrite;
    f64: Double, as_slice, overwrite;
    f16: Float16, as_slice, overwrite;
    i8: Int8, as_slice, overwrite;
    i16: Int16, as_slice, overwrite;
    i32: Int32, as_slice, overwrite;
    i64: Int64, as_slice, overwrite;
    u8: UInt8, as_slice, overwrite;
    u16: UInt16, as_slice, overwrite;
    bool: Bool, as_slice, overwrite;
    Bytes: String, as_strings, overwrite_strings;
}

impl<'a> OpIo<'a> {
    /// The elements of input `index`, strings or not.
    ///
    /// # Errors
    /// As [`OpIo::input_slice`].
    #[inline]
    pub fn input_items<T: Item>(&self, index: usize) -> Result<&'a [T], OpError> {
        T::of(self.input(index)?).map_err(|source| OpError::Input { index, source })
    }

    /// Gives output `index` this shape and type, strings or not, and returns its elements for overwriting; what
    /// they hold is unspecified.
    ///
    /// # Errors
    /// As [`OpIo::output_slice`].
    #[inline]
    pub fn output_items<T: Item>(
        &mut self,
        index: usize,
        shape: impl IntoShape,
    ) -> Result<&'a mut [T], OpError> {
        T::overwrite(self.output(index)?, shape).map_err(|source| OpError::Output { index, source })
    }
}

/// Copies rows of `width` elements from one matrix to another, whose rows begin `from_pitch` and `to_pitch` elements
/// apart: a part of each row of a tensor, as operators that join and part tensors need (Caffe2's `CopyMatrix`). Rows
/// that one of the two does not hold in full are left out.
///
/// ```
/// use caffe2_operator::copy_rows;
///
/// // The second and third column of three.
/// let mut columns = [0; 4];
/// copy_rows(2, &[1, 2, 3, 4, 5, 6][1..], 3, &mut columns, 2);
/// assert_eq!(columns, [2, 3, 5, 6]);
/// ```
pub fn copy_rows<T: Item>(width: usize, from: &[T], from_pitch: usize, to: &mut [T], to_pitch: usize) {
    if width == 0 || from_pitch < width || to_pitch < width {
        return;
    }
    let rows = to.chunks_mut(to_pitch).zip(from.chunks(from_pitch));
    match width {
        // Calls would cost more than the copies.
        1 => rows.for_each(|(to, from)| copy_few::<T, 1>(from, to)),
        2 => rows.for_each(|(to, from)| copy_few::<T, 2>(from, to)),
        3 => rows.for_each(|(to, from)| copy_few::<T, 3>(from, to)),
        4 => rows.for_each(|(to, from)| copy_few::<T, 4>(from, to)),
        _ => rows.for_each(|(to, from)| {
            if let (Some(to), Some(from)) = (to.get_mut(..width), from.get(..width)) {
                to.clone_from_slice(from);
            }
        }),
    }
}

#[inline(always)]
fn copy_few<T: Item, const N: usize>(from: &[T], to: &mut [T]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        to.clone_from_slice(from);
    }
}

/// Evaluates an expression with a name for the Rust type of an input's elements, whatever they are: an [`Item`].
///
/// From the function around it, it returns the error of [`OpIo::input_type`] where the input is none or unwritten.
/// For operators of some types only there is [`dispatch_input_type!`](crate::dispatch_input_type).
///
/// ```
/// use caffe2_operator::{Item, OpError, OpIo, dispatch_any_type};
///
/// fn run(io: &mut OpIo<'_>) -> Result<(), OpError> {
///     let first = dispatch_any_type!(io, 0, T => io.input_items::<T>(0)?.first().map(|x| format!("{x:?}")));
///     println!("{first:?}");
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! dispatch_any_type {
    ($io:expr, $index:expr, $type:ident => $body:expr) => {
        $crate::dispatch_any_type!(@match $io.input_type($index)?, $type, $body,
            Float f32, Double f64, Float16 $crate::f16, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8,
            UInt16 u16, Bool bool, String $crate::proto::bytes::Bytes)
    };
    (@match $found:expr, $type:ident, $body:expr, $($data_type:ident $rust:ty),*) => {
        match $found {
            $($crate::DataType::$data_type => {
                type $type = $rust;
                $body
            })*
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArgError, Args, OpRegistry, OpSchema, Operator, OperatorType, Workspace};
    use caffe2_proto::OperatorDef;

    struct ReverseOp;

    impl OperatorType for ReverseOp {
        const TYPE: &'static str = "Reverse";

        fn schema() -> OpSchema {
            OpSchema::new(Self::TYPE).inputs(1).outputs(1)
        }

        fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
            Ok(ReverseOp)
        }
    }

    impl Operator for ReverseOp {
        fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
            dispatch_any_type!(io, 0, T => {
                assert_eq!(T::DATA_TYPE, io.input_type(0)?);
                let x = io.input_items::<T>(0)?;
                let y = io.output_items::<T>(0, [x.len()])?;
                y.iter_mut().zip(x.iter().rev()).for_each(|(y, x)| y.clone_from(x));
                Ok(())
            })
        }
    }

    fn reversed(x: Tensor) -> Result<Tensor, crate::Error> {
        let registry = OpRegistry::builder().operator::<ReverseOp>().build().unwrap();
        let mut workspace = Workspace::with_registry(registry);
        workspace.feed("x", x);
        workspace.run_operator_once(&OperatorDef::new("Reverse").input("x").output("y"))?;
        workspace.fetch("y")
    }

    #[test]
    fn every_type_is_served() {
        macro_rules! check {
            ($($rust:ty),*) => {$(
                let (a, b) = (<$rust>::default(), <$rust>::from(true));
                let want = Tensor::from_slice([2], &[b, a]).unwrap();
                assert_eq!(reversed(Tensor::from_slice([2], &[a, b]).unwrap()).unwrap(), want);
            )*};
        }
        check!(f32, f64, i8, i16, i32, i64, u8, u16, bool);
        let halves = |values: [f32; 2]| Tensor::from_slice([2], &values.map(f16::from_f32)).unwrap();
        assert_eq!(reversed(halves([1.0, 2.0])).unwrap(), halves([2.0, 1.0]));
        let words = |values: [&'static str; 2]| Tensor::from_strings([2], values).unwrap();
        assert_eq!(reversed(words(["a", "b"])).unwrap(), words(["b", "a"]));
    }

    #[test]
    fn rows_are_copied_whole_or_not_at_all() {
        let from: Vec<u8> = (0..30).collect();
        for width in 0..8 {
            let mut to = [99; 30];
            copy_rows(width, &from[2..], 10, &mut to[..25], 7);
            let want = |at: usize| (at % 7 < width && at / 7 < 3).then(|| 2 + at / 7 * 10 + at % 7);
            assert!((0..30).all(|at| usize::from(to[at]) == want(at).unwrap_or(99)), "{width}: {to:?}");
        }
        copy_rows(3, &from, 2, &mut [0; 9], 3);
        copy_rows(1, &from, 0, &mut [0; 9], 0);
    }

    #[test]
    fn unwritten_inputs_are_errors() {
        assert!(reversed(Tensor::new()).unwrap_err().to_string().contains("never written"));
    }
}
