//! The disjoint borrows of blobs that an operator runs with: one of the few places with `unsafe`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::OpError;
use crate::blob::Blob;

/// Where a blob is: in the running workspace (level 0) or in one of its ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) level: u32,
    pub(crate) index: u32,
}

/// The blobs of one operator, resolved when its net was built.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    inputs: Box<[InputSlot]>,
    /// Indices into the workspace's own blobs, each different.
    outputs: Box<[u32]>,
}

/// Positions of outputs by slot: found by a look at each where they are few, as they mostly are.
enum Positions<'a> {
    Few(&'a [Slot]),
    Many(HashMap<Slot, usize>),
}

impl<'a> Positions<'a> {
    fn new(outputs: &'a [Slot]) -> Positions<'a> {
        let distinct = "outputs must be distinct";
        if outputs.len() <= 16 {
            assert!((1..outputs.len()).all(|i| !outputs[..i].contains(&outputs[i])), "{distinct}");
            return Positions::Few(outputs);
        }
        let map: HashMap<Slot, usize> = outputs.iter().enumerate().map(|(o, slot)| (*slot, o)).collect();
        assert!(map.len() == outputs.len(), "{distinct}");
        Positions::Many(map)
    }

    fn of(&self, slot: Slot) -> Option<usize> {
        match self {
            Positions::Few(outputs) => outputs.iter().position(|o| *o == slot),
            Positions::Many(map) => map.get(&slot).copied(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct InputSlot {
    slot: Slot,
    /// The output that is the same blob, or `APART`.
    in_place: u32,
}

const APART: u32 = u32::MAX;

impl Wiring {
    /// The wiring of these blobs.
    ///
    /// # Panics
    /// When an output is not a blob of the workspace itself, or two outputs are the same: the borrows
    /// would overlap.
    pub(crate) fn new(inputs: impl Iterator<Item = Slot>, outputs: &[Slot]) -> Wiring {
        assert!(outputs.iter().all(|output| output.level == 0), "outputs must be own");
        let positions = Positions::new(outputs);
        let in_place = |slot| positions.of(slot).map_or(APART, |o| o as u32);
        Wiring {
            inputs: inputs.map(|slot| InputSlot { slot, in_place: in_place(slot) }).collect(),
            outputs: outputs.iter().map(|o| o.index).collect(),
        }
    }

    #[inline]
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    #[inline]
    pub(crate) fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The blobs of the workspace itself that the operator reads or writes.
    pub(crate) fn own_slots(&self) -> impl Iterator<Item = u32> + '_ {
        let inputs = self.inputs.iter().filter(|i| i.slot.level == 0).map(|i| i.slot.index);
        inputs.chain(self.outputs.iter().copied())
    }

    #[inline]
    pub(crate) fn is_in_place(&self, input: usize, output: usize) -> bool {
        self.inputs.get(input).is_some_and(|i| i.in_place != APART && i.in_place as usize == output)
    }
}

/// All blobs that the operators of a run can reach: exclusive access to the workspace's own, shared
/// access to those of its ancestors.
pub(crate) struct BlobAccess<'w> {
    own: *mut Blob,
    own_len: usize,
    ancestors: &'w [&'w [Blob]],
    names: Option<Names<'w>>,
    exclusive: PhantomData<&'w mut [Blob]>,
}

/// The workspace's own blobs by name.
#[derive(Clone, Copy)]
struct Names<'w> {
    known: &'w HashMap<Arc<str>, u32>,
    new: &'w NewBlobs,
}

/// Blobs that get slots once the run is done: their names were not known before.
pub(crate) type NewBlobs = Mutex<Vec<(String, Blob)>>;

impl<'w> BlobAccess<'w> {
    pub(crate) fn new(own: &'w mut [Blob], ancestors: &'w [&'w [Blob]]) -> BlobAccess<'w> {
        BlobAccess {
            own: own.as_mut_ptr(),
            own_len: own.len(),
            ancestors,
            names: None,
            exclusive: PhantomData,
        }
    }

    /// The same access, by name too.
    pub(crate) fn by_name(self, known: &'w HashMap<Arc<str>, u32>, new: &'w NewBlobs) -> BlobAccess<'w> {
        BlobAccess { names: Some(Names { known, new }), ..self }
    }

    /// The same access, for as long as `self` is not used.
    pub(crate) fn reborrow(&mut self) -> BlobAccess<'_> {
        let BlobAccess { own, own_len, ancestors, names, exclusive } = *self;
        BlobAccess { own, own_len, ancestors, names, exclusive }
    }

