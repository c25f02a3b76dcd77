//! Nets whose weights stay bytes give what the expanded weights give.
#![allow(clippy::unwrap_used)]

use caffe2::transform::keep_codes::keep_codes;
use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{ByteWeight, Tensor, Workspace};
use caffe2_tests::compare::same_bits;
use caffe2_tests::models::{tensor, workspace_with};
use proptest::prelude::*;

/// What two results may differ by, as a share of the norm of the second.
const TOLERANCE: f64 = 1e-5;

fn agree(got: &Tensor, wanted: &Tensor) -> Result<(), String> {
    if got.dims() != wanted.dims() {
        return Err(format!("{got:?} and {wanted:?}"));
    }
    let (got, wanted) = (got.as_slice::<f32>().unwrap(), wanted.as_slice::<f32>().unwrap());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut got.iter().zip(wanted).map(|(g, w)| f64::from(*g) - f64::from(*w)));
    let size = norm(&mut wanted.iter().map(|w| f64::from(*w)));
    if difference <= TOLERANCE * size { Ok(()) } else { Err(format!("{difference:e} of {size:e}")) }
}

#[test]
fn the_face_detector_has_the_same_bits() {
    const MODEL: &str = "tiny_face_detector";
    let run = |threads, keep: bool| {
        let (mut workspace, net) = workspace_with(MODEL, "init_net.pb", threads, |init, predict| {
            if keep {
                assert!(keep_codes(init, predict) > 0);
            }
        });
        let kept = workspace.memory().used();
        workspace.feed("data", tensor(MODEL, "input.npz", "data"));
        workspace.run_net(&net).unwrap();
        (workspace.fetch("grid").unwrap(), kept)
    };
    let (wanted, floats) = run(1, false);
    for threads in [1, 2] {
        let (grid, kept) = run(threads, true);
        same_bits(&grid, &wanted).unwrap();
        assert!(kept * 4 < floats, "{kept} {floats}");
    }
}

#[test]
fn squeezenet_has_the_same_bits() {
    let model = caffe2_zoo::model("squeezenet").unwrap();
    let run = |threads, keep: bool| {
        let (mut init, mut predict) = (model.init_net().clone(), model.predict_net().clone());
        let weights = init.op.iter().filter(|op| op.r#type() == "ByteWeightDequant").count();
        if keep {
            assert_eq!(keep_codes(&mut init, &mut predict), weights);
        }
        let mut workspace = Workspace::new();
        workspace.set_threads(threads);
        workspace.run_net_once(&init).unwrap();
        workspace.feed(model.input(), Tensor::from_slice(model.input_dims(), &model.picture(1)).unwrap());
        workspace.run_net_once(&predict).unwrap();
        let expanded = predict.external_input.iter().filter(|name| {
            let weight = workspace.tensor(name).unwrap();
            weight.coded::<ByteWeight>().is_some() && weight.is_expanded()
        });
        assert_eq!(expanded.count(), 0);
        workspace.fetch("softmax").unwrap()
    };
    let wanted = run(1, false);
    same_bits(&run(1, true), &wanted).unwrap();
    same_bits(&run(2, true), &wanted).unwrap();
}

#[test]
fn the_digits_net_agrees() {
    let run = |threads, keep: bool| {
        let (mut workspace, net) = workspace_with("digits", "init_net_byte.pb", threads, |init, predict| {
            if keep {
                assert!(keep_codes(init, predict) > 0);
            }
        });
        let images = tensor("digits", "test_images.npz", "data");
        // One image, and all: few rows and many.
        let one = images.numel() / images.dims()[0];
        let mut dims = images.dims().to_vec();
        dims[0] = 1;
        let first = Tensor::from_slice(&dims[..], &images.as_slice::<f32>().unwrap()[..one]).unwrap();
        [first, images].map(|images| {
            workspace.feed("data", images);
            workspace.run_net(&net).unwrap();
            workspace.fetch("softmax").unwrap()
        })
    };
    let (wanted, one, two) = (run(1, false), run(1, true), run(2, true));
    for ((wanted, one), two) in wanted.iter().zip(&one).zip(&two) {
        agree(one, wanted).unwrap();
        same_bits(two, one).unwrap();
    }
}

/// `x` times weights of `codes`, by an operator of this type; the codes kept or not.
fn product(
    kind: &OperatorDef,
    x: &Tensor,
    codes: &Tensor,
    dims: &[i64],
    keep: bool,
) -> Result<Workspace, String> {
    let dequant = OperatorDef::new("ByteWeightDequant").input("q").output("w").arg("shape", dims);
    let mut init = NetDef::new("init").external_input("q").op(dequant.arg("min", -0.6f32).arg("max", 0.9f32));
    let mut net = NetDef::new("net").op(kind.clone().output("y"));
    if keep {
        assert_eq!(keep_codes(&mut init, &mut net), 1);
    }
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    workspace.feed("q", codes.clone());
    workspace.feed("x", x.clone());
    workspace.run_net_once(&init).map_err(|e| e.to_string())?;
    workspace.run_net_once(&net).map_err(|e| e.to_string())?;
    Ok(workspace)
}

fn codes(count: usize) -> Tensor {
    let values: Vec<u8> = (0..count).map(|i| ((i * 7919 % 65_537) >> 5) as u8).collect();
    Tensor::from_slice([count], &values).unwrap()
}

fn floats(dims: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..dims.iter().product()).map(|i: usize| (i as f32 * 0.7).sin() + 0.3).collect();
    Tensor::from_slice(dims, &values).unwrap()
}

