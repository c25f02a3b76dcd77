use super::*;
use proptest::prelude::*;

fn one_of_each() -> Vec<Tensor> {
    vec![
        Tensor::from_slice([3], &[1.5f32, f32::NAN, -0.0]).unwrap(),
        Tensor::from_slice([1, 2], &[1e300f64, -1.0]).unwrap(),
        Tensor::from_slice([2], &[f16::from_f32(1.0), f16::NEG_INFINITY]).unwrap(),
        Tensor::from_slice([2], &[i8::MIN, -1]).unwrap(),
        Tensor::from_slice([2], &[i16::MIN, 7]).unwrap(),
        Tensor::from_slice([2], &[i32::MIN, i32::MAX]).unwrap(),
        Tensor::from_slice([2], &[i64::MIN, i64::MAX]).unwrap(),
        Tensor::from_slice([2], &[0u8, 255]).unwrap(),
        Tensor::from_slice([2], &[0u16, 65535]).unwrap(),
        Tensor::from_slice([2], &[true, false]).unwrap(),
        Tensor::from_strings([2], [&b"\x00\xff"[..], b""]).unwrap(),
        Tensor::scalar(4i32).unwrap(),
        Tensor::zeros::<f32>([0, 3]).unwrap(),
        Tensor::from_strings([0], [&b""[..]; 0]).unwrap(),
    ]
}

#[test]
fn every_type_makes_the_round_trip() {
    for t in one_of_each() {
        let proto = t.to_proto("t").unwrap();
        assert_eq!(Tensor::from_proto(&proto).unwrap(), t, "{t:?}");
    }
    assert!(Tensor::new().to_proto("t").is_err());
}

#[test]
fn fields_are_the_ones_caffe2_writes() {
    let half = Tensor::from_slice([1], &[f16::ONE]).unwrap().to_proto("h").unwrap();
    assert_eq!(half.int32_data, [15360]);
    let signed = Tensor::from_slice([1], &[-1i8]).unwrap().to_proto("s").unwrap();
    assert_eq!((signed.int32_data, signed.segment.unwrap().end), (vec![-1], 1));
}

#[test]
fn packed_bytes_are_read_and_uint8_is_shared() {
    for t in one_of_each().iter().filter(|t| t.data_type() != Some(DataType::String)) {
        let mut proto = t.to_proto("t").unwrap();
        proto.raw_data = Some(Bytes::copy_from_slice(t.as_bytes().unwrap()));
        (proto.float_data, proto.int32_data) = (Vec::new(), Vec::new());
        (proto.double_data, proto.int64_data) = (Vec::new(), Vec::new());
        assert_eq!(&Tensor::from_proto(&proto).unwrap(), t);
    }
    let bytes = Bytes::from(vec![9u8; 3]);
    let data_type = Some(tensor_proto::DataType::Byte as i32);
    let proto =
        TensorProto { dims: vec![3], data_type, byte_data: Some(bytes.clone()), ..Default::default() };
    let t = Tensor::from_proto(&proto).unwrap();
    assert_eq!(t.as_slice::<u8>().unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn a_message_must_hold_what_its_dimensions_say() {
    let refused = |change: fn(&mut TensorProto)| {
        let mut proto = Tensor::from_slice([2], &[1u8, 2]).unwrap().to_proto("t").unwrap();
        change(&mut proto);
        Tensor::from_proto(&proto).unwrap_err().to_string()
    };
    assert!(refused(|p| p.dims = vec![1 << 50]).contains("incomplete"));
    assert!(
        refused(|p| {
            p.dims = vec![1 << 50];
            p.segment = None;
        })
        .contains("2 found")
    );
    assert!(refused(|p| p.dims = vec![-2]).contains("negative"));
    assert!(refused(|p| p.dims = vec![1 << 40, 1 << 40]).contains("memory"));
    assert!(refused(|p| p.int32_data = vec![1]).contains("1 found"));
    assert!(refused(|p| p.int32_data = vec![1, 256]).contains("256"));
    assert!(refused(|p| p.data_type = Some(0)).contains("data type 0"));
    assert!(refused(|p| p.data_type = Some(11)).contains("data type 11"));
    assert!(refused(|p| p.segment = Some(tensor_proto::Segment { begin: 1, end: 3 })).contains("segment"));
    assert!(refused(|p| p.segment = Some(tensor_proto::Segment { begin: -1, end: 1 })).contains("segment"));
    assert!(
        refused(|p| {
            p.segment = Some(tensor_proto::Segment { begin: 0, end: 1 });
            p.int32_data = vec![1];
        })
        .contains("incomplete")
    );
    assert!(
        refused(|p| {
            p.data_type = Some(tensor_proto::DataType::Int16 as i32);
            p.byte_data = Some(Bytes::from_static(b"abc"));
        })
        .contains("no whole number")
    );
}

#[test]
fn undefined_and_empty_is_the_fresh_float_tensor() {
    let proto = TensorProto { dims: vec![4, 0], data_type: Some(0), ..Default::default() };
    assert_eq!(Tensor::from_proto(&proto).unwrap(), Tensor::zeros::<f32>([0]).unwrap());
}

#[test]
fn chunks_of_another_tensor_are_refused() {
    let a = Tensor::from_slice([4], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let b = Tensor::from_slice([4], &[1i32, 2, 3, 4]).unwrap();
    let mut parts = TensorAssembler::new(None);
    parts.add(&a.to_proto_chunk("a", 0..2).unwrap()).unwrap();
    assert!(parts.add(&b.to_proto_chunk("b", 2..4).unwrap()).is_err());
    assert!(parts.finish().is_err());
}

#[test]
fn the_budget_bounds_what_a_chunk_may_claim() {
    let proto = TensorProto {
        dims: vec![1 << 30],
        segment: Some(tensor_proto::Segment { begin: 0, end: 1 }),
        float_data: vec![1.0],
        ..Default::default()
    };
    let error = TensorAssembler::new(Some(MemoryBudget::new(1 << 20))).add(&proto).unwrap_err();
    assert!(matches!(error, TensorError::OverBudget { .. }));
}

proptest! {
    #[test]
    fn any_cut_into_chunks_gives_the_same_tensor(
        values in prop::collection::vec(any::<f32>(), 1..50),
        cuts in prop::collection::vec(0usize..50, 0..6),
        rotate in 0usize..6,
    ) {
        let whole = Tensor::from_slice(vec![values.len()], &values).unwrap();
        let mut at: Vec<usize> = cuts.into_iter().map(|c| c % values.len()).collect();
        at.extend([0, values.len()]);
        at.sort_unstable();
        let mut chunks: Vec<_> = at.windows(2).map(|w| whole.to_proto_chunk("w", w[0]..w[1]).unwrap()).collect();
        let rotate = rotate % chunks.len();
        chunks.rotate_left(rotate);
        let mut parts = TensorAssembler::new(None);
        for chunk in &chunks {
            parts.add(chunk).unwrap();
        }
        prop_assert_eq!(parts.finish().unwrap(), whole);
    }
}