    /// Replaces the content of the workspace's own blob of this name, between the runs of operators. One that
    /// does not exist yet is there when the run is done.
    pub(crate) fn put(&mut self, name: &str, blob: Blob) {
        let Some(names) = self.names else { return };
        match names.known.get(name) {
            Some(&index) if (index as usize) < self.own_len => {
                // SAFETY: the index is within the blobs, which are borrowed exclusively for 'w; `self` is borrowed
                // mutably, so there are no borrows of an operator.
                unsafe { *self.own.add(index as usize) = blob };
            }
            _ => names.new.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), blob)),
        }
    }

    /// The borrows of one operator. There is one at a time, since it borrows `self` mutably.
    #[inline]
    pub(crate) fn borrow<'a>(&'a mut self, wiring: &'a Wiring) -> Borrows<'a> {
        let more = wiring.outputs.len().saturating_sub(32);
        let more = if more == 0 { Vec::new() } else { vec![Cell::new(0); more] };
        Borrows { access: self, wiring, state: Cell::new(0), more }
    }

    /// What an input holds, between the runs of operators.
    pub(crate) fn look(&mut self, wiring: &Wiring, input: usize) -> Option<&Blob> {
        // SAFETY: `self` is borrowed mutably, so there are no borrows of an operator, and none begin while
        // the blob is looked at.
        unsafe { self.blob(wiring.inputs.get(input)?.slot) }
    }

    /// The blob at `slot`, if there is one.
    ///
    /// # Safety
    /// No mutable reference to the blob may exist, or begin while the result lives.
    #[inline]
    unsafe fn blob(&self, slot: Slot) -> Option<&Blob> {
        match slot.level {
            // SAFETY: the index is within the blobs, which are borrowed exclusively for 'w; that nobody
            // else writes this one is for the caller to show.
            0 if (slot.index as usize) < self.own_len => unsafe { Some(&*self.own.add(slot.index as usize)) },
            0 => None,
            level => self.ancestors.get(level as usize - 1)?.get(slot.index as usize),
        }
    }
}

/// The blobs of one operator: inputs to read, outputs to write.
///
/// Each output is handed out at most once, and not at all once an input that is the same blob was handed
/// out; the other way round likewise. So the references live as long as the run of the operator.
pub(crate) struct Borrows<'a> {
    access: &'a BlobAccess<'a>,
    pub(crate) wiring: &'a Wiring,
    /// Two bits for each of the first 32 outputs: `READ`, `WRITTEN`.
    state: Cell<u64>,
    /// The same for further outputs, one each.
    more: Vec<Cell<u64>>,
}

/// The blob of the output was handed out for reading.
const READ: u64 = 1;
/// The blob of the output was handed out for writing.
const WRITTEN: u64 = 2;