#[test]
fn a_float_reader_beside_a_product_has_floats_made_once() {
    let fc = OperatorDef::new("MatMul").inputs(["x", "w"]);
    let kept = product(&fc, &floats(&[2, 30]), &codes(300), &[30, 10], true).unwrap();
    let plain = product(&fc, &floats(&[2, 30]), &codes(300), &[30, 10], false).unwrap();
    assert!(!kept.tensor("w").unwrap().is_expanded());
    let mut kept = kept;
    // An operator that knows nothing of codes, a copy that is written, and the weight itself afterwards.
    let relu = OperatorDef::new("Relu").input("w").output("r");
    kept.run_operator_once(&relu).unwrap();
    assert!(kept.tensor("w").unwrap().is_expanded());
    let at = kept.tensor("w").unwrap().as_slice::<f32>().unwrap().as_ptr();
    kept.run_operator_once(&OperatorDef::new("Copy").input("w").output("c")).unwrap();
    kept.run_operator_once(&OperatorDef::new("Relu").input("c").output("c")).unwrap();
    assert_eq!(kept.tensor("w").unwrap().as_slice::<f32>().unwrap().as_ptr(), at);
    same_bits(kept.tensor("w").unwrap(), plain.tensor("w").unwrap()).unwrap();
    same_bits(kept.tensor("c").unwrap(), kept.tensor("r").unwrap()).unwrap();
    agree(kept.tensor("y").unwrap(), plain.tensor("y").unwrap()).unwrap();
}

#[test]
fn what_floats_do_not_fit_names_the_operator_that_wanted_them() {
    let mut workspace = Workspace::new();
    workspace.set_memory_limit(1000);
    workspace.feed("q", codes(300));
    let keep = OperatorDef::new("ByteWeightDequant").input("q").output("w").arg("keep_codes", 1);
    workspace.run_operator_once(&keep).unwrap();
    let relu = OperatorDef::new("Relu").input("w").output("r").named("reader");
    let error = workspace.run_operator_once(&relu).unwrap_err().to_string();
    assert!(error.contains("Relu") && error.contains("reader") && error.contains("`w`"), "{error}");
    assert!(error.contains("1200 bytes") && error.contains("limit"), "{error}");
    // The workspace goes on, and so do products.
    workspace.feed("x", floats(&[1, 300]));
    workspace
        .run_operator_once(
            &OperatorDef::new("Reshape").input("w").outputs(["v", "old"]).arg("shape", [300i64, 1]),
        )
        .unwrap();
    workspace.run_operator_once(&OperatorDef::new("MatMul").inputs(["x", "v"]).output("y")).unwrap();
    assert!(!workspace.tensor("w").unwrap().is_expanded());
}

