use proptest::prelude::*;

use super::*;
use crate::byte_rows::ByteMatrix;
use crate::dequant::{CodeMap, dequantize};
use crate::geometry::{Axis, PadRule, Window};

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 * 0.001 - 1.0).collect()
}

/// Splits a linear index into one per dimension.
fn unravel(mut index: usize, dims: &[usize]) -> Vec<usize> {
    let mut result = vec![0; dims.len()];
    for (i, &size) in result.iter_mut().zip(dims).rev() {
        *i = index % size;
        index /= size;
    }
    result
}

fn reference(g: &ConvGeometry, input: &[f32], filter: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let outputs: Vec<usize> = g.axes().iter().map(Axis::output).collect();
    let kernels: Vec<usize> = g.axes().iter().map(Axis::kernel).collect();
    let (spatial_in, spatial_out, taps) = (g.input_size(), g.output_size(), g.taps());
    let (group_channels, group_filters) = (g.channels() / g.groups(), g.filters() / g.groups());
    let place = |n: usize, c: usize, p: usize, channels: usize, size: usize| match g.order() {
        Order::Nchw => (n * channels + c) * size + p,
        Order::Nhwc => (n * size + p) * channels + c,
    };
    let mut output = vec![0.0; g.output_len()];
    for n in 0..g.batch() {
        for m in 0..g.filters() {
            for p in 0..spatial_out {
                let window = unravel(p, &outputs);
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[m]));
                for tap in 0..taps {
                    let offsets = unravel(tap, &kernels);
                    let at = g.axes().iter().enumerate().try_fold(0, |at, (k, axis)| {
                        Some(at * axis.input() + axis.element(window[k], offsets[k])?)
                    });
                    let Some(at) = at else { continue };
                    for c in 0..group_channels {
                        let channel = m / group_filters * group_channels + c;
                        let x = input[place(n, channel, at, g.channels(), spatial_in)];
                        let w = filter[place(m, c, tap, group_channels, taps)];
                        sum += f64::from(x) * f64::from(w);
                    }
                }
                output[place(n, m, p, g.filters(), spatial_out)] = sum;
            }
        }
    }
    output
}

fn check(g: &ConvGeometry) {
    let (input, filter) = (values(g.input_len(), 1), values(g.filter_len(), 2));
    let all_bias = values(g.filters(), 3);
    for bias in [None, Some(all_bias.as_slice())] {
        check_bytes(g, bias);
        let want = reference(g, &input, &filter, bias);
        let tolerance = 1e-6 * (g.depth() as f64 + 4.0);
        for isa in Isa::available() {
            let run = |threads: &Threads| {
                let mut output = vec![f32::NAN; g.output_len()];
                conv_on(isa, threads, g, &input, &filter, bias, &mut output).unwrap();
                output
            };
            let output = run(&Threads::single());
            for (i, (&got, &want)) in output.iter().zip(&want).enumerate() {
                assert!((f64::from(got) - want).abs() <= tolerance, "{g:?} {isa:?} at {i}: {got} {want}");
            }
            let shared = run(&Threads::new(2));
            assert!(output.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits()), "{g:?} {isa:?}");
        }
    }
    check_fused(g, &input, &filter);
}

/// Checks the convolution with all that may follow it, with the filter as it is and in all its forms.
fn check_fused(g: &ConvGeometry, input: &[f32], filter: &[f32]) {
    let (scale, bias) = (values(g.filters(), 4), values(g.filters(), 5));
    let residual = values(g.output_len(), 6);
    let activation = Activation::Clip { min: -0.5, max: 1.5 };
    let spatial = g.output_size();
    let mut want = reference(g, input, filter, None);
    for (i, y) in want.iter_mut().enumerate() {
        let m = if g.order() == Order::Nchw { i / spatial % g.filters() } else { i % g.filters() };
        *y = (*y * f64::from(scale[m]) + f64::from(bias[m]) + f64::from(residual[i])).clamp(-0.5, 1.5);
    }
    for isa in Isa::available() {
        for algorithm in [None, Some(Algorithm::Direct), Some(Algorithm::Winograd)] {
            let form = algorithm.and_then(|algorithm| FilterForm::on(isa, g, algorithm));
            let mut packed = vec![f32::NAN; form.map_or(0, |form| form.len())];
            let filter = match form {
                None => Filter::Plain(filter),
                Some(form) => {
                    form.pack(&Threads::new(2), g, filter, &mut packed).unwrap();
                    Filter::Packed(form, &packed)
                }
            };
            let tail =
                ConvTail { scale: Some(&scale), bias: Some(&bias), residual: Some(&residual), activation };
            let run = |threads: &Threads| {
                let mut output = vec![f32::NAN; g.output_len()];
                conv_fused_on(isa, threads, g, input, filter, &tail, &mut output).unwrap();
                output
            };
            let output = run(&Threads::single());
            let another = form.is_some_and(|form| form.is_another_algorithm());
            let tolerance = if another { 4e-6 } else { 1e-6 } * (g.depth() as f64 + 4.0);
            for (i, (&got, &want)) in output.iter().zip(&want).enumerate() {
                let close = (f64::from(got) - want).abs() <= tolerance;
                assert!(close, "{g:?} {isa:?} {form:?} at {i}: {got} {want}");
            }
            let shared = run(&Threads::new(2));
            assert!(output.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits()), "{g:?} {form:?}");
        }
    }
}

