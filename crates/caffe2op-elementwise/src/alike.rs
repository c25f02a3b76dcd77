//! What operators of any number of tensors that are all alike share.

use caffe2_kernels::elementwise::{BinaryIo, Broadcast, InOut, binary_with, map};
use caffe2_operator::{Element, InferContext, OpError, OpIo, Shape, TensorInfo, Threads};

/// Whether two inputs go together.
pub(crate) type Alike = fn(&Shape, &Shape) -> bool;

pub(crate) fn same_shape(a: &Shape, b: &Shape) -> bool {
    a == b
}

pub(crate) fn same_count(a: &Shape, b: &Shape) -> bool {
    a.numel() == b.numel()
}

/// Checks, before anything is written, that every `step`-th input has elements of this type and goes with input 0.
pub(crate) fn check_alike<T: Element>(io: &OpIo<'_>, step: usize, alike: Alike) -> Result<(), OpError> {
    for index in (step..io.input_count()).step_by(step) {
        io.input_slice::<T>(index)?;
        check(alike, index, io.peek(index)?.shape(), 0, io.peek(0)?.shape())?;
    }
    Ok(())
}

fn check(alike: Alike, index: usize, shape: &Shape, other: usize, wanted: &Shape) -> Result<(), OpError> {
    if alike(shape, wanted) {
        return Ok(());
    }
    Err(OpError::input(index, format!("shape {shape}, but input {other} has {wanted}")))
}

/// An output like the first of every `step`-th input, any of which tells its type.
pub(crate) fn infer_alike(
    context: &InferContext<'_>,
    step: usize,
    alike: Alike,
) -> Result<Vec<TensorInfo>, OpError> {
    let inputs = || (0..context.input_count()).step_by(step);
    let mut known = inputs().filter_map(|index| Some((index, context.shape(index)?)));
    let first = known.next();
    if let Some((other, wanted)) = first {
        known.try_for_each(|(index, shape)| check(alike, index, shape, other, wanted))?;
    }
    Ok(vec![TensorInfo {
        data_type: inputs().find_map(|index| context.data_type(index)),
        shape: first.map(|(_, shape)| shape.clone()),
    }])
}

/// The output, after `f` of each element of input 0 was written to it.
pub(crate) fn first_into_output<'a>(
    io: &mut OpIo<'a>,
    f: impl Fn(f32) -> f32 + Copy + Send + Sync,
) -> Result<&'a mut [f32], OpError> {
    Ok(match io.unary::<f32>(0, 0)? {
        InOut::Apart(input, output) => {
            map(io.threads(), InOut::Apart(input, &mut *output), f);
            output
        }
        InOut::InPlace(both) => {
            map(io.threads(), InOut::InPlace(&mut *both), f);
            both
        }
    })
}

/// Applies `f` to what stands in the output and the elements of another tensor.
pub(crate) fn combine<T: Copy + Send + Sync>(
    threads: &Threads,
    into: &mut [T],
    other: &[T],
    f: impl Fn(T, T) -> T + Copy + Sync + Send,
) -> Result<(), OpError> {
    let alike = Broadcast::new(&[into.len()], &[into.len()])?;
    Ok(binary_with(threads, &alike, BinaryIo::IntoA { a: into, b: other }, f)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Args, DataType, OpSchema};

    fn infer(infos: &[TensorInfo], step: usize, alike: Alike) -> Result<TensorInfo, String> {
        let (schema, def) = (OpSchema::new("Sum"), OperatorDef::new("Sum"));
        let args = Args::new(&def, &schema).unwrap();
        let infos = infer_alike(&InferContext::new(&args, infos), step, alike);
        Ok(infos.map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn what_is_known_of_any_tells_all_and_must_agree() {
        let of = |dims: &[usize]| TensorInfo { data_type: None, shape: Some(Shape::new(dims).unwrap()) };
        let typed = TensorInfo::of_type(DataType::Double);
        let both = TensorInfo::new(DataType::Double, Shape::new(&[2, 3]).unwrap());
        assert_eq!(infer(&[typed.clone(), of(&[2, 3])], 1, same_shape), Ok(both));
        assert_eq!(infer(&[TensorInfo::unknown()], 1, same_shape), Ok(TensorInfo::unknown()));
        let error = infer(&[typed, of(&[2, 3]), of(&[3, 2])], 1, same_shape).unwrap_err();
        assert_eq!(error, "input 2: shape [3, 2], but input 1 has [2, 3]");
        assert_eq!(infer(&[of(&[2, 3]), of(&[1]), of(&[6])], 2, same_count), Ok(of(&[2, 3])));
        assert!(infer(&[of(&[2, 3]), of(&[1]), of(&[5])], 2, same_count).is_err());
    }
}
