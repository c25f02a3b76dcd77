//! From the type of an input to the code for it.

/// Evaluates an expression with a name for the Rust type of an input's elements; for any other type than
/// those listed it returns [`OpError::InputType`](crate::OpError::InputType) from the function around it.
///
/// ```
/// use caffe2_operator::{OpError, OpIo, dispatch_input_type};
///
/// fn run(io: &mut OpIo<'_>) -> Result<(), OpError> {
///     dispatch_input_type!(io, 0, [f32, i64], T => {
///         let _: &[T] = io.input_slice::<T>(0)?;
///     });
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! dispatch_input_type {
    ($io:expr, $index:expr, [$($rust:ty),+ $(,)?], $type:ident => $body:expr) => {
        match $io.input_type($index)? {
            $(found if found == <$rust as $crate::Element>::DATA_TYPE => {
                type $type = $rust;
                $body
            })+
            found => {
                let supported = &[$(<$rust as $crate::Element>::DATA_TYPE),+];
                return Err($crate::OpError::InputType { index: $index, found, supported });
            }
        }
    };
}
