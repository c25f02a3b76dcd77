use super::*;

#[test]
fn fresh_scalar_empty_and_unwritten_are_told_apart() {
    let fresh = Tensor::new();
    assert_eq!((fresh.dims(), fresh.data_type()), ([0].as_slice(), None));
    let scalar = Tensor::scalar(2.5f32).unwrap();
    assert_eq!((scalar.dims(), scalar.as_slice::<f32>().unwrap()), ([].as_slice(), [2.5].as_slice()));
    let empty = Tensor::zeros::<i32>([2, 0]).unwrap();
    assert_eq!((empty.data_type(), empty.as_slice::<i32>()), (Some(DataType::Int32), Ok([].as_slice())));
    let mut unwritten = Tensor::new();
    unwritten.resize([2, 2]).unwrap();
    let error = unwritten.as_slice::<f32>().unwrap_err();
    assert!(error.to_string().contains("never written"), "{error}");
    assert!(unwritten.as_bytes().is_err() && unwritten.as_strings().is_err());
}

#[test]
fn a_shrunk_tensor_keeps_its_buffer() {
    let mut t = Tensor::zeros::<f32>([100]).unwrap();
    let at = t.as_slice::<f32>().unwrap().as_ptr().addr();
    t.overwrite::<f64, _>([10]).unwrap();
    t.overwrite::<u8, _>([0]).unwrap();
    assert_eq!(t.overwrite::<f32, _>([100]).unwrap().as_ptr().addr(), at);
    assert_ne!(t.overwrite::<f32, _>([101]).unwrap().len(), 100);
}

#[test]
fn clones_share_until_one_writes() {
    let mut a = Tensor::from_slice([2], &[1i64, 2]).unwrap();
    let b = a.clone();
    assert!(a.shares_storage_with(&b));
    a.as_mut_slice::<i64>().unwrap()[0] = 9;
    assert!(!a.shares_storage_with(&b));
    assert_eq!(b.as_slice::<i64>().unwrap(), [1, 2]);
    let mut c = b.clone();
    c.overwrite::<i64, _>([2]).unwrap().fill(0);
    assert_eq!(b.as_slice::<i64>().unwrap(), [1, 2]);
}

#[test]
fn sharing_takes_the_contents_and_keeps_the_budget() {
    let budget = MemoryBudget::new(10);
    let mut to = Tensor::new();
    to.charge_to(&budget);
    let from = Tensor::from_slice([3], &[1.0f32, 2.0, 3.0]).unwrap();
    to.share(&from);
    assert!(to == from && to.shares_storage_with(&from));
    assert!(matches!(to.as_mut_slice::<f32>(), Err(TensorError::OverBudget { .. })));
}

#[test]
fn foreign_bytes_are_read_in_place_and_copied_to_write() {
    let file = Bytes::from(vec![1u8, 2, 3, 4]);
    let mut t = Tensor::from_bytes([3], file.slice(1..)).unwrap();
    assert_eq!(t.as_slice::<u8>().unwrap().as_ptr(), file[1..].as_ptr());
    t.as_mut_slice::<u8>().unwrap()[0] = 7;
    assert_eq!((t.as_slice::<u8>().unwrap(), &file[..]), ([7, 3, 4].as_slice(), [1, 2, 3, 4].as_slice()));
    assert!(Tensor::from_bytes([5], file).is_err());
}

#[test]
fn bytes_of_another_type_never_show_through_as_bools() {
    let mut t = Tensor::from_slice([4], &[0xffu8; 4]).unwrap();
    assert_eq!(t.overwrite::<bool, _>([2]).unwrap(), [false, false]);
    assert_eq!(t.overwrite::<bool, _>([4]).unwrap(), [false; 4]);
    t.overwrite::<u8, _>([4]).unwrap().fill(0xff);
    t.overwrite::<bool, _>([0]).unwrap();
    assert_eq!(t.overwrite::<bool, _>([4]).unwrap(), [false; 4]);
}

#[test]
fn strings_hold_any_bytes_and_share_too() {
    let mut t = Tensor::from_strings([2], [&b"\x00\xff"[..], b""]).unwrap();
    let u = t.clone();
    t.overwrite_strings([1]).unwrap()[0] = Bytes::from_static(b"new");
    assert_eq!(u.as_strings().unwrap()[0], &b"\x00\xff"[..]);
    assert_eq!((t.byte_len(), u.byte_len()), (3, 2));
    assert!(matches!(t.as_bytes(), Err(TensorError::StringsHaveNoBytes)));
    assert!(matches!(t.as_slice::<u8>(), Err(TensorError::Type { .. })));
    assert_eq!(t.overwrite::<f32, _>([2]).unwrap().len(), 2);
}

#[test]
fn copies_reuse_storage_and_keep_every_type() {
    let mut to = Tensor::zeros::<f64>([8]).unwrap();
    let from = Tensor::from_slice([2, 2], &[true, false, true, true]).unwrap();
    to.copy_from(&from).unwrap();
    assert_eq!(to, from);
    to.copy_reshaped(&from, &Shape::new(&[4]).unwrap()).unwrap();
    assert_eq!(to.dims(), [4]);
    assert!(to.copy_reshaped(&from, &Shape::new(&[5]).unwrap()).is_err());
    to.copy_from(&Tensor::new()).unwrap();
    assert_eq!(to.data_type(), None);
}

