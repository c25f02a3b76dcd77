use proptest::prelude::*;

use super::*;

const OPS: [BinaryOp; 4] = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div];

fn reference<T: Arithmetic>(op: BinaryOp, a: T, b: T) -> T {
    match op {
        BinaryOp::Add => a.add(b),
        BinaryOp::Sub => a.sub(b),
        BinaryOp::Mul => a.mul(b),
        BinaryOp::Div => a.div(b),
    }
}

/// Each element of a tensor of shape `dims` as the result of shape `out` sees it.
fn stretched<T: Copy>(data: &[T], dims: &[usize], out: &[usize]) -> Vec<T> {
    let len: usize = out.iter().product();
    let pad = out.len() - dims.len();
    (0..len)
        .map(|i| {
            let (mut offset, mut rest, mut stride) = (0, i, 1);
            for axis in (0..out.len()).rev() {
                let index = rest % out[axis];
                rest /= out[axis];
                if axis >= pad {
                    let size = dims[axis - pad];
                    offset += if size == 1 { 0 } else { index * stride };
                    stride *= size;
                }
            }
            data[offset]
        })
        .collect()
}

fn check<T: Arithmetic + std::fmt::Debug>(
    op: BinaryOp,
    a_dims: &[usize],
    b_dims: &[usize],
    value: fn(usize) -> T,
) {
    let broadcast = Broadcast::new(a_dims, b_dims).unwrap();
    let a: Vec<T> = (0..broadcast.a_len()).map(value).collect();
    let b: Vec<T> = (0..broadcast.b_len()).map(|i| value(i + 1000)).collect();
    let wide_a = stretched(&a, a_dims, broadcast.dims());
    let wide_b = stretched(&b, b_dims, broadcast.dims());
    let want: Vec<T> = wide_a.iter().zip(&wide_b).map(|(&a, &b)| reference(op, a, b)).collect();
    for isa in Isa::available() {
        for threads in [Threads::single(), Threads::new(2)] {
            let mut out = vec![T::default(); broadcast.len()];
            let io = BinaryIo::Apart { a: &a, b: &b, out: &mut out };
            binary_on(isa, &threads, op, &broadcast, io).unwrap();
            assert_eq!(out, want, "{op:?} {a_dims:?} {b_dims:?} {isa:?} apart");
            let mut into = a.clone();
            let result = binary_on(isa, &threads, op, &broadcast, BinaryIo::IntoA { a: &mut into, b: &b });
            if a.len() == want.len() {
                result.unwrap();
                assert_eq!(into, want, "{op:?} {a_dims:?} {b_dims:?} {isa:?} into a");
            } else {
                assert!(matches!(result, Err(KernelError::Length { what: "result", .. })));
            }
            let mut into = b.clone();
            let result = binary_on(isa, &threads, op, &broadcast, BinaryIo::IntoB { a: &a, b: &mut into });
            if b.len() == want.len() {
                result.unwrap();
                assert_eq!(into, want, "{op:?} {a_dims:?} {b_dims:?} {isa:?} into b");
            } else {
                assert!(matches!(result, Err(KernelError::Length { what: "result", .. })));
            }
        }
    }
}

fn as_f32(i: usize) -> f32 {
    ((i * 37) % 1001) as f32 * 0.731 - 300.0
}

fn as_i32(i: usize) -> i32 {
    ((i as i64 * 2_654_435_761) as i32) | 1
}

#[test]
fn all_operations_types_and_shapes() {
    let shapes: [(&[usize], &[usize]); 9] = [
        (&[], &[]),
        (&[5], &[]),
        (&[], &[5]),
        (&[3, 37], &[37]),
        (&[2, 3, 17], &[3, 1]),
        (&[3, 1], &[2, 3, 17]),
        (&[4, 1, 5], &[1, 6, 5]),
        (&[0, 3], &[3]),
        (&[3, 1 << 15], &[1 << 15]),
    ];
    for op in OPS {
        for (a, b) in shapes {
            check::<f32>(op, a, b, as_f32);
            check::<f64>(op, a, b, |i| f64::from(as_f32(i)) * 1e9);
            check::<i32>(op, a, b, as_i32);
            check::<i64>(op, a, b, |i| (i64::from(as_i32(i)) << 31) | 1);
        }
    }
}

#[test]
fn every_length_from_an_unaligned_start() {
    for n in 0..130usize {
        let a: Vec<f32> = (0..n + 1).map(as_f32).collect();
        let b: Vec<f32> = (0..n + 1).map(|i| as_f32(i + 77)).collect();
        let broadcast = Broadcast::new(&[n], &[n]).unwrap();
        for op in OPS {
            for isa in Isa::available() {
                let mut out = vec![0.0; n + 1];
                let io = BinaryIo::Apart { a: &a[1..], b: &b[1..], out: &mut out[1..] };
                binary_on(isa, &Threads::single(), op, &broadcast, io).unwrap();
                for i in 1..=n {
                    assert_eq!(out[i].to_bits(), reference(op, a[i], b[i]).to_bits(), "{op:?} {isa:?} {n}");
                }
            }
        }
    }
}

#[test]
fn both_operands_may_be_the_result() {
    let mut both = [3i32, -4];
    let broadcast = Broadcast::new(&[2], &[2]).unwrap();
    binary(&Threads::single(), BinaryOp::Mul, &broadcast, BinaryIo::IntoBoth(&mut both)).unwrap();
    assert_eq!(both, [9, 16]);
}

#[test]
fn integer_division() {
    let divide = |a: &[i32], b: &[i32]| {
        let mut out = vec![-99; a.len()];
        let broadcast = Broadcast::new(&[a.len()], &[b.len()]).unwrap();
        let io = BinaryIo::Apart { a, b, out: &mut out };
        let result = binary(&Threads::single(), BinaryOp::Div, &broadcast, io);
        (result, out)
    };
    assert_eq!(divide(&[7, -7, i32::MIN], &[2, 2, -1]), (Ok(()), vec![3, -3, i32::MIN]));
    assert_eq!(divide(&[7, 8], &[1, 0]), (Err(KernelError::DivisionByZero), vec![-99, -99]));
    assert_eq!(divide(&[], &[0]), (Ok(()), vec![]));
    let mut b = [0i64];
    let broadcast = Broadcast::new(&[1], &[1]).unwrap();
    let io = BinaryIo::IntoB { a: &[1], b: &mut b };
    assert_eq!(binary(&Threads::single(), BinaryOp::Div, &broadcast, io), Err(KernelError::DivisionByZero));
}

#[test]
fn other_result_types() {
    let broadcast = Broadcast::new(&[2, 2], &[2, 1]).unwrap();
    let mut out = [false; 4];
    zip_broadcast(&Threads::single(), &broadcast, &[1, 2, 3, 4], &[2i32, 3], &mut out, |a: i32, b| a < b)
        .unwrap();
    assert_eq!(out, [true, false, false, false]);
    let short =
        zip_broadcast(&Threads::single(), &broadcast, &[1], &[2, 3], &mut out, |a: i32, b: i32| a < b);
    assert_eq!(short, Err(KernelError::Length { what: "first operand", expected: 4, found: 1 }));
}

proptest! {
    #[test]
    fn any_pair_of_shapes(pattern in prop::collection::vec((1usize..5, 0u8..4), 0..5)) {
        let a: Vec<usize> = pattern.iter().map(|&(n, k)| if k == 1 { 1 } else { n }).collect();
        let b: Vec<usize> = pattern.iter().map(|&(n, k)| if k == 2 { 1 } else { n }).collect();
        check::<f32>(BinaryOp::Sub, &a, &b, as_f32);
    }
}
