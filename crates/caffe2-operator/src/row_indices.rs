//! Indices of rows, which inputs hold.

use caffe2_kernels::index::{RowIndex, first_beyond};

use crate::OpError;

/// Checks that each of the indices in input `input` names one of so many rows.
///
/// # Errors
/// [`OpError::InputValue`] with the first that is negative, or not below `rows`.
pub fn check_row_indices<I: RowIndex>(input: usize, indices: &[I], rows: usize) -> Result<(), OpError> {
    let Some(at) = first_beyond(indices, rows) else { return Ok(()) };
    let message = format!("index {at} is {:?}; expected 0 or more, and less than {rows}", indices[at]);
    Err(OpError::input(input, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_index_that_names_no_row_is_named() {
        assert_eq!(check_row_indices(1, &[0i32, 2], 3), Ok(()));
        let error = check_row_indices(1, &[0i64, 3, -1], 3).unwrap_err().to_string();
        assert_eq!(error, "input 1: index 1 is 3; expected 0 or more, and less than 3");
    }
}
