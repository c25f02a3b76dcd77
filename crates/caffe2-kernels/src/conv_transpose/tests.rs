use proptest::prelude::*;

use super::*;

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 * 0.001 - 1.0).collect()
}

/// Straight from the definition.
fn reference(g: &ConvTransposeGeometry, input: &[f32], filter: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let (rows, columns) = (&g.rows, &g.columns);
    let (group_channels, group_filters) = (g.group_channels(), g.group_filters());
    let place = |n: usize, c: usize, p: usize, channels: usize, size: usize| match g.order {
        Order::Nchw => (n * channels + c) * size + p,
        Order::Nhwc => (n * size + p) * channels + c,
    };
    let mut output = vec![0.0; g.output_len()];
    for n in 0..g.batch {
        for m in 0..g.filters {
            for p in 0..g.output_size() {
                let at = place(n, m, p, g.filters, g.output_size());
                output[at] = bias.map_or(0.0, |bias| f64::from(bias[m]));
            }
            for c in 0..group_channels {
                let channel = m / group_filters * group_channels + c;
                for (p, tap) in (0..g.input_size()).flat_map(|p| (0..g.taps()).map(move |tap| (p, tap))) {
                    let (i, j) = (p / columns.input(), p % columns.input());
                    let y = (i * rows.stride() + tap / columns.kernel()).checked_sub(rows.head());
                    let x = (j * columns.stride() + tap % columns.kernel()).checked_sub(columns.head());
                    let (Some(y), Some(x)) = (y, x) else { continue };
                    if y < rows.output() && x < columns.output() {
                        let value = input[place(n, channel, p, g.channels, g.input_size())];
                        let weight = filter[place(channel, m % group_filters, tap, group_filters, g.taps())];
                        let at = place(n, m, y * columns.output() + x, g.filters, g.output_size());
                        output[at] += f64::from(value) * f64::from(weight);
                    }
                }
            }
        }
    }
    output
}