#[test]
fn shapes_that_do_not_fit_are_told_as_before() {
    let x = floats(&[2, 7]);
    let op = OperatorDef::new("MatMul").inputs(["x", "w"]);
    let told = |keep| product(&op, &x, &codes(300), &[30, 10], keep).map(drop).unwrap_err();
    assert_eq!(told(true), told(false));
}

#[test]
fn rows_with_a_scale_each_are_multiplied_from_their_bytes() {
    for (quantize, restore) in [
        ("FloatToFused8BitRowwiseQuantized", "Fused8BitRowwiseQuantizedToFloat"),
        ("FloatToFused8BitRowwiseQuantizedHalfScaleBias", "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat"),
    ] {
        for (op, dims) in [("FC", [40, 130]), ("FCTransposed", [130, 40])] {
            for m in [1, 3, 20] {
                let run = |keep: bool| {
                    let mut workspace = Workspace::new();
                    workspace.feed("f", floats(&dims));
                    workspace.feed("x", floats(&[m, 130]));
                    workspace.feed("b", floats(&[40]));
                    let quantize = OperatorDef::new(quantize).input("f").output("q");
                    let restore = OperatorDef::new(restore).input("q").output("w");
                    let mut init = NetDef::new("init").external_input("f").ops([quantize, restore]);
                    let mut net =
                        NetDef::new("net").op(OperatorDef::new(op).inputs(["x", "w", "b"]).output("y"));
                    assert!(!keep || keep_codes(&mut init, &mut net) == 1);
                    workspace.run_net_once(&init).unwrap();
                    workspace.run_net_once(&net).unwrap();
                    assert_eq!(workspace.tensor("w").unwrap().is_expanded(), !keep);
                    (workspace.fetch("y").unwrap(), workspace.fetch("w").unwrap())
                };
                let ((y, w), (wanted_y, wanted_w)) = (run(true), run(false));
                agree(&y, &wanted_y).unwrap();
                same_bits(&w, &wanted_w).unwrap();
            }
        }
    }
}

#[test]
fn filters_stored_as_rows_are_multiplied_from_their_bytes() {
    let run = |keep: bool| {
        let mut workspace = Workspace::new();
        workspace.feed("f", floats(&[12, 5 * 9]));
        workspace.feed("x", floats(&[2, 5, 7, 6]));
        let quantize = OperatorDef::new("FloatToFused8BitRowwiseQuantized").input("f").output("q");
        let restore = OperatorDef::new("Fused8BitRowwiseQuantizedToFloat").input("q").output("w");
        let shape =
            OperatorDef::new("Reshape").input("w").outputs(["w", "old"]).arg("shape", [12i64, 5, 3, 3]);
        let mut init = NetDef::new("init").external_input("f").ops([quantize, restore, shape]);
        let conv = OperatorDef::new("Conv").inputs(["x", "w"]).output("y").arg("kernel", 3);
        let mut net = NetDef::new("net").op(conv);
        assert!(!keep || keep_codes(&mut init, &mut net) == 1);
        workspace.run_net_once(&init).unwrap();
        workspace.run_net_once(&net).unwrap();
        assert_eq!(workspace.tensor("w").unwrap().is_expanded(), !keep);
        workspace.fetch("y").unwrap()
    };
    same_bits(&run(true), &run(false)).unwrap();
}

