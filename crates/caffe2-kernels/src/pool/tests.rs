use proptest::prelude::*;

use super::*;
use crate::geometry::{PadRule, Window};

const ORDERS: [Order; 2] = [Order::Nchw, Order::Nhwc];
const KINDS: [Pooling; 3] =
    [Pooling::Max, Pooling::Average { include_pad: false }, Pooling::Average { include_pad: true }];

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 2003) as f32 * 0.001 - 1.0).collect()
}

/// The elements of window `o` of the flattened output positions, as input positions.
fn window(axes: &[Axis], o: usize) -> Vec<usize> {
    let mut positions = vec![0];
    let mut divisor: usize = axes.iter().map(Axis::output).product();
    for axis in axes {
        divisor /= axis.output();
        let index = o / divisor % axis.output();
        positions = positions
            .iter()
            .flat_map(|&p| {
                (0..axis.kernel()).filter_map(move |k| Some(p * axis.input() + axis.element(index, k)?))
            })
            .collect();
    }
    positions
}

fn reference(g: &PoolGeometry, kind: Pooling, input: &[f32]) -> Vec<f64> {
    let place = |n: usize, c: usize, p: usize, size: usize| match g.order {
        Order::Nchw => (n * g.channels + c) * size + p,
        Order::Nhwc => (n * size + p) * g.channels + c,
    };
    let mut output = vec![0.0; g.output_len()];
    for n in 0..g.batch {
        for c in 0..g.channels {
            for o in 0..g.output_size {
                let elements: Vec<f64> = window(&g.axes, o)
                    .into_iter()
                    .map(|p| f64::from(input[place(n, c, p, g.input_size)]))
                    .collect();
                let sum: f64 = elements.iter().sum();
                output[place(n, c, o, g.output_size)] = match kind {
                    Pooling::Max if elements.iter().any(|x| x.is_nan()) => f64::NAN,
                    Pooling::Max => elements.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    Pooling::Average { include_pad: true } => sum / g.volume() as f64,
                    Pooling::Average { .. } => sum / elements.len().max(1) as f64,
                };
            }
        }
    }
    output
}

fn check_input(g: &PoolGeometry, kind: Pooling, input: &[f32]) {
    let want = reference(g, kind, input);
    let mut first: Option<Vec<f32>> = None;
    for isa in Isa::available() {
        for threads in [Threads::single(), Threads::new(2)] {
            let mut output = vec![7.0; g.output_len()];
            pool_on(isa, &threads, g, kind, input, &mut output).unwrap();
            for (i, (&got, &want)) in output.iter().zip(&want).enumerate() {
                let close = f64::from(got) == want
                    || (f64::from(got) - want).abs() < 1e-5
                    || (got.is_nan() && want.is_nan());
                assert!(close, "{g:?} {kind:?} {isa:?} at {i}: {got} {want}");
            }
            let first = first.get_or_insert_with(|| output.clone());
            assert!(
                output.iter().zip(first.iter()).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{g:?} {isa:?}"
            );
        }
    }
}

fn check(g: &PoolGeometry) {
    for kind in KINDS {
        check_input(g, kind, &values(g.input_len()));
    }
}

fn axis(input: usize, kernel: i64, stride: i64, pads: (i64, i64), rule: PadRule) -> Axis {
    Axis::pooling(input, Window { stride, head: pads.0, tail: pads.1, ..Window::new(kernel) }, rule).unwrap()
}

#[test]
fn usual_layers() {
    let plain = PadRule::Explicit;
    for order in ORDERS {
        let layer = |n, c, axes: &[Axis]| check(&PoolGeometry::new(order, n, c, axes).unwrap());
        layer(2, 3, &[axis(12, 2, 2, (0, 0), plain); 2]);
        layer(1, 5, &[axis(13, 3, 2, (0, 0), plain); 2]);
        layer(1, 5, &[axis(13, 3, 2, (1, 1), plain), axis(14, 3, 2, (0, 1), plain)]);
        layer(1, 4, &[axis(28, 3, 1, (1, 1), plain); 2]);
        layer(
            2,
            4,
            &[axis(6, 3, 2, (0, 0), PadRule::CaffePooling), axis(7, 3, 2, (1, 0), PadRule::CaffePooling)],
        );
        layer(1, 3, &[axis(5, 1, 3, (0, 0), PadRule::CaffePooling); 2]);
        layer(1, 3, &[axis(9, 4, 3, (0, 0), PadRule::Same), axis(20, 7, 2, (3, 3), plain)]);
        layer(2, 20, &[Axis::global(7).unwrap(), Axis::global(7).unwrap()]);
        layer(2, 3, &[Axis::global(70).unwrap()]);
        layer(2, 3, &[axis(30, 3, 2, (1, 0), plain)]);
        layer(
            1,
            3,
            &[axis(6, 2, 2, (0, 0), plain), axis(7, 3, 1, (1, 1), plain), axis(8, 3, 2, (1, 1), plain)],
        );
        layer(1, 3, &[axis(6, 3, 1, (-1, -1), plain), axis(7, 2, 1, (0, -2), plain)]);
        layer(1, 64, &[axis(56, 3, 2, (0, 1), plain); 2]);
        layer(0, 3, &[axis(6, 2, 2, (0, 0), plain)]);
    }
}