fn check(g: &ConvTransposeGeometry) {
    let (input, filter) = (values(g.input_len(), 1), values(g.filter_len(), 2));
    let all_bias = values(g.filters, 3);
    for bias in [None, Some(all_bias.as_slice())] {
        let want = reference(g, &input, &filter, bias);
        let tolerance = 1e-6 * ((g.group_channels() * g.taps()) as f64 + 4.0);
        for isa in Isa::available() {
            let run = |threads: &Threads| {
                let mut output = vec![f32::NAN; g.output_len()];
                isa.scope(|| conv_transpose(threads, g, &input, &filter, bias, &mut output)).unwrap();
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
}

const ORDERS: [Order; 2] = [Order::Nchw, Order::Nhwc];

fn axis(input: usize, kernel: i64, stride: i64, head: i64, tail: i64, adj: i64) -> TransposedAxis {
    TransposedAxis::new(input, TransposedWindow { kernel, stride, head, tail, adj }).unwrap()
}

#[test]
fn usual_layers() {
    let double = |input| axis(input, 4, 2, 1, 1, 0);
    for order in ORDERS {
        let layer = |n, c, m, groups, axes| {
            check(&ConvTransposeGeometry::new(order, n, c, m, groups, axes).unwrap());
        };
        layer(2, 9, 5, 1, [double(6), double(7)]);
        layer(1, 40, 70, 1, [double(8), double(8)]);
        layer(3, 20, 12, 1, [axis(1, 4, 1, 0, 0, 0); 2]);
        layer(1, 8, 6, 1, [axis(9, 3, 2, 1, 1, 1); 2]);
        layer(1, 8, 6, 2, [axis(9, 3, 2, 1, 0, 1), axis(5, 2, 2, 0, 0, 0)]);
        layer(2, 6, 6, 6, [double(9), double(11)]);
        layer(1, 4, 12, 4, [axis(9, 3, 1, 1, 1, 0); 2]);
        layer(1, 3, 2, 1, [axis(4, 2, 3, 0, 0, 3), axis(4, 9, 4, 4, 1, 0)]);
        layer(1, 3, 2, 1, [axis(30, 3, 2, 1, 1, 0), axis(1, 1, 1, 0, 0, 0)]);
        layer(1, 3, 4, 1, [axis(5, 3, 1, 3, 3, 0), axis(5, 3, 1, 0, 3, 0)]);
        layer(0, 3, 4, 1, [double(3); 2]);
        layer(1, 3, 0, 1, [double(3); 2]);
        layer(1, 3, 4, 1, [axis(1, 2, 1, 1, 1, 0), double(3)]);
    }
}

#[test]
fn layers_cut_into_pieces() {
    for order in ORDERS {
        let layer = |n, c, m, groups, axes| {
            check(&ConvTransposeGeometry::new(order, n, c, m, groups, axes).unwrap());
        };
        // Several bands of one plane, several planes, pieces within a row, more taps than fit a product.
        layer(1, 24, 1, 1, [axis(64, 5, 2, 2, 2, 1), axis(64, 5, 2, 2, 2, 1)]);
        layer(1, 32, 40, 1, [axis(20, 4, 2, 1, 1, 0); 2]);
        layer(1, 5, 3, 1, [axis(2, 3, 1, 1, 1, 0), axis(1500, 3, 2, 1, 0, 1)]);
        layer(1, 3, 2, 1, [axis(3, 23, 7, 2, 0, 0), axis(3, 31, 1, 0, 4, 0)]);
        layer(2, 4, 600, 2, [axis(3, 2, 2, 0, 0, 0); 2]);
        layer(1, 300, 2, 2, [axis(30, 2, 2, 0, 0, 0); 2]);
    }
}

#[test]
fn windows_far_apart_or_cut_off() {
    for order in ORDERS {
        let rows = axis(2, 3, 1, 1, 1, 0);
        for columns in [
            axis(3, 2, 1000, 0, 0, 1000),
            axis(3, 2, 1_000_000_007, 1_000_000_000, 1_000_000_000, 0),
            axis(3, 2, 1_000_000_007, 2_000_000_000, 0, 0),
            axis(2, 2, 1 << 58, 0, (1 << 58) - 9, 0),
        ] {
            for (channels, groups) in [(2, 1), (2, 2)] {
                check(&ConvTransposeGeometry::new(order, 1, channels, 2, groups, [rows, columns]).unwrap());
            }
        }
    }
}

#[test]
fn lengths_are_checked() {
    let g = ConvTransposeGeometry::new(Order::Nchw, 1, 2, 3, 1, [axis(5, 3, 1, 0, 0, 0); 2]).unwrap();
    let run = |input: usize, filter: usize, bias: usize, output: usize| {
        let (input, filter, bias) = (vec![0.0; input], vec![0.0; filter], vec![0.0; bias]);
        conv_transpose(&Threads::single(), &g, &input, &filter, Some(&bias), &mut vec![0.0; output])
    };
    assert_eq!(run(50, 54, 3, 147), Ok(()));
    for (input, filter, bias, output) in
        [(49, 54, 3, 147), (50, 55, 3, 147), (50, 54, 2, 147), (50, 54, 3, 148)]
    {
        assert!(matches!(run(input, filter, bias, output), Err(KernelError::Length { .. })));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let window = TransposedWindow { kernel: 3, stride: 2, head: 1, tail: 1, adj: 0 };
    let new = |input, window| TransposedAxis::new(input, window).unwrap_err();
    assert_eq!(new(0, window), TransposedAxisError::EmptyInput);
    for (what, least, window) in [
        ("kernel", 1, TransposedWindow { kernel: 0, ..window }),
        ("stride", 1, TransposedWindow { stride: 0, ..window }),
        ("pad", 0, TransposedWindow { head: 0 - 1, ..window }),
    ] {
        assert_eq!(new(1, window), TransposedAxisError::TooSmall { what, least, value: least - 1 });
    }
    assert_eq!(
        new(1, TransposedWindow { head: 3, ..window }),
        TransposedAxisError::CutTooLarge { cut: 4, full: 3 }
    );
    for huge in [
        TransposedWindow { stride: i64::MAX, ..window },
        TransposedWindow { kernel: i64::MAX, ..window },
        TransposedWindow { adj: i64::MAX, ..window },
        TransposedWindow { head: i64::MAX, tail: i64::MAX, ..window },
    ] {
        assert_eq!(new(2, huge), TransposedAxisError::Overflow);
    }
    assert_eq!(new(usize::MAX, window), TransposedAxisError::Overflow);
    let a = axis(5, 3, 1, 0, 0, 0);
    for (channels, filters, groups) in [(4, 4, 0), (0, 4, 1), (4, 6, 4), (6, 4, 4)] {
        let made = ConvTransposeGeometry::new(Order::Nchw, 1, channels, filters, groups, [a, a]);
        assert!(made.is_err(), "{channels} {filters} {groups}");
    }
    let far = axis(2, 1, 1 << 40, 0, 0, 0);
    assert!(ConvTransposeGeometry::new(Order::Nchw, 0, 1, 1, 1, [far, far]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_geometry(
        order in prop::sample::select(ORDERS.to_vec()),
        batch in 1usize..3,
        (groups, group_channels, group_filters) in (1usize..4, 1usize..4, 1usize..4),
        dims in prop::array::uniform2((1usize..12, 1i64..6, 1i64..5, 0i64..5, 0i64..5, 0i64..3)),
    ) {
        let axes = dims.map(|(input, kernel, stride, head, tail, adj)| {
            TransposedAxis::new(input, TransposedWindow { kernel, stride, head, tail, adj }).ok()
        });
        if let [Some(rows), Some(columns)] = axes {
            let (channels, filters) = (groups * group_channels, groups * group_filters);
            check(&ConvTransposeGeometry::new(order, batch, channels, filters, groups, [rows, columns]).unwrap());
        }
    }
}
