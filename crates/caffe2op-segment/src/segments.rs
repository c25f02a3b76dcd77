//! Which rows of the data belong to which row of the output.

use std::ops::Range;

use caffe2_operator::{DataType, InferContext, OpError, OpIo, Shape, ShapeError, TensorInfo};

/// Rows in groups that follow one another: the end of each. The buffer is kept from run to run.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    ends: Vec<usize>,
}

impl Segments {
    /// Groups of the lengths in input `index`, which must be an int32 vector without negative values that sum to
    /// `total` (the number of `what`).
    pub(crate) fn read_lengths(
        &mut self,
        io: &OpIo<'_>,
        index: usize,
        total: usize,
        what: &str,
    ) -> Result<(), OpError> {
        let lengths = lengths(io, index)?;
        self.ends.clear();
        self.ends.reserve(lengths.len());
        let mut end = 0usize;
        for (i, &length) in lengths.iter().enumerate() {
            let next = usize::try_from(length).ok().and_then(|length| end.checked_add(length));
            let next = next.filter(|&next| next <= total);
            end = next.ok_or_else(|| {
                let message = if length < 0 {
                    format!("length {i} is {length}; lengths must not be negative")
                } else {
                    format!("the lengths up to number {i} sum to more than the {total} {what}")
                };
                OpError::input(index, message)
            })?;
            self.ends.push(end);
        }
        if end != total {
            let message = format!("the lengths must sum to the {total} {what}, but sum to {end}");
            return Err(OpError::input(index, message));
        }
        Ok(())
    }

    /// Groups of equal ids in input `index`, which must be an int32 vector that counts up from 0 without gaps.
    pub(crate) fn read_sorted_ids(
        &mut self,
        io: &OpIo<'_>,
        index: usize,
        rows: usize,
    ) -> Result<(), OpError> {
        let ids = segment_ids(io, index, rows)?;
        self.ends.clear();
        self.ends.reserve(ids.len());
        let mut last = None;
        for (i, &id) in ids.iter().enumerate() {
            if last == Some(id) {
                continue;
            }
            match last {
                None if id == 0 => {}
                None => return Err(OpError::input(index, format!("the ids must start at 0, found {id}"))),
                Some(last) if i32::checked_add(last, 1) == Some(id) => self.ends.push(i),
                Some(last) => {
                    let message =
                        format!("the ids must be sorted, without gaps; id {i} is {id}, after {last}");
                    return Err(OpError::input(index, message));
                }
            }
            last = Some(id);
        }
        if !ids.is_empty() {
            self.ends.push(ids.len());
        }
        Ok(())
    }

    /// The number of groups.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The end of each group.
    pub(crate) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The rows of group `i`; none of a group that does not exist.
    #[inline(always)]
    pub(crate) fn range(&self, i: usize) -> Range<usize> {
        let start = i.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        start..self.ends.get(i).copied().unwrap_or(start)
    }
}

/// The elements of input `index`, which must be an int32 vector.
pub(crate) fn lengths<'a>(io: &OpIo<'a>, index: usize) -> Result<&'a [i32], OpError> {
    let lengths = io.input_slice::<i32>(index)?;
    vector(index, io.input(index)?.shape())?;
    Ok(lengths)
}

/// The elements of input `index`, which must be an int32 vector with one id per row.
pub(crate) fn segment_ids<'a>(io: &OpIo<'a>, index: usize, rows: usize) -> Result<&'a [i32], OpError> {
    let ids = lengths(io, index)?;
    check_ids(index, ids.len(), rows)?;
    Ok(ids)
}

fn check_ids(index: usize, found: usize, rows: usize) -> Result<(), OpError> {
    if found == rows {
        return Ok(());
    }
    Err(OpError::input(index, format!("expected one id for each of the {rows} rows, found {found}")))
}