#[test]
fn a_budget_is_charged_and_refuses() {
    let budget = MemoryBudget::new(1000);
    let mut t = Tensor::new().within(Some(budget.clone()));
    t.overwrite::<f32, _>([200]).unwrap();
    assert_eq!(budget.used(), 800);
    let kept = t.clone();
    assert!(matches!(t.overwrite::<f32, _>([201]), Err(TensorError::OverBudget { .. })));
    assert_eq!((t.data_type(), kept.data_type()), (None, Some(DataType::Float)));
    drop(kept);
    assert_eq!(budget.used(), 0);
    assert!(t.overwrite_strings([1000]).is_err());
}

#[test]
fn equality_is_of_bits() {
    let nan = Tensor::scalar(f32::NAN).unwrap();
    assert_eq!(nan, nan.clone());
    assert_ne!(Tensor::scalar(0.0f32).unwrap(), Tensor::scalar(-0.0f32).unwrap());
    assert_ne!(Tensor::scalar(0i32).unwrap(), Tensor::scalar(0.0f32).unwrap());
    assert_ne!(Tensor::zeros::<u8>([4]).unwrap(), Tensor::zeros::<u8>([2, 2]).unwrap());
}

#[test]
fn assigning_shares_what_is_shared_anyway_and_copies_the_rest() {
    let flat = Shape::new(&[6]).unwrap();
    let mut own = Tensor::from_slice([2, 3], &[1, 2, 3, 4, 5, 6]).unwrap();
    let mut y = Tensor::new();
    y.assign_reshaped(&own, &flat).unwrap();
    assert!(!y.shares_storage_with(&own) && y.dims() == [6] && y.as_slice::<i32>().unwrap()[5] == 6);
    let third = own.clone();
    y.assign_reshaped(&own, &flat).unwrap();
    assert!(y.shares_storage_with(&third) && y.dims() == [6]);
    own.as_mut_slice::<i32>().unwrap()[0] = 9;
    assert_eq!(y.as_slice::<i32>().unwrap()[0], 1);
    let bytes = Tensor::from_bytes([2], Bytes::from_static(b"ab")).unwrap();
    y.assign_reshaped(&bytes, bytes.shape()).unwrap();
    assert!(y.shares_storage_with(&bytes));
    y.share_reshaped(&own, &flat).unwrap();
    assert!(y.shares_storage_with(&own));
    for refused in [y.share_reshaped(&bytes, &flat), y.assign_reshaped(&bytes, &flat)] {
        assert!(matches!(refused, Err(TensorError::Count { found: 2, .. })));
    }
}

#[test]
fn a_buffer_is_handed_over_when_it_is_nobody_elses() {
    let mut x = Tensor::from_slice([2, 3], &[1i16, 2, 3, 4, 5, 6]).unwrap();
    let buffer = x.as_bytes().unwrap().as_ptr();
    let mut y = Tensor::from_slice([1], &[7.0f32]).unwrap();
    let shared = x.clone();
    assert!(!x.hand_over(&mut y) && x == shared && y.numel() == 1);
    assert_eq!((x.own_buffer(), y.own_buffer(), Tensor::new().own_buffer()), (None, Some(4), Some(0)));
    drop(shared);
    assert!(x.hand_over(&mut y));
    assert_eq!((x.data_type(), y.data_type(), x.dims()), (None, None, &[2usize, 3][..]));
    // What was written as integers is no truth value until it is cleared.
    let truths: &mut [bool] = y.overwrite([12]).unwrap();
    assert_eq!((truths.as_ptr().cast(), &truths[..]), (buffer, &[false; 12][..]));
    assert!(x.hand_over(&mut y) && y.numel() == 12, "nothing to hand over");
    let mut strings = Tensor::from_strings([1], ["a"]).unwrap();
    let mut bytes = Tensor::from_bytes([1], Bytes::from_static(b"a")).unwrap();
    assert!(!strings.hand_over(&mut y) && !bytes.hand_over(&mut y) && y.data_type() == Some(DataType::Bool));
    x.overwrite::<i16, _>([2, 3]).unwrap().fill(1);
    assert!(x.as_slice::<i16>().is_ok());
}

#[test]
fn filling_takes_type_and_value_of_the_only_element() {
    let shape = Shape::new(&[2]).unwrap();
    let mut y = Tensor::new();
    y.fill(&shape, &Tensor::scalar(7u16).unwrap()).unwrap();
    assert_eq!(y, Tensor::from_slice([2], &[7u16, 7]).unwrap());
    y.fill(&shape, &Tensor::from_strings([1], ["a"]).unwrap()).unwrap();
    assert_eq!(y, Tensor::from_strings([2], ["a", "a"]).unwrap());
    assert!(matches!(y.fill(&shape, &y.clone()), Err(TensorError::Count { found: 2, .. })));
    let mut unwritten = Tensor::new();
    unwritten.resize([]).unwrap();
    assert!(matches!(y.fill(&shape, &unwritten), Err(TensorError::Unwritten { .. })));
}

#[test]
fn outsized_shapes_are_errors_and_leave_a_usable_tensor() {
    let mut t = Tensor::zeros::<f32>([4]).unwrap();
    assert!(t.overwrite::<f64, _>([1 << 62]).is_err());
    assert!(matches!(t.as_slice::<f32>(), Err(TensorError::Unwritten { .. })));
    assert!(t.overwrite::<f32, _>([1 << 40, 1 << 40]).is_err());
    assert_eq!(t.overwrite::<f32, _>([2]).unwrap().len(), 2);
}
