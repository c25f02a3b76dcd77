//! The examples do what they say. `face_detector` has a test of its own.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[path = "../examples/adc_volts.rs"]
mod adc_volts;
#[path = "../examples/custom_operator.rs"]
mod custom_operator;
#[path = "../examples/embedding_lookup.rs"]
mod embedding_lookup;
#[path = "../examples/image_classification.rs"]
mod image_classification;
#[path = "../examples/many_nets.rs"]
mod many_nets;

#[test]
fn codes_between_bounds_are_volts() {
    let volts = adc_volts::volts(&[16, 126, 236, 246]).unwrap();
    for (volts, want) in volts.iter().zip([0.0, 1.1, 2.2, 2.3]) {
        assert!((volts - want).abs() < 1e-6, "{volts}");
    }
}

#[test]
fn an_operator_of_ones_own_counts() {
    assert_eq!(custom_operator::count().unwrap(), 3);
}

#[test]
fn a_table_of_bytes_is_small_and_near() {
    let found = embedding_lookup::look_up().unwrap();
    assert!(found.fused_bytes * 3 < found.float_bytes);
    // Half a step of the codes for each of three rows: the values reach from -1 to 1.
    assert!(found.largest_difference < 3.0 * 2.0 / 255.0 / 2.0 + 1e-4, "{}", found.largest_difference);
}

#[test]
fn digits_are_named_as_caffe2_names_them() {
    assert_eq!(image_classification::classify().unwrap(), (354, 360));
}

#[test]
fn threads_share_models() {
    let (agree, of) = many_nets::run().unwrap();
    assert!(of == 360 && agree > 355, "{agree} of {of}");
}