/// A filter that is kept as bytes gives the bits of the expanded one.
fn check_bytes(g: &ConvGeometry, bias: Option<&[f32]>) {
    let q: Vec<u8> = (0..g.filter_len()).map(|i| (i * 151 + i / 13) as u8).collect();
    let filter = ByteMatrix::new(&q, g.filters(), g.depth(), CodeMap::from_range(-0.9, 1.1)).unwrap();
    let mut expanded = vec![0.0; q.len()];
    dequantize(&Threads::single(), &q, CodeMap::from_range(-0.9, 1.1), &mut expanded);
    let input = values(g.input_len(), 1);
    let residual = values(g.output_len(), 7);
    let tail = ConvTail { bias, residual: Some(&residual), activation: Activation::Relu, scale: bias };
    for isa in Isa::available() {
        let (single, plain) = (Threads::single(), Filter::Plain(&expanded));
        let mut wanted = vec![0.0; g.output_len()];
        conv_fused_on(isa, &single, g, &input, plain, &tail, &mut wanted).unwrap();
        for threads in [1, 2] {
            let mut output = vec![f32::NAN; g.output_len()];
            conv_bytes_on(isa, &Threads::new(threads), g, &input, &filter, &tail, &mut output).unwrap();
            let same = output.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{g:?} {isa:?} {threads} threads");
        }
    }
}

const ORDERS: [Order; 2] = [Order::Nchw, Order::Nhwc];

fn axis(input: usize, kernel: i64, stride: i64, dilation: i64, pads: (i64, i64)) -> Axis {
    Axis::new(input, Window { kernel, stride, dilation, head: pads.0, tail: pads.1 }, PadRule::Explicit)
        .unwrap()
}

#[test]
fn usual_layers() {
    for order in ORDERS {
        let layer = |n, c, m, groups, axes: &[Axis]| {
            check(&ConvGeometry::new(order, n, c, m, groups, axes).unwrap());
        };
        let same = axis(14, 3, 1, 1, (1, 1));
        layer(2, 3, 8, 1, &[axis(32, 7, 2, 1, (3, 3)), axis(30, 7, 2, 1, (3, 3))]);
        layer(1, 16, 24, 1, &[same, same]);
        layer(2, 17, 9, 1, &[axis(13, 1, 1, 1, (0, 0)), axis(11, 1, 1, 1, (0, 0))]);
        layer(1, 8, 16, 1, &[axis(14, 1, 2, 1, (0, 0)), axis(14, 1, 2, 1, (0, 0))]);
        layer(2, 12, 18, 3, &[same, axis(9, 5, 1, 1, (2, 2))]);
        layer(1, 12, 6, 3, &[axis(7, 1, 1, 1, (0, 0)), axis(9, 1, 1, 1, (0, 0))]);
        layer(2, 20, 20, 20, &[same, same]);
        layer(1, 6, 18, 6, &[same, same]);
        layer(1, 20, 20, 20, &[axis(15, 3, 2, 1, (1, 1)), axis(16, 3, 2, 1, (0, 1))]);
        layer(1, 5, 5, 5, &[axis(300, 5, 1, 2, (4, 4)), axis(120, 3, 3, 2, (2, 1))]);
        layer(1, 3, 3, 3, &[axis(40, 4, 3, 1, (-2, -1)), axis(30, 2, 5, 1, (-1, 1))]);
        layer(3, 4, 6, 2, &[axis(50, 5, 2, 2, (4, 4))]);
        layer(1, 7, 7, 7, &[axis(50, 6, 1, 1, (5, 0))]);
        layer(1, 2, 3, 1, &[axis(6, 3, 1, 1, (1, 1)), axis(5, 2, 2, 1, (0, 1)), axis(7, 3, 1, 2, (2, 2))]);
        layer(1, 4, 4, 4, &[axis(6, 3, 1, 1, (1, 1)), axis(5, 2, 2, 1, (0, 1)), axis(7, 3, 1, 1, (1, 1))]);
        layer(1, 3, 4, 1, &[axis(5, 3, 1, 1, (-1, -1)), axis(6, 3, 1, 1, (-2, 0))]);
        layer(
            1,
            2,
            4,
            2,
            &[
                axis(3, 2, 1, 1, (0, 0)),
                axis(4, 2, 2, 1, (0, 0)),
                axis(3, 1, 1, 1, (0, 0)),
                axis(5, 2, 1, 1, (1, 0)),
            ],
        );
        layer(0, 3, 4, 1, &[same, same]);
    }
}

