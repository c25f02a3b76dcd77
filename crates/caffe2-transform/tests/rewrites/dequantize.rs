//! The way back: the same blobs, from floats.

use caffe2::{NetDef, OperatorDef};
use caffe2_transform::dequantize::{DequantizeError, dequantize};
use caffe2_transform::quantize::{QuantizeOptions, Scheme, quantize};

use super::{all, dims, floats, given, made, reader, weight};

fn bytes(blob: &str, bytes: &[u8]) -> OperatorDef {
    let fill = OperatorDef::new("GivenTensorByteStringToUInt8Fill").output(blob);
    fill.arg("shape", [bytes.len() as i64]).arg("values", [bytes])
}

fn expand(bytes: &str, blob: &str) -> OperatorDef {
    OperatorDef::new("ByteWeightDequant").input(bytes).output(blob).arg("min", 0.0f32).arg("max", 255.0f32)
}

fn types(net: &NetDef) -> Vec<&str> {
    net.op.iter().map(OperatorDef::r#type).collect()
}

#[test]
fn every_scheme_comes_back_to_the_fills_that_it_came_from() {
    let init = NetDef::new("init")
        .op(weight("conv_w", &[8, 4, 3, 3]))
        .op(given("conv_b", &[8], &[0.5; 8]))
        .op(weight("fc_w", &[10, 64]));
    let blobs = ["conv_w", "conv_b", "fc_w"];
    let declared = init.clone().external_outputs(blobs);
    let net = reader(&blobs);
    for scheme in [Scheme::Byte, Scheme::Fused8, Scheme::Half] {
        for (init, net_known) in [(&declared, false), (&declared, true), (&init, true)] {
            let stored = quantize(init, &net, &QuantizeOptions { scheme, ..all() }).unwrap().init;
            let back = dequantize(&stored, net_known.then_some(&net)).unwrap();
            assert_eq!(types(&back.init), ["GivenTensorFill"; 3]);
            assert_eq!(back.init.external_output, init.external_output);
            let (want, got) = (made(&stored), made(&back.init));
            for blob in blobs {
                assert_eq!((floats(&got, blob), dims(&got, blob)), (floats(&want, blob), dims(&want, blob)));
            }
            let weights: Vec<_> = back.weights.iter().map(|weight| weight.blob.as_str()).collect();
            assert_eq!(weights, ["conv_w", "fc_w"]);
            assert!(back.weights.iter().all(|weight| weight.bytes_before < weight.bytes_after));
        }
    }
}

#[test]
fn what_is_needed_besides_stays() {
    // Without a word on what is needed, a table of floats could be somebody's; with it, it is known to be nobody's.
    let init = NetDef::new("init").op(weight("w", &[40, 50]));
    let half =
        quantize(&init, &reader(&["w"]), &QuantizeOptions { scheme: Scheme::Half, ..all() }).unwrap().init;
    assert_eq!(types(&dequantize(&half, None).unwrap().init), ["GivenTensorFill"; 3]);
    assert_eq!(types(&dequantize(&half, Some(&reader(&["w"]))).unwrap().init), ["GivenTensorFill"]);
    assert_eq!(
        types(&dequantize(&half, Some(&reader(&["w", "half_step"]))).unwrap().init),
        ["GivenTensorFill"; 2]
    );
    // Codes that the net reads.
    let init = NetDef::new("init").op(bytes("q", &[1, 2, 3])).op(expand("q", "w"));
    let back = dequantize(&init, Some(&reader(&["w", "q"]))).unwrap().init;
    assert_eq!(types(&back), ["GivenTensorByteStringToUInt8Fill", "GivenTensorFill"]);
    assert_eq!(types(&dequantize(&init, Some(&reader(&["w"]))).unwrap().init), ["GivenTensorFill"]);
}

#[test]
fn operators_that_go_on_from_a_weight_stay() {
    let net = reader(&["w", "twice", "log"]);
    let init = NetDef::new("init")
        .op(bytes("q", &[1, 2, 4]))
        .op(expand("q", "w"))
        .op(OperatorDef::new("Scale").input("w").output("twice").arg("scale", 2.0f32))
        .op(OperatorDef::new("Log").input("twice").output("log"))
        .op(OperatorDef::new("Free").inputs(["q", "twice"]).outputs(["q", "twice"]));
    let back = dequantize(&init, Some(&net)).unwrap().init;
    assert_eq!(types(&back), ["GivenTensorFill", "Scale", "Log", "Free"]);
    assert_eq!(back.op[3].input, ["twice"]);
    assert_eq!(floats(&made(&back), "log"), floats(&made(&init), "log"));
}

#[test]
fn a_weight_that_is_changed_in_place_keeps_its_bytes() {
    let init = NetDef::new("init")
        .op(bytes("q", &[1, 2, 4]))
        .op(expand("q", "w"))
        .op(OperatorDef::new("Scale").input("w").output("w").arg("scale", 2.0f32))
        .op(expand("q", "v"));
    let back = dequantize(&init, None).unwrap().init;
    assert_eq!(
        types(&back),
        ["GivenTensorByteStringToUInt8Fill", "ByteWeightDequant", "Scale", "GivenTensorFill"]
    );
    assert_eq!(floats(&made(&back), "w"), [2.0, 4.0, 8.0]);
    assert_eq!(floats(&made(&back), "v"), [1.0, 2.0, 4.0]);
}

#[test]
fn other_ways_to_store_bytes_are_understood() {
    let string = OperatorDef::new("GivenTensorStringFill")
        .output("s")
        .arg("shape", [1])
        .arg("values", [&b"\x00\xff"[..]]);
    let table = given("book", &[3], &[0.5, -1.0, 8.0]);
    let init = NetDef::new("init")
        .op(string)
        .op(expand("s", "from_string").arg("qmin", 0).arg("shape", [2, 1]))
        .op(bytes("q", &[2, 0, 0, 1]))
        .op(OperatorDef::new("Cast").input("q").output("i").arg("to", 2))
        .op(table)
        .op(OperatorDef::new("Gather").inputs(["book", "i"]).output("w"))
        .op(OperatorDef::new("Reshape").input("w").outputs(["w", "old_shape"]).arg("shape", [2, 2]));
    let back = dequantize(&init, Some(&reader(&["from_string", "w"]))).unwrap();
    assert_eq!(types(&back.init), ["GivenTensorFill"; 2]);
    assert_eq!(floats(&made(&back.init), "from_string"), [0.0, 255.0]);
    assert_eq!(
        (floats(&made(&back.init), "w"), dims(&made(&back.init), "w")),
        (vec![8.0, 0.5, 0.5, -1.0], vec![2, 2])
    );
    assert_eq!(back.weights[1].made_by, "Reshape");
    // Somebody wants the second output too: then the operator has to run.
    let net = reader(&["w", "old_shape"]);
    let reads_shape = NetDef { op: [init.op.clone(), net.op.clone()].concat(), ..NetDef::new("init") };
    let back = dequantize(&reads_shape, None).unwrap().init;
    assert!(types(&back).contains(&"Reshape"));
    assert_eq!(
        made(&back).fetch("old_shape/copy").unwrap(),
        made(&reads_shape).fetch("old_shape/copy").unwrap()
    );
}

#[test]
fn integers_made_of_bytes_are_no_weights() {
    let init = NetDef::new("init")
        .op(bytes("q", &[2, 0]))
        .op(OperatorDef::new("Cast").input("q").output("i").arg("to", 2))
        .op(expand("q", "w"));
    let back = dequantize(&init, None).unwrap().init;
    assert_eq!(types(&back), ["GivenTensorByteStringToUInt8Fill", "Cast", "GivenTensorFill"]);
    let only = NetDef { op: init.op[..2].to_vec(), ..NetDef::new("init") };
    assert!(matches!(dequantize(&only, None), Err(DequantizeError::Nothing)));
}

#[test]
fn failures_name_the_weight() {
    let init = NetDef::new("init").op(bytes("q", &[2, 0])).op(expand("q", "w").arg("shape", [3]));
    let error = dequantize(&init, None).unwrap_err().to_string();
    assert!(error.starts_with("`w` cannot be expanded: ") && error.contains("2 codes"), "{error}");
    let floats = NetDef::new("init").op(weight("w", &[2, 2]));
    let error = dequantize(&floats, None).unwrap_err().to_string();
    assert!(error.starts_with("the init net stores no weight as bytes"), "{error}");
}