impl<'a> Borrows<'a> {
    /// The blob of input `index`.
    #[inline]
    pub(crate) fn input(&self, index: usize) -> Result<&'a Blob, OpError> {
        let Some(input) = self.wiring.inputs.get(index) else {
            return Err(OpError::Missing { output: false, index });
        };
        if input.in_place != APART {
            let output = input.in_place as usize;
            if self.has(output, WRITTEN) {
                return Err(OpError::Taken { index: output });
            }
            self.set(output, READ);
        }
        // SAFETY: a mutable reference to this blob exists only if it is an output that was handed out for
        // writing, which was just ruled out, and is ruled out for the rest of 'a by READ.
        unsafe { self.access.blob(input.slot) }.ok_or_else(|| OpError::Missing { output: false, index })
    }

    /// The blob of input `index`, for a look that ends before an output is taken: it borrows `self`,
    /// which [`Borrows::output`] borrows mutably.
    #[inline]
    pub(crate) fn peek(&self, index: usize) -> Result<&Blob, OpError> {
        let in_place = self.wiring.inputs.get(index).map_or(APART, |i| i.in_place);
        if in_place != APART && self.has(in_place as usize, WRITTEN) {
            return Err(OpError::Taken { index: in_place as usize });
        }
        let slot = self.wiring.inputs.get(index).map(|i| i.slot);
        // SAFETY: if the blob is an output it was not handed out for writing, as was just checked, and
        // cannot be while `self` is borrowed.
        slot.and_then(|slot| unsafe { self.access.blob(slot) })
            .ok_or(OpError::Missing { output: false, index })
    }

    /// The blob of output `index`.
    #[inline]
    pub(crate) fn output(&mut self, index: usize) -> Result<&'a mut Blob, OpError> {
        let Some(&at) = self.wiring.outputs.get(index) else {
            return Err(OpError::Missing { output: true, index });
        };
        if self.has(index, READ | WRITTEN) {
            return Err(OpError::Taken { index });
        }
        if at as usize >= self.access.own_len {
            return Err(OpError::Missing { output: true, index });
        }
        self.set(index, WRITTEN);
        // SAFETY: the index is within the blobs, which are borrowed exclusively for 'a. No other output is
        // this blob (`Wiring::new`), this output was not handed out before (WRITTEN), and no input that is
        // this blob was or will be handed out (READ, WRITTEN).
        Ok(unsafe { &mut *self.access.own.add(at as usize) })
    }

    #[inline]
    fn has(&self, output: usize, bits: u64) -> bool {
        let (word, shift) = self.word(output);
        word.get() >> shift & bits != 0
    }

    #[inline]
    fn set(&self, output: usize, bit: u64) {
        let (word, shift) = self.word(output);
        word.set(word.get() | bit << shift);
    }

    #[inline]
    fn word(&self, output: usize) -> (&Cell<u64>, usize) {
        if output < 32 { (&self.state, output * 2) } else { (&self.more[output - 32], 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_tensor::Tensor;

    fn own(index: u32) -> Slot {
        Slot { level: 0, index }
    }

    fn blob(value: i32) -> Blob {
        Blob::new(Tensor::scalar(value).unwrap())
    }

    fn value(blob: &Blob) -> i32 {
        blob.tensor().unwrap().as_slice::<i32>().unwrap()[0]
    }

    #[test]
    fn inputs_are_shared_and_outputs_are_exclusive() {
        let mut blobs = vec![blob(0), blob(1), blob(2)];
        let parent = vec![blob(10)];
        let ancestors = [parent.as_slice()];
        let mut access = BlobAccess::new(&mut blobs, &ancestors);
        let wiring =
            Wiring::new([own(0), own(0), Slot { level: 1, index: 0 }].into_iter(), &[own(1), own(2)]);
        let mut borrows = access.borrow(&wiring);
        let (a, b, p) = (borrows.input(0).unwrap(), borrows.input(1).unwrap(), borrows.input(2).unwrap());
        let (x, y) = (borrows.output(0).unwrap(), borrows.output(1).unwrap());
        *x = blob(value(a) + value(p) + 5);
        *y = blob(value(b) + value(x) + 1);
        assert_eq!((value(x), value(y)), (15, 16));
        assert_eq!(borrows.output(0).unwrap_err(), OpError::Taken { index: 0 });
        assert!(borrows.input(3).is_err() && borrows.output(2).is_err());
        assert_eq!(value(access.look(&wiring, 2).unwrap()), 10);
        assert_eq!(value(access.look(&wiring, 0).unwrap()), 0);
    }

    #[test]
    fn a_blob_in_place_is_handed_out_one_way_only() {
        let mut blobs = vec![blob(7)];
        let mut access = BlobAccess::new(&mut blobs, &[]);
        let wiring = Wiring::new([own(0)].into_iter(), &[own(0)]);
        assert!(wiring.is_in_place(0, 0) && !wiring.is_in_place(1, 0));
        let mut reading = access.borrow(&wiring);
        assert_eq!(value(reading.input(0).unwrap()), 7);
        assert!(reading.output(0).is_err() && reading.peek(0).is_ok());
        let mut writing = access.borrow(&wiring);
        *writing.output(0).unwrap() = blob(8);
        assert!(writing.input(0).is_err() && writing.peek(0).is_err());
        assert_eq!(value(access.borrow(&wiring).input(0).unwrap()), 8);
    }

    #[test]
    fn many_outputs_are_told_apart() {
        let mut blobs: Vec<_> = (0..100).map(blob).collect();
        let mut access = BlobAccess::new(&mut blobs, &[]);
        let outputs: Vec<_> = (0..100).map(own).collect();
        let wiring = Wiring::new([own(70)].into_iter(), &outputs);
        let mut borrows = access.borrow(&wiring);
        borrows.input(0).unwrap();
        for o in 0..100 {
            assert_eq!(borrows.output(o).is_ok(), o != 70, "{o}");
            assert!(borrows.output(o).is_err());
        }
    }

    #[test]
    #[should_panic(expected = "distinct")]
    fn outputs_must_be_distinct() {
        Wiring::new(std::iter::empty(), &[own(1), own(1)]);
    }

    #[test]
    fn slots_beyond_the_blobs_are_errors() {
        let mut blobs = vec![blob(0)];
        let mut access = BlobAccess::new(&mut blobs, &[]);
        let wiring = Wiring::new([own(1), Slot { level: 1, index: 0 }].into_iter(), &[own(2)]);
        assert!(access.look(&wiring, 0).is_none() && access.look(&wiring, 1).is_none());
        let mut borrows = access.borrow(&wiring);
        assert!(borrows.input(0).is_err() && borrows.input(1).is_err() && borrows.output(0).is_err());
    }
}
