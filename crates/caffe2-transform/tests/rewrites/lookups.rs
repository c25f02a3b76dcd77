//! Embedding tables that stay rows of codes.

use caffe2::operator::{BlobInfos, TensorInfo};
use caffe2::{DataType, NetDef, OperatorDef, Shape, Tensor, Workspace};
use caffe2_transform::dequantize::dequantize;
use caffe2_transform::quantize::{Lookup, QuantizeOptions, Quantized, Scheme, quantize};

use super::{all, weight};

fn options() -> QuantizeOptions {
    QuantizeOptions { scheme: Scheme::Fused8, fuse_lookups: true, ..all() }
}

fn init() -> NetDef {
    NetDef::new("init")
        .op(weight("table", &[50, 24]))
        .op(weight("w", &[6, 24]))
        .external_outputs(["table", "w"])
}

fn lookup(op_type: &str, inputs: &[&str], output: &str) -> OperatorDef {
    OperatorDef::new(op_type).inputs(inputs.iter().copied()).output(output)
}

/// Three lookups in a table.
fn net() -> NetDef {
    NetDef::new("net")
        .external_inputs(["ids", "lengths", "factors", "table", "w"])
        .op(lookup("SparseLengthsSum", &["table", "ids", "lengths"], "sum"))
        .op(lookup("SparseLengthsMean", &["table", "ids", "lengths"], "mean"))
        .op(lookup("SparseLengthsWeightedSum", &["table", "factors", "ids", "lengths"], "weighted"))
        .op(lookup("Copy", &["w"], "copy"))
        .external_outputs(["sum", "mean", "weighted"])
}

fn gather() -> OperatorDef {
    lookup("Gather", &["table", "ids"], "rows")
}

fn run(init: &NetDef, net: &NetDef) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.run_net_once(init).unwrap();
    workspace.feed("ids", Tensor::from_slice([5], &[3i64, 49, 0, 3, 7]).unwrap());
    workspace.feed("lengths", Tensor::from_slice([3], &[2i32, 0, 3]).unwrap());
    workspace.feed("factors", Tensor::from_slice([5], &[1.0f32, -0.5, 0.25, 2.0, 1.0]).unwrap());
    workspace.run_net_once(net).unwrap();
    workspace
}

fn types(net: &NetDef) -> Vec<&str> {
    net.op.iter().map(OperatorDef::r#type).collect()
}

#[test]
fn lookups_read_the_rows() {
    let Quantized { init: rows, net: fused, report } = quantize(&init(), &net(), &options()).unwrap();
    let fused = fused.unwrap();
    assert_eq!(
        types(&rows),
        [
            "GivenTensorByteStringToUInt8Fill",
            "GivenTensorByteStringToUInt8Fill",
            "Fused8BitRowwiseQuantizedToFloat"
        ]
    );
    assert_eq!(
        types(&fused),
        [
            "SparseLengthsSumFused8BitRowwise",
            "SparseLengthsMeanFused8BitRowwise",
            "SparseLengthsWeightedSumFused8BitRowwise",
            "Copy"
        ]
    );
    assert_eq!(rows.external_output, ["table_fused8", "w"]);
    assert_eq!(fused.external_input, ["ids", "lengths", "factors", "table_fused8", "w"]);
    assert_eq!(report.weights.iter().map(|w| w.lookup).collect::<Vec<_>>(), [Lookup::Fused, Lookup::None]);
    // The same as through floats, but for the order of roundings.
    let expanded = quantize(&init(), &net(), &QuantizeOptions { fuse_lookups: false, ..options() }).unwrap();
    assert_eq!((expanded.net, expanded.report.weights[0].lookup), (None, Lookup::Possible));
    let (want, got) = (run(&expanded.init, &net()), run(&rows, &fused));
    for output in ["sum", "mean", "weighted", "copy"] {
        let floats = |w: &Workspace| w.fetch(output).unwrap().as_slice::<f32>().unwrap().to_vec();
        let close = floats(&want).iter().zip(floats(&got)).all(|(a, b)| (a - b).abs() <= 1e-5);
        assert!(close, "{output}");
    }
    assert!(!got.has_blob("table"));
}

#[test]
fn what_needs_floats_gets_them() {
    let also = |op: OperatorDef| net().external_input("scores").op(op);
    let within = NetDef::new("then").op(lookup("Copy", &["table"], "z"));
    for net in [
        also(lookup("Copy", &["table"], "z")),
        also(lookup("Copy", &["w"], "table")),
        also(lookup("SparseLengthsSum", &["w", "table", "lengths"], "z")),
        also(OperatorDef::new("If").input("scores").output("z").arg("then_net", within)),
        also(gather()),
    ] {
        let quantized = quantize(&init(), &net, &options()).unwrap();
        assert_eq!(
            (quantized.net, quantized.report.weights[0].lookup),
            (None, Lookup::None),
            "{:?}",
            net.op[4]
        );
    }
    let init = init().op(lookup("Copy", &["table"], "second"));
    assert_eq!(quantize(&init, &net(), &options()).unwrap().net, None);
}

#[test]
fn gathers_do_when_their_indices_are_a_vector() {
    let net = |gather: OperatorDef| NetDef::new("net").op(gather);
    let with = |shape: &[usize]| {
        let ids = TensorInfo::new(DataType::Int64, Shape::new(shape).unwrap());
        QuantizeOptions { inputs: BlobInfos::from_iter([("ids", ids)]), ..options() }
    };
    let quantized = quantize(&init(), &net(gather().arg("axis", 0)), &with(&[5])).unwrap();
    let fused = quantized.net.unwrap();
    assert_eq!(
        (types(&fused), &fused.op[0].input[0]),
        (vec!["GatherFused8BitRowwise"], &"table_fused8".to_owned())
    );
    assert!(fused.op[0].arg.is_empty());
    assert_eq!(run(&quantized.init, &fused).fetch("rows").unwrap().dims(), [5, 24]);
    for (gather, options) in [
        (gather(), with(&[5, 1])),
        (gather(), options()),
        (gather().arg("axis", 1), with(&[5])),
        (gather().arg("wrap_indices", 1), with(&[5])),
    ] {
        assert_eq!(quantize(&init(), &net(gather), &options).unwrap().net, None);
    }
    // Nothing is fed, but the net tells.
    let fill = OperatorDef::new("LengthsRangeFill").input("lengths").output("ids");
    let flat = OperatorDef::new("FlattenToVec").input("ids").output("flat");
    let net = NetDef::new("net").op(fill).op(flat).op(lookup("Gather", &["table", "flat"], "rows"));
    let inputs =
        BlobInfos::from_iter([("lengths", TensorInfo::new(DataType::Int32, Shape::new(&[3]).unwrap()))]);
    let fused = quantize(&init(), &net, &QuantizeOptions { inputs, ..options() }).unwrap().net;
    // How many there are depends on values; that they are a vector does not.
    assert!(fused.is_none_or(|net| types(&net)[2] == "GatherFused8BitRowwise"));
}

#[test]
fn rows_that_the_net_reads_stay_rows_on_the_way_back() {
    let quantized = quantize(&init(), &net(), &options()).unwrap();
    let back = dequantize(&quantized.init, quantized.net.as_ref()).unwrap();
    assert_eq!(types(&back.init), ["GivenTensorByteStringToUInt8Fill", "GivenTensorFill"]);
    assert_eq!(back.weights[0].blob, "w");
}
