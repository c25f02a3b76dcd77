use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{DataType, Shape, Tensor};

/// Counts up, and counts how often it was asked to.
struct Ramp {
    calls: Arc<AtomicUsize>,
}

impl CodedElements for Ramp {
    fn expand(&self, out: &mut [f32]) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(out.iter().all(|x| *x == 0.0));
        out.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
    }
}

fn ramp(shape: &[usize], budget: Option<&Arc<MemoryBudget>>) -> (Tensor, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut tensor = Tensor::new().within(budget.cloned());
    tensor.set_coded(shape, Ramp { calls: Arc::clone(&calls) }).unwrap();
    (tensor, calls)
}

fn plain(shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
    Tensor::from_slice(shape, &values).unwrap()
}

#[test]
fn elements_are_made_once_for_all_that_share_them() {
    let (tensor, calls) = ramp(&[2, 3], None);
    assert_eq!(
        (tensor.dims(), tensor.data_type(), tensor.byte_len()),
        (&[2, 3][..], Some(DataType::Float), 24)
    );
    let reshaped = {
        let mut reshaped = tensor.clone();
        reshaped.reshape([6]).unwrap();
        reshaped
    };
    assert!(!reshaped.is_expanded() && reshaped.coded::<Ramp>().is_some());
    assert_eq!(reshaped, plain(&[6]));
    assert_eq!(tensor, plain(&[2, 3]));
    assert_eq!(tensor.as_bytes(), plain(&[2, 3]).as_bytes());
    assert_eq!(tensor.to_proto("t").unwrap(), plain(&[2, 3]).to_proto("t").unwrap());
    assert!(matches!(tensor.as_slice::<i32>(), Err(TensorError::Type { .. })));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn many_threads_make_the_elements_once() {
    for _ in 0..50 {
        let (tensor, calls) = ramp(&[1000], None);
        let wanted = plain(&[1000]);
        let at = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (tensor == wanted, tensor.as_slice::<f32>().unwrap().as_ptr().addr()))
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(at.iter().all(|found| *found == (true, at[0].1)));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn elements_are_charged_when_they_are_made() {
    let budget = MemoryBudget::new(100);
    let (tensor, calls) = ramp(&[20], Some(&budget));
    let fetched = tensor.clone().within(None);
    let held = budget.charge(30).unwrap();
    assert_eq!(
        fetched.as_slice::<f32>(),
        Err(TensorError::OverBudget { bytes: 80, used: 30, limit: 100 }),
        "the budget is that of the tensor that was made of codes"
    );
    assert!(fetched != plain(&[20]) && fetched == tensor && !tensor.is_expanded());
    drop(held);
    assert!(fetched == plain(&[20]));
    assert_eq!((budget.used(), calls.load(Ordering::Relaxed)), (80, 1));
    drop((tensor, fetched));
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_write_makes_a_plain_tensor() {
    // Alone and never read: expanded straight into its own buffer.
    let (mut tensor, calls) = ramp(&[4], None);
    tensor.as_mut_slice::<f32>().unwrap()[0] = 9.0;
    assert_eq!(
        (tensor.as_slice::<f32>().unwrap(), tensor.coded::<Ramp>().is_none()),
        (&[9.0, 1.0, 2.0, 3.0][..], true)
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    // Alone and read: the floats that are there already.
    let (mut tensor, calls) = ramp(&[4], None);
    let at = tensor.as_slice::<f32>().unwrap().as_ptr().addr();
    assert_eq!(tensor.as_mut_slice::<f32>().unwrap().as_ptr().addr(), at);
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    // Shared: the other stays as it is.
    let (mut tensor, _) = ramp(&[4], None);
    let other = tensor.clone();
    tensor.as_mut_slice::<f32>().unwrap().fill(5.0);
    assert!(!other.is_expanded() && other == plain(&[4]));
    let mut third = other.clone();
    third.as_mut_slice::<f32>().unwrap().fill(5.0);
    assert!(third == tensor && other.coded::<Ramp>().is_some() && other == plain(&[4]));

    // Overwritten: never made.
    let (mut tensor, calls) = ramp(&[4], None);
    tensor.overwrite::<f32, _>([4]).unwrap().fill(1.0);
    assert_eq!((tensor.as_slice::<f32>().unwrap(), calls.load(Ordering::Relaxed)), (&[1.0; 4][..], 0));
}

#[test]
fn copies_that_may_share_stay_coded() {
    let (tensor, calls) = ramp(&[2, 3], None);
    let mut copy = Tensor::new();
    copy.assign_reshaped(&tensor, &Shape::new(&[3, 2]).unwrap()).unwrap();
    assert!(copy.shares_storage_with(&tensor) && copy.coded::<Ramp>().is_some());
    copy.copy_from(&tensor).unwrap();
    assert!(copy == tensor && copy.coded::<Ramp>().is_none());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn shapes_that_hold_nothing_or_cannot_be() {
    let (empty, calls) = ramp(&[0, 3], None);
    assert_eq!((empty.as_slice::<f32>(), empty.as_bytes()), (Ok(&[][..]), Ok(&[][..])));
    assert_eq!(empty, Tensor::zeros::<f32>([0, 3]).unwrap());
    let (mut tensor, _) = ramp(&[3], None);
    assert!(tensor.set_coded([usize::MAX, 2], Ramp { calls }).is_err());
    assert_eq!(tensor, plain(&[3]));
    // Another number of elements leaves nothing written, codes neither.
    tensor.resize([4]).unwrap();
    assert!(tensor.coded::<Ramp>().is_none() && tensor.as_slice::<f32>().is_err());
}