#[test]
fn windows_far_apart_or_mostly_padding() {
    let plain = PadRule::Explicit;
    for order in ORDERS {
        for rows in [axis(7, 3, 1, (1, 1), plain), axis(200, 5, 90, (2, 2), plain)] {
            let g = |columns| PoolGeometry::new(order, 2, 3, &[rows, columns]).unwrap();
            check(&g(axis(300, 70, 100, (3, 0), plain)));
            check(&g(axis(5, 3, 1_000_000_007, (1, 1), plain)));
        }
    }
    let gigantic = axis(5, 1_000_000, 999_999, (999_999, 999_999), plain);
    check(&PoolGeometry::new(Order::Nchw, 1, 2, &[axis(4, 2, 1, (0, 0), plain), gigantic]).unwrap());
}

#[test]
fn not_finite_elements() {
    for order in ORDERS {
        let g = PoolGeometry::new(order, 1, 2, &[axis(9, 3, 1, (1, 1), PadRule::Explicit); 2]).unwrap();
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 17, 40, 161] {
                let mut input = values(g.input_len());
                input[at] = special;
                check_input(&g, Pooling::Max, &input);
            }
        }
        check_input(&g, Pooling::Max, &vec![f32::NEG_INFINITY; g.input_len()]);
        let global = PoolGeometry::new(order, 1, 2, &[Axis::global(9).unwrap(); 2]).unwrap();
        for at in [0, 80, 161] {
            let mut input = values(global.input_len());
            input[at] = f32::NAN;
            check_input(&global, Pooling::Max, &input);
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let a = axis(6, 2, 2, (0, 0), PadRule::Explicit);
    let new = |channels, axes: &[Axis]| PoolGeometry::new(Order::Nchw, 1, channels, axes);
    assert_eq!(new(1, &[]), Err(PoolGeometryError::Dimensions(0)));
    assert_eq!(new(1, &[a; 4]), Err(PoolGeometryError::Dimensions(4)));
    assert_eq!(new(0, &[a]), Err(PoolGeometryError::NoChannels));
    let dilated = Axis::new(9, Window { dilation: 2, ..Window::new(3) }, PadRule::Explicit).unwrap();
    assert!(matches!(new(1, &[dilated]), Err(PoolGeometryError::Axis(_))));
    let huge = axis(1 << 40, 2, 2, (0, 0), PadRule::Explicit);
    assert_eq!(new(1, &[huge, huge]), Err(PoolGeometryError::Overflow { what: "input" }));
    let g = new(1, &[a]).unwrap();
    let run =
        |n: usize, m: usize| pool(&Threads::single(), &g, Pooling::Max, &vec![0.0; n], &mut vec![0.0; m]);
    assert_eq!(run(6, 3), Ok(()));
    assert!(matches!(run(5, 3), Err(KernelError::Length { .. })));
    assert!(matches!(run(6, 4), Err(KernelError::Length { .. })));
}

proptest! {
    #[test]
    fn any_geometry(
        order in prop::sample::select(ORDERS.to_vec()),
        (batch, channels) in (1usize..3, 1usize..5),
        rule in prop::sample::select(vec![PadRule::Explicit, PadRule::Same, PadRule::CaffePooling]),
        dims in prop::collection::vec((1usize..14, 1i64..5, 1i64..4, -1i64..4, -1i64..4), 1..4),
    ) {
        let axes: Option<Vec<Axis>> = dims
            .into_iter()
            .map(|(input, kernel, stride, head, tail)| {
                Axis::pooling(input, Window { stride, head, tail, ..Window::new(kernel) }, rule).ok()
            })
            .collect();
        if let Some(axes) = axes {
            check(&PoolGeometry::new(order, batch, channels, &axes).unwrap());
        }
    }
}