/// Floats in as many rows as input `index` has lengths, of input 0.
pub(crate) fn infer_groups(context: &InferContext<'_>, index: usize) -> Result<Vec<TensorInfo>, OpError> {
    let data = context.shape(0);
    data.map(row_count).transpose()?;
    let count = context.shape(index).map(|lengths| vector(index, lengths)).transpose()?;
    let shape = data.zip(count).map(|(data, count)| rows_shape(data, count)).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

/// Floats in `count` rows of input 0, if that is known; input 1 has their ids.
pub(crate) fn infer_segments(
    context: &InferContext<'_>,
    count: Option<usize>,
) -> Result<Vec<TensorInfo>, OpError> {
    let data = context.shape(0);
    let rows = data.map(row_count).transpose()?;
    let ids = context.shape(1).map(|ids| vector(1, ids)).transpose()?;
    rows.zip(ids).map_or(Ok(()), |(rows, ids)| check_ids(1, ids, rows))?;
    let shape = data.zip(count).map(|(data, count)| rows_shape(data, count)).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

/// The number of elements of a vector.
pub(crate) fn vector(index: usize, shape: &Shape) -> Result<usize, OpError> {
    match shape.dims() {
        [n] => Ok(*n),
        _ => Err(OpError::input(index, format!("expected a vector, found the shape {shape}"))),
    }
}

/// The number of rows of the data, which is input 0.
pub(crate) fn row_count(data: &Shape) -> Result<usize, OpError> {
    let rows = data.dims().first().copied();
    rows.ok_or_else(|| OpError::input(0, "expected at least one dimension, found a scalar"))
}

/// The shape of `count` rows of the data, which has a dimension.
pub(crate) fn rows_shape(data: &Shape, count: usize) -> Result<Shape, OpError> {
    row_count(data)?;
    let mut dims = data.to_i64s();
    let count = i64::try_from(count).map_err(|_| ShapeError::TooLarge(vec![count as u64]))?;
    if let Some(first) = dims.first_mut() {
        *first = count;
    }
    Ok(Shape::from_i64s(&dims)?)
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Args, DataType, InferContext, OpRegistry, Shape, TensorInfo};

    fn infer(op: &str, shapes: &[Option<&[usize]>]) -> Result<Option<Vec<usize>>, String> {
        let registry = OpRegistry::linked().unwrap();
        let (schema, def) = (registry.schema(op).unwrap(), OperatorDef::new(op).output("y"));
        let def = def.inputs(["a", "b", "c", "d"].into_iter().take(shapes.len()));
        let info = |dims: &Option<&[usize]>| dims.map(|dims| Shape::new(dims).unwrap());
        let infos: Vec<_> = shapes.iter().map(|s| TensorInfo { data_type: None, shape: info(s) }).collect();
        let args = Args::new(&def, schema).unwrap();
        let outputs = schema.infer_outputs(&InferContext::new(&args, &infos)).map_err(|e| e.to_string())?;
        assert_eq!(outputs[0].data_type, (op != "LengthsTile").then_some(DataType::Float));
        Ok(outputs[0].shape.as_ref().map(|shape| shape.dims().to_vec()))
    }

    #[test]
    fn shapes_with_which_no_run_succeeds_are_refused_before() {
        let (two, matrix): (Option<&[usize]>, Option<&[usize]>) = (Some(&[2]), Some(&[2, 3]));
        assert_eq!(infer("LengthsSum", &[matrix, Some(&[5])]), Ok(Some(vec![5, 3])));
        assert_eq!(infer("LengthsSum", &[None, two]), Ok(None));
        assert_eq!(infer("SparseLengthsWeightedSum", &[matrix, two, two, Some(&[4])]), Ok(Some(vec![4, 3])));
        for (op, shapes, why) in [
            ("LengthsMax", vec![Some(&[] as &[usize]), None], "at least one dimension"),
            ("LengthsMax", vec![None, matrix], "expected a vector, found the shape [2, 3]"),
            ("SparseLengthsSum", vec![None, matrix, two], "expected a vector, found the shape [2, 3]"),
            (
                "SparseLengthsWeightedSum",
                vec![matrix, Some(&[3]), two, two],
                "each of the 2 indices, found 3",
            ),
            ("SortedSegmentSum", vec![matrix, Some(&[3])], "each of the 2 rows, found 3"),
            ("UnsortedSegmentSum", vec![matrix, matrix], "expected a vector, found the shape [2, 3]"),
            ("LengthsTile", vec![matrix, Some(&[3])], "each of the 2 rows, found 3"),
            ("LengthsTile", vec![None, matrix], "expected a vector, found the shape [2, 3]"),
        ] {
            let error = infer(op, &shapes).unwrap_err();
            assert!(error.contains(why), "{op}: {error}");
        }
    }
}