#[test]
fn layers_for_winograd() {
    let layer = |n, c, m, groups, axes: &[Axis]| {
        let g = ConvGeometry::new(Order::Nchw, n, c, m, groups, axes).unwrap();
        assert!(FilterForm::new(&g, Algorithm::Winograd).unwrap().is_another_algorithm(), "{g:?}");
        assert!(FilterForm::new(&g, Algorithm::Direct).is_none_or(|form| !form.is_another_algorithm()));
        check(&g);
    };
    layer(1, 16, 17, 1, &[axis(12, 3, 1, 1, (1, 1)), axis(13, 3, 1, 1, (1, 1))]);
    layer(2, 32, 32, 2, &[axis(15, 3, 1, 1, (1, 0)), axis(18, 3, 1, 1, (0, 1))]);
    layer(1, 16, 16, 1, &[axis(39, 3, 1, 1, (0, 0)), axis(41, 3, 1, 1, (1, 5))]);
    layer(1, 17, 20, 1, &[axis(14, 3, 1, 1, (1, 1)), axis(300, 3, 1, 1, (1, 1))]);
}

#[test]
fn winograd_is_for_layers_of_some_size() {
    let winograd = |c, m, axes: &[Axis]| {
        let g = ConvGeometry::new(Order::Nchw, 1, c, m, 1, axes).unwrap();
        FilterForm::new(&g, Algorithm::Winograd).is_some_and(|form| form.is_another_algorithm())
    };
    let same = |size| axis(size, 3, 1, 1, (1, 1));
    assert!(winograd(16, 16, &[same(12), same(12)]));
    for (c, m, axes) in [
        (15, 16, [same(12), same(12)]),
        (16, 15, [same(12), same(12)]),
        (16, 16, [same(11), same(40)]),
        (16, 16, [axis(30, 3, 2, 1, (1, 1)), same(30)]),
        (16, 16, [axis(30, 3, 1, 2, (1, 1)), same(30)]),
        (16, 16, [axis(30, 3, 1, 1, (-1, 1)), same(30)]),
        (16, 16, [axis(30, 5, 1, 1, (1, 1)), same(30)]),
        (16, 16, [same(12), same(1 << 20)]),
    ] {
        assert!(!winograd(c, m, &axes), "{c} {m} {axes:?}");
    }
}

#[test]
fn packed_filters_of_other_layers_are_refused() {
    let new = |c, m, size| {
        let same = axis(size, 3, 1, 1, (1, 1));
        ConvGeometry::new(Order::Nchw, 1, c, m, 1, &[same, same]).unwrap()
    };
    let (small, other, large) = (new(3, 4, 5), new(4, 3, 5), new(16, 16, 12));
    for (of, to) in [(&small, &other), (&large, &small), (&small, &large)] {
        let form = FilterForm::new(of, Algorithm::Winograd).unwrap();
        let (packed, input) = (vec![0.0; form.len()], vec![0.0; to.input_len()]);
        let (filter, mut output) = (Filter::Packed(form, &packed), vec![0.0; to.output_len()]);
        let error = conv_fused(&Threads::single(), to, &input, filter, &ConvTail::default(), &mut output)
            .unwrap_err();
        assert!(matches!(error, KernelError::Mismatch { .. }), "{error}");
        assert!(form.pack(&Threads::single(), of, &[], &mut vec![0.0; form.len()]).is_err());
    }
    // A scale wants a bias.
    let (input, filter, scale) = (vec![0.0; small.input_len()], vec![0.0; small.filter_len()], [1.0; 4]);
    let tail = ConvTail { scale: Some(&scale), ..ConvTail::default() };
    let (filter, mut output) = (Filter::Plain(&filter), vec![0.0; small.output_len()]);
    assert!(conv_fused(&Threads::single(), &small, &input, filter, &tail, &mut output).is_err());
}

