//! Sums of many tensors of one shape.

use super::{Arithmetic, BLOCK, GRAIN, InOut};
use crate::error::check_len;
use crate::{Isa, KernelError, Threads};

/// `output = first + rest[0] + rest[1] + …`, element by element and from left to right (Caffe2 `Sum`).
///
/// `first` holds the first operand and the output, apart or in place; `rest` may be empty, which copies.
///
/// # Errors
///
/// [`KernelError::Length`] if the operands differ in length.
pub fn sum<T: Arithmetic>(threads: &Threads, first: InOut<'_, T>, rest: &[&[T]]) -> Result<(), KernelError> {
    sum_on(Isa::current(), threads, first, rest)
}

fn sum_on<T: Arithmetic>(
    isa: Isa,
    threads: &Threads,
    first: InOut<'_, T>,
    rest: &[&[T]],
) -> Result<(), KernelError> {
    let (input, output) = match first {
        InOut::Apart(input, output) => (Some(input), output),
        InOut::InPlace(both) => (None, both),
    };
    for operand in input.iter().chain(rest) {
        check_len("operand of the sum", output.len(), operand.len())?;
    }
    threads.for_each_block(output, BLOCK, GRAIN, |index, block| {
        let start = index * BLOCK;
        let end = start + block.len();
        let mut rest = rest.iter();
        if let Some(input) = input {
            match rest.next() {
                Some(second) => add_apart(isa, &input[start..end], &second[start..end], block),
                None => block.copy_from_slice(&input[start..end]),
            }
        }
        for operand in rest {
            add_into(isa, block, &operand[start..end]);
        }
    });
    Ok(())
}

fn add_apart<T: Arithmetic>(isa: Isa, a: &[T], b: &[T], out: &mut [T]) {
    isa.dispatch(
        #[inline(always)]
        move || {
            for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *y = a.add(b);
            }
        },
    );
}

fn add_into<T: Arithmetic>(isa: Isa, into: &mut [T], b: &[T]) {
    isa.dispatch(
        #[inline(always)]
        move || {
            for (y, &b) in into.iter_mut().zip(b) {
                *y = y.add(b);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_from_left_to_right_on_every_isa_and_thread_count() {
        for n in [0usize, 1, 7, 100, GRAIN + 3] {
            let inputs: Vec<Vec<f32>> =
                (0..4).map(|k| (0..n).map(|i| ((i * 7 + k * 13) % 101) as f32 * 0.37).collect()).collect();
            for count in 1..=4 {
                let rest: Vec<&[f32]> = inputs[1..count].iter().map(Vec::as_slice).collect();
                let want: Vec<f32> =
                    (0..n).map(|i| rest.iter().fold(inputs[0][i], |acc, x| acc + x[i])).collect();
                for isa in Isa::available() {
                    for threads in [Threads::single(), Threads::new(2)] {
                        let mut out = vec![f32::NAN; n];
                        sum_on(isa, &threads, InOut::Apart(&inputs[0], &mut out), &rest).unwrap();
                        assert_eq!(out, want, "{isa:?} apart, {count} of {n}");
                        let mut out = inputs[0].clone();
                        sum_on(isa, &threads, InOut::InPlace(&mut out), &rest).unwrap();
                        assert_eq!(out, want, "{isa:?} in place, {count} of {n}");
                    }
                }
            }
        }
    }

    #[test]
    fn integers_wrap() {
        let mut out = [i32::MAX];
        sum(&Threads::single(), InOut::InPlace(&mut out), &[&[1]]).unwrap();
        assert_eq!(out, [i32::MIN]);
    }

    #[test]
    fn lengths_must_agree() {
        let mut out = [0.0f32; 2];
        let error = sum(&Threads::single(), InOut::InPlace(&mut out), &[&[1.0; 3]]);
        assert_eq!(error, Err(KernelError::Length { what: "operand of the sum", expected: 2, found: 3 }));
    }
}
