//! What is stored stands for what was there.

use caffe2::{NetDef, OperatorDef, f16};
use caffe2_transform::quantize::{QuantizeError, QuantizeOptions, Scheme, quantize};
use proptest::prelude::*;

use super::{all, dims, floats, given, made, reader, weight};

fn one(values: &[f32]) -> (NetDef, NetDef) {
    let dims = [values.len() as i64, 1];
    (NetDef::new("init").op(given("w", &dims, values)), reader(&["w"]))
}

fn options(scheme: Scheme) -> QuantizeOptions {
    QuantizeOptions { scheme, ..all() }
}

/// What `w` is after the rewrite.
fn stored(values: &[f32], scheme: Scheme) -> Vec<f32> {
    let (init, net) = one(values);
    floats(&made(&quantize(&init, &net, &options(scheme)).unwrap().init), "w")
}

#[test]
fn bytes_make_the_same_blobs_and_are_fewer() {
    let init = NetDef::new("init")
        .op(weight("conv_w", &[8, 4, 3, 3]))
        .op(given("conv_b", &[8], &[0.5; 8]))
        .op(weight("fc_w", &[10, 64]))
        .external_outputs(["conv_w", "conv_b", "fc_w"]);
    let net = reader(&["conv_w", "conv_b", "fc_w"]);
    let quantized = quantize(&init, &net, &options(Scheme::Byte)).unwrap();
    let types: Vec<_> = quantized.init.op.iter().map(OperatorDef::r#type).collect();
    let (fill, expand) = ("GivenTensorByteStringToUInt8Fill", "ByteWeightDequant");
    assert_eq!(types, [fill, expand, "GivenTensorFill", fill, expand]);
    assert_eq!(quantized.init.external_output, init.external_output);
    assert_eq!(quantized.init.name(), "init");
    let (before, after) = (made(&init), made(&quantized.init));
    assert_eq!(dims(&after, "conv_w"), [8, 4, 3, 3]);
    assert_eq!(floats(&after, "conv_b"), [0.5; 8]);
    let report = &quantized.report;
    assert!(report.bytes_after * 3 < report.bytes_before, "{report:?}");
    for weight in &report.weights {
        let (want, got) = (floats(&before, &weight.blob), floats(&after, &weight.blob));
        let errors = || want.iter().zip(&got).map(|(w, g)| f64::from(*w) - f64::from(*g));
        assert_eq!(errors().map(f64::abs).fold(0.0, f64::max), weight.error.largest);
        let mean_square = errors().map(|e| e * e).sum::<f64>() / want.len() as f64;
        assert!((mean_square.sqrt() / weight.error.root_mean_square - 1.0).abs() < 1e-9);
        let signal = want.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / want.len() as f64;
        assert!((10.0 * (signal / mean_square).log10() - weight.error.signal_to_noise).abs() < 1e-9);
        assert!(weight.error.signal_to_noise > 40.0, "{weight:?}");
        assert_eq!((weight.ranges, weight.bytes_before > 3 * weight.bytes_after), (1, true));
    }
}

#[test]
fn halves_are_exact_halves_and_leave_nothing_behind() {
    let mut values: Vec<f32> =
        (0..=u16::MAX).map(f16::from_bits).filter(|h| h.is_finite()).map(f16::to_f32).collect();
    values.extend([0.1, -1e-9, 65519.0, 1.0 + 1.0 / 4096.0]);
    let (init, net) = one(&values);
    let quantized = quantize(&init, &net, &options(Scheme::Half)).unwrap();
    let after = made(&quantized.init);
    let want = values.iter().map(|v| f16::from_f32(*v).to_f32().to_bits());
    assert!(floats(&after, "w").iter().map(|v| v.to_bits()).eq(want));
    // What fills hold is not charged.
    assert_eq!(after.memory().used(), 4 * values.len());
    assert!(quantized.report.bytes_after * 2 < quantized.report.bytes_before);
}

#[test]
fn several_weights_share_the_tables_of_halves() {
    let init = NetDef::new("init")
        .op(weight("a", &[40, 50]))
        .op(weight("half_base", &[10, 20]))
        .op(weight("b", &[9, 99]));
    let quantized = quantize(&init, &reader(&["a", "b"]), &options(Scheme::Half)).unwrap();
    let fills = quantized.init.op.iter().filter(|op| op.r#type() == "GivenTensorFill");
    let outputs: Vec<_> = fills.map(|op| op.output[0].as_str()).collect();
    assert_eq!(outputs, ["half_base_2", "half_step", "half_base"]);
    let (before, after) = (made(&init), made(&quantized.init));
    for blob in ["a", "b"] {
        let want: Vec<f32> = floats(&before, blob).iter().map(|v| f16::from_f32(*v).to_f32()).collect();
        assert_eq!(floats(&after, blob), want);
    }
    assert_eq!(floats(&after, "half_base"), floats(&before, "half_base"));
}

#[test]
fn rows_have_ranges_of_their_own() {
    // Rows that differ a thousandfold: one range would leave nothing of the small ones.
    let scales = [1.0, 1e-3, 0.0, 30.0];
    let values: Vec<f32> = (0..4 * 90).map(|i| scales[i / 90] * ((i as f32 * 0.7).sin() + 0.1)).collect();
    let net = reader(&["w"]);
    for dims in [&[4i64, 90][..], &[4, 10, 3, 3], &[360]] {
        let init = NetDef::new("init").op(given("w", dims, &values));
        let options = QuantizeOptions { only: vec!["w".into()], ..options(Scheme::Fused8) };
        let quantized = quantize(&init, &net, &options).unwrap();
        let after = made(&quantized.init);
        let weight = &quantized.report.weights[0];
        assert_eq!(super::dims(&after, "w"), weight.dims);
        assert_eq!(weight.ranges, if dims.len() == 1 { 1 } else { 4 });
        let reshapes = quantized.init.op.iter().filter(|op| op.r#type() == "Reshape").count();
        assert_eq!(reshapes, usize::from(dims.len() != 2));
        for (row, (want, got)) in values.chunks(90).zip(floats(&after, "w").chunks(90)).enumerate() {
            let worst = want.iter().zip(got).map(|(w, g)| (w - g).abs()).fold(0.0, f32::max);
            assert!(dims.len() == 1 || worst <= scales[row] * 2.2 / 255.0 * 0.51, "{dims:?} {row} {worst}");
        }
    }
}

#[test]
fn weights_of_one_value_are_exact() {
    for value in [0.0, -0.1, 1e-45, 1e-30, 3.3e38, 1.0 / 3.0] {
        assert_eq!(stored(&[value; 100], Scheme::Byte), [value; 100]);
        let init = NetDef::new("init").op(given("w", &[4, 25], &[value; 100]));
        let rows = quantize(&init, &reader(&["w"]), &options(Scheme::Fused8)).unwrap().init;
        assert_eq!(floats(&made(&rows), "w"), [value; 100]);
    }
}

#[test]
fn few_evenly_spaced_values_are_exact() {
    for values in [
        [-0.37, 0.0, 0.37].repeat(40),
        [0.25, 0.75].repeat(50),
        (0..100).map(|i| (i % 11) as f32 * 0.125 - 0.5).collect(),
    ] {
        assert_eq!(stored(&values, Scheme::Byte), values);
    }
}

#[test]
fn codes_that_were_expanded_are_found_again() {
    // The middle 250 of the codes of a range.
    let line = caffe2_kernels::dequant::Affine::from_range(-1.37, 2.11);
    let values: Vec<f32> = (0..1000u32).map(|i| line.value(3 + (i * 7 % 250) as u8)).collect();
    let (init, net) = one(&values);
    let report = quantize(&init, &net, &all()).unwrap().report;
    assert!(report.weights[0].error.signal_to_noise > 135.0, "{report:?}");
}

#[test]
fn zeros_stay_zero_and_pruned_weights_gain() {
    let values: Vec<f32> =
        (0..2000u32)
            .map(|i| {
                if i.wrapping_mul(2_654_435_761) >> 30 == 0 {
                    (i as f32 * 0.7).sin() * 0.3 + 0.01
                } else {
                    0.0
                }
            })
            .collect();
    let after = stored(&values, Scheme::Byte);
    assert!(values.iter().zip(&after).all(|(v, a)| *v != 0.0 || *a == 0.0));
}

#[test]
fn outliers_are_cut_off_when_that_pays() {
    let mut values: Vec<f32> = (0..200_000u32).map(|i| (i as f32 * 0.7).sin()).collect();
    values[77] = 1.5;
    let (init, net) = one(&values);
    let report = quantize(&init, &net, &all()).unwrap().report;
    let weight = &report.weights[0];
    assert!(weight.max < 1.1 && weight.max > 0.99, "{weight:?}");
}

#[test]
fn what_cannot_be_stored_is_refused_by_name() {
    let quantize = |values: &[f32], scheme| {
        let (init, net) = one(values);
        quantize(&init, &net, &options(scheme)).unwrap_err()
    };
    for scheme in [Scheme::Byte, Scheme::Fused8, Scheme::Half] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = quantize(&[1.0, 2.0, value, value], scheme);
            assert!(
                matches!(&error, QuantizeError::NotFinite { blob, index: 2, .. } if blob == "w"),
                "{error:?}"
            );
            assert!(error.to_string().contains(&format!("element 2 is {value}")), "{error}");
        }
    }
    let error = quantize(&[-3e38, 3e38], Scheme::Byte);
    assert_eq!(error, QuantizeError::TooWide { blob: "w".into(), min: -3e38, max: 3e38 });
    let init = NetDef::new("init").op(given("w", &[2, 4], &[1.0, 2.0, 3.0, 4.0, -3e38, 0.0, 0.0, 3e38]));
    let error =
        caffe2_transform::quantize::quantize(&init, &reader(&["w"]), &options(Scheme::Fused8)).unwrap_err();
    assert_eq!(error, QuantizeError::TooWide { blob: "w".into(), min: -3e38, max: 3e38 });
    let error = quantize(&[1.0, 65520.0], Scheme::Half);
    assert_eq!(error, QuantizeError::BeyondHalf { blob: "w".into(), index: 1, value: 65520.0 });
}

#[test]
fn a_fill_that_cannot_run_is_refused() {
    let broken = |fill: OperatorDef| {
        let init = NetDef::new("init").op(fill.output("w"));
        quantize(&init, &reader(&["w"]), &all()).unwrap_err().to_string()
    };
    let fill = || OperatorDef::new("GivenTensorFill");
    let error = broken(fill().arg("shape", [2, 2]).arg("values", [1.0f32; 3]));
    assert_eq!(error, "the fill of `w` cannot run: 3 values, but shape [2, 2] has 4 elements");
    let error = broken(fill().arg("shape", [-2, 2]).arg("values", [1.0f32; 3]));
    assert!(error.contains("`w`") && error.contains("negative"), "{error}");
    let error = broken(fill().arg("shape", [1i64 << 40, 1 << 40]).arg("values", [1.0f32; 3]));
    assert!(error.contains("`w`"), "{error}");
}

#[test]
fn device_and_control_inputs_go_along() {
    use caffe2::proto::DeviceOption;
    let device = DeviceOption { random_seed: Some(5), ..DeviceOption::default() };
    let fill = weight("w", &[30, 40]).with_device(device.clone()).control_input("ready");
    let init = NetDef::new("init").op(fill);
    for scheme in [Scheme::Byte, Scheme::Fused8, Scheme::Half] {
        let after = quantize(&init, &reader(&["w"]), &options(scheme)).unwrap().init;
        let own = after.op.iter().filter(|op| op.r#type() != "GivenTensorFill");
        assert!(own.clone().count() >= 2);
        assert!(
            own.into_iter()
                .all(|op| op.device_option == Some(device.clone()) && op.control_input == ["ready"])
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_value_is_farther_than_half_a_step_unless_it_is_cut_off(
        values in prop::collection::vec(-1.0f32..1.0, 40..400), scale in -20i32..20, offset in -2.0f32..2.0,
    ) {
        let values: Vec<f32> = values.iter().map(|v| (v + offset) * (scale as f32).exp2()).collect();
        let (init, net) = one(&values);
        let quantized = quantize(&init, &net, &options(Scheme::Byte)).unwrap();
        let weight = &quantized.report.weights[0];
        let step = (f64::from(weight.max) - f64::from(weight.min)) / 255.0;
        let magnitude = f64::from(weight.min.abs().max(weight.max.abs()));
        let after = floats(&made(&quantized.init), "w");
        let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)).powi(2);
        let mut squares = 0.0;
        for (&value, &stands_for) in values.iter().zip(&after) {
            squares += square(value, stands_for);
            let inside = value.clamp(weight.min, weight.max);
            // Half a step, and what the two roundings of a float of this magnitude add.
            let bound = step * 0.5 + magnitude * 2.0 * f64::from(f32::EPSILON);
            prop_assert!((f64::from(inside) - f64::from(stands_for)).abs() <= bound, "{value} {stands_for} {weight:?}");
        }
        // Never worse than the range from the least to the greatest value.
        let ends = values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let line = caffe2_kernels::dequant::Affine::from_range(ends.0, ends.1);
        let nearest = |v: f32| (0..=255).map(|q| square(v, line.value(q))).fold(f64::INFINITY, f64::min);
        let plain: f64 = values.iter().map(|&v| nearest(v)).sum();
        prop_assert!(squares <= plain * (1.0 + 1e-12), "{squares} {plain}");
    }

    #[test]
    fn halves_are_the_nearest(values in prop::collection::vec(-70000.0f32..70000.0, 1..50)) {
        let (init, net) = one(&values);
        match quantize(&init, &net, &QuantizeOptions { min_elements: 1, scheme: Scheme::Half, ..all() }) {
            Ok(quantized) => {
                let want: Vec<f32> = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
                prop_assert_eq!(floats(&made(&quantized.init), "w"), want);
            }
            Err(QuantizeError::BeyondHalf { value, .. }) => prop_assert!(value.abs() >= 65520.0),
            // The tables take more than is won.
            Err(error) => prop_assert!(matches!(error, QuantizeError::Nothing { .. }), "{error}"),
        }
    }
}