#[test]
fn windows_far_apart_or_mostly_padding() {
    for order in ORDERS {
        let rows = axis(4, 3, 1, 1, (1, 1));
        let depthwise = |columns| check(&ConvGeometry::new(order, 1, 3, 3, 3, &[rows, columns]).unwrap());
        depthwise(axis(300, 7, 100, 1, (3, 0)));
        depthwise(axis(5, 3, 1_000_000_007, 1, (1, 1)));
        depthwise(axis(5, 3, 1_000_000_007, 1_000_000, (1_000_000, 1_000_000)));
    }
}

#[test]
fn layers_large_enough_to_share() {
    for order in ORDERS {
        let same = axis(56, 3, 1, 1, (1, 1));
        let point = axis(28, 1, 1, 1, (0, 0));
        check(&ConvGeometry::new(order, 1, 16, 24, 1, &[same, same]).unwrap());
        check(&ConvGeometry::new(order, 2, 64, 64, 2, &[point, point]).unwrap());
        check(&ConvGeometry::new(order, 1, 32, 32, 32, &[same, same]).unwrap());
        check(&ConvGeometry::new(order, 1, 200, 300, 1, &[axis(7, 3, 1, 1, (1, 1)); 2]).unwrap());
    }
}

#[test]
fn lengths_are_checked() {
    let g = ConvGeometry::new(Order::Nchw, 1, 2, 3, 1, &[axis(5, 3, 1, 1, (0, 0)); 2]).unwrap();
    let run = |input: usize, filter: usize, bias: usize, output: usize| {
        let (input, filter, bias) = (vec![0.0; input], vec![0.0; filter], vec![0.0; bias]);
        conv(&Threads::single(), &g, &input, &filter, Some(&bias), &mut vec![0.0; output])
    };
    assert_eq!(run(50, 54, 3, 27), Ok(()));
    for (input, filter, bias, output) in [(49, 54, 3, 27), (50, 55, 3, 27), (50, 54, 2, 27), (50, 54, 3, 28)]
    {
        assert!(matches!(run(input, filter, bias, output), Err(KernelError::Length { .. })));
    }
}

#[test]
fn geometries_that_cannot_be() {
    let a = axis(5, 3, 1, 1, (0, 0));
    let new = |channels, filters, groups, axes: &[Axis]| {
        ConvGeometry::new(Order::Nchw, 1, channels, filters, groups, axes).unwrap_err()
    };
    assert_eq!(new(1, 1, 1, &[]), GeometryError::Dimensions(0));
    assert_eq!(new(1, 1, 1, &[a; 5]), GeometryError::Dimensions(5));
    for (channels, filters, groups) in [(4, 4, 0), (0, 4, 1), (4, 0, 1), (4, 6, 4), (6, 4, 4)] {
        assert_eq!(new(channels, filters, groups, &[a]), GeometryError::Groups { channels, filters, groups });
    }
    let huge = axis(1 << 40, 1, 1, 1, (0, 0));
    assert!(matches!(new(1, 1, 1, &[huge, huge]), GeometryError::Overflow { what: "input" }));
    assert!(matches!(
        new(1 << 20, 1 << 30, 1, &[axis(1 << 15, 1 << 14, 1, 1, (0, 0))]),
        GeometryError::Overflow { .. }
    ));
}

#[test]
fn padding_counts_as_zero() {
    // As in the original, an infinite weight meets the zeros of the padding: 0 * inf is NaN.
    let g = ConvGeometry::new(Order::Nchw, 1, 1, 1, 1, &[axis(3, 3, 1, 1, (1, 1)); 2]).unwrap();
    let mut filter = [1.0; 9];
    filter[0] = f32::INFINITY;
    let mut output = [0.0; 9];
    conv(&Threads::single(), &g, &[1.0; 9], &filter, None, &mut output).unwrap();
    assert!(output[0].is_nan() && output[4] == f32::INFINITY);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_geometry(
        order in prop::sample::select(ORDERS.to_vec()),
        batch in 1usize..3,
        (groups, group_channels, group_filters) in (1usize..4, 1usize..4, 1usize..4),
        dims in prop::collection::vec((1usize..12, 1i64..4, 1i64..4, 1i64..3, -2i64..4, -2i64..4), 1..4),
    ) {
        let axes: Option<Vec<Axis>> = dims
            .into_iter()
            .map(|(input, kernel, stride, dilation, head, tail)| {
                Axis::new(input, Window { kernel, stride, dilation, head, tail }, PadRule::Explicit).ok()
            })
            .collect();
        if let Some(axes) = axes {
            let (channels, filters) = (groups * group_channels, groups * group_filters);
            check(&ConvGeometry::new(order, batch, channels, filters, groups, &axes).unwrap());
        }
    }
}