/// Winograd's algorithm needs the filter in a form of its own, made of the floats.
#[test]
fn filters_that_stay_bytes_go_by_winograd_all_the_same() {
    let run = |keep: bool, algo: &str| {
        let mut workspace = Workspace::new();
        workspace.feed("q", codes(16 * 16 * 9));
        workspace.feed("x", floats(&[1, 16, 16, 15]));
        let dequant = OperatorDef::new("ByteWeightDequant").input("q").output("w");
        let dequant = dequant.arg("shape", [16i64, 16, 3, 3]).arg("min", -0.1f32).arg("max", 0.1f32);
        let conv = OperatorDef::new("Conv").inputs(["x", "w"]).output("y").arg("kernel", 3).arg("algo", algo);
        workspace.run_operator_once(&dequant.arg("keep_codes", keep)).unwrap();
        workspace.run_operator_once(&conv).unwrap();
        workspace.fetch("y").unwrap()
    };
    let winograd = run(true, "WINOGRAD");
    same_bits(&winograd, &run(false, "WINOGRAD")).unwrap();
    let direct = run(true, "DIRECT");
    assert!(same_bits(&winograd, &direct).is_err());
    let both = winograd.as_slice::<f32>().unwrap().iter().zip(direct.as_slice::<f32>().unwrap());
    both.for_each(|(a, b)| assert!((a - b).abs() < 1e-3, "{a} {b}"));
}

/// Rows that are no rows of the matrix are read as floats.
#[test]
fn rows_of_another_length_are_expanded() {
    let mut workspace = Workspace::new();
    workspace.feed("f", floats(&[4, 6, 10]));
    workspace.feed("x", floats(&[1, 60]));
    workspace.feed("b", floats(&[4]));
    for op in [
        OperatorDef::new("FloatToFused8BitRowwiseQuantized").input("f").output("q"),
        OperatorDef::new("Fused8BitRowwiseQuantizedToFloat").input("q").output("w").arg("keep_codes", 1),
        OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"),
    ] {
        workspace.run_operator_once(&op).unwrap();
    }
    assert!(workspace.tensor("w").unwrap().is_expanded());
    assert_eq!(workspace.fetch("y").unwrap().dims(), [1, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn operators_agree_with_expanded_weights(
        kind in 0usize..6,
        (m, n, k) in (0usize..12, 1usize..40, 1usize..80),
    ) {
        let (dims, op) = match kind {
            0 => ([n, k], OperatorDef::new("FC").inputs(["x", "w", "b"])),
            1 => ([k, n], OperatorDef::new("FCTransposed").inputs(["x", "w", "b"])),
            2 => ([k, n], OperatorDef::new("MatMul").inputs(["x", "w"])),
            3 => ([n, k], OperatorDef::new("MatMul").inputs(["x", "w"]).arg("trans_b", 1)),
            // Operands in another place, or transposed, of which only the first is not for bytes.
            4 => ([n, k], OperatorDef::new("MatMul").inputs(["x", "w"]).arg("trans_a", 1).arg("trans_b", 1)),
            _ => ([n, k], OperatorDef::new("FC").inputs(["x", "w", "b"]).arg("axis", 2)),
        };
        let x = match kind {
            4 => floats(&[k, m]),
            5 => floats(&[m, 2, k]),
            _ => floats(&[m, k]),
        };
        let run = |keep| {
            let mut op = op.clone();
            if op.input.len() == 3 {
                op.input[2] = "bias".into();
            }
            let dims = dims.map(|d| d as i64);
            let dequant = OperatorDef::new("ByteWeightDequant").input("q").output("w").arg("shape", dims.to_vec());
            let mut workspace = Workspace::new();
            workspace.set_threads(1);
            workspace.feed("q", codes(n * k));
            workspace.feed("x", x.clone());
            workspace.feed("bias", floats(&[n]));
            workspace.run_operator_once(&dequant.arg("keep_codes", keep)).unwrap();
            workspace.run_operator_once(&op.output("y")).unwrap();
            (workspace.fetch("y").unwrap(), workspace.tensor("w").unwrap().is_expanded())
        };
        let ((got, expanded), (wanted, _)) = (run(true), run(false));
        prop_assert!(!expanded);
        prop_assert_eq!(agree(&got, &wanted), Ok(()));
    }
}
