//! The argument `dtype`.

use caffe2_operator::proto::tensor_proto;
use caffe2_operator::{ArgError, DataType};

/// The data type of this number among those that an operator makes.
pub(crate) fn by_number(number: i32, supported: &[DataType]) -> Result<DataType, ArgError> {
    let found = supported.iter().find(|t| t.to_proto() as i32 == number);
    found.copied().ok_or_else(|| {
        let name = tensor_proto::DataType::try_from(number).map_or("no data type", |t| t.as_str_name());
        refused(&format!("{number} ({name})"), supported)
    })
}

/// The data type of this name, in whatever case, among those that an operator makes.
pub(crate) fn by_name(name: &str, supported: &[DataType]) -> Result<DataType, ArgError> {
    let found = supported.iter().find(|t| t.to_proto().as_str_name().eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| refused(&format!("`{name}`"), supported))
}

fn refused(found: &str, supported: &[DataType]) -> ArgError {
    let known: Vec<_> = supported
        .iter()
        .map(|t| format!("{} ({})", t.to_proto() as i32, t.to_proto().as_str_name()))
        .collect();
    ArgError::value("dtype", format!("expected one of {}; found {found}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &[DataType] = &[DataType::Float, DataType::UInt8, DataType::String];

    #[test]
    fn by_number_or_name() {
        assert_eq!(by_number(6, SOME), Ok(DataType::UInt8));
        assert_eq!(by_name("String", SOME), Ok(DataType::String));
        for refused in [by_number(0, SOME), by_number(3, SOME), by_number(99, SOME), by_name("int32", SOME)] {
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains("`dtype`") && error.contains("1 (FLOAT), 6 (UINT8), 4 (STRING)"),
                "{error}"
            );
        }
        assert!(by_number(3, SOME).unwrap_err().to_string().contains("found 3 (BYTE)"));
    }
}
