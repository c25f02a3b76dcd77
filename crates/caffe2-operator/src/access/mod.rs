//! The disjoint borrows of blobs that an operator runs with: one of the few places with `unsafe`.
//!
//! [`BlobAccess`] is what an executor holds: the right to all blobs of a workspace, or to those of one task.
//! [`Borrows`] are the blobs of one operator, out of that. Two things give several threads accesses at the same time, to
//! blobs that do not overlap: [`Tasks`] those of one net, where the [`Order`] of the tasks shows that they do not, and
//! [`Claims`] those of several nets, where each waits for the others that touch the same.
#![allow(unsafe_code)]

mod claims;
mod order;
mod tasks;

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::OpError;
use crate::blob::Blob;

pub(crate) use claims::{Claims, Footprint, Host};
pub(crate) use order::{Order, Precedence, Touches};
pub(crate) use tasks::{Task, Tasks, Visitor};

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
    /// What few operators have.
    extra: Option<Box<Extra>>,
}

/// What an operator does to blobs beside reading inputs and writing outputs.
#[derive(Debug, Default)]
struct Extra {
    /// Blobs that it waits for without reading them.
    after: Box<[u32]>,
    /// What happens before it runs.
    takes: Box<[Take]>,
    /// Blobs that are emptied once it has run.
    empties: Box<[u32]>,
}

/// Memory that a blob hands over to another before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Take {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// What `from` held when it last handed its memory over, in bytes.
    pub(crate) bytes: u64,
    /// Whether `from` once held something that could not be handed over.
    pub(crate) missed: bool,
}

impl Take {
    pub(crate) fn new(from: u32, to: u32) -> Take {
        Take { from, to, bytes: 0, missed: false }
    }
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
            extra: None,
        }
    }

    /// Has the operator wait for what writes these blobs of the workspace, and what writes them later wait for it.
    pub(crate) fn set_after(&mut self, after: impl IntoIterator<Item = u32>) {
        self.extra.get_or_insert_default().after = after.into_iter().collect();
    }

    /// Has blobs hand over memory before the operator runs.
    pub(crate) fn set_takes(&mut self, takes: &[Take]) {
        if !takes.is_empty() || self.extra.is_some() {
            self.extra.get_or_insert_default().takes = takes.into();
        }
    }

    /// What [`Wiring::set_takes`] has set, and what became of it.
    pub(crate) fn takes(&self) -> &[Take] {
        self.extra.as_ref().map_or(&[], |extra| &extra.takes)
    }

    /// Has blobs emptied once the operator has run.
    pub(crate) fn set_empties(&mut self, empties: &[u32]) {
        self.extra.get_or_insert_default().empties = empties.into();
    }

    /// The blobs that are emptied.
    pub(crate) fn empties(&self) -> &[u32] {
        self.extra.as_ref().map_or(&[], |extra| &extra.empties)
    }

    /// Whether there is more to do than to run the operator.
    #[inline]
    pub(crate) fn has_extra(&self) -> bool {
        self.extra.is_some()
    }

    #[inline]
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    #[inline]
    pub(crate) fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The blobs of the workspace itself that the operator reads, writes or waits for.
    pub(crate) fn own_slots(&self) -> impl Iterator<Item = u32> + '_ {
        let inputs = self.inputs.iter().filter(|i| i.slot.level == 0).map(|i| i.slot.index);
        let after = self.extra.iter().flat_map(|extra| extra.after.iter().copied());
        inputs.chain(self.outputs.iter().copied()).chain(after)
    }

    /// The blobs that are written, each with its position among the outputs.
    pub(crate) fn output_slots(&self) -> &[u32] {
        &self.outputs
    }

    /// Tells which blobs of the workspace itself the operator reads and writes, and, as read, which it waits for.
    pub(crate) fn tell_operands(&self, touches: &mut Touches) {
        self.inputs.iter().filter(|i| i.slot.level == 0).for_each(|i| touches.read(i.slot.index));
        self.outputs.iter().for_each(|&output| touches.write(output));
        self.extra.iter().flat_map(|extra| &extra.after).for_each(|&slot| touches.read(slot));
    }

    /// As [`Wiring::tell_operands`], with all else that is written when the operator runs: all that
    /// [`BlobAccess::borrow`], [`BlobAccess::look`], [`BlobAccess::hand_over`] and [`BlobAccess::empty`] reach with
    /// this wiring.
    pub(crate) fn tell(&self, touches: &mut Touches) {
        self.tell_operands(touches);
        if let Some(extra) = &self.extra {
            extra.takes.iter().for_each(|take| {
                touches.write(take.from);
                touches.write(take.to);
            });
            extra.empties.iter().for_each(|&slot| touches.write(slot));
        }
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
    /// The workspace's own blobs by name, unless others may use them meanwhile.
    names: Option<&'w HashMap<Arc<str>, u32>>,
    exclusive: PhantomData<&'w mut [Blob]>,
}

/// Blobs that get names once the run of an operator, or of a whole net whose operators run at the same time, is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewBlobs(Arc<Mutex<Vec<(String, Blob)>>>);

impl NewBlobs {
    pub(crate) fn add(&self, name: &str, blob: Blob) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), blob));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn take(&self) -> Vec<(String, Blob)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

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
    pub(crate) fn by_name(self, names: &'w HashMap<Arc<str>, u32>) -> BlobAccess<'w> {
        BlobAccess { names: Some(names), ..self }
    }

    /// The same access, for as long as `self` is not used.
    pub(crate) fn reborrow(&mut self) -> BlobAccess<'_> {
        let BlobAccess { own, own_len, ancestors, names, exclusive } = *self;
        BlobAccess { own, own_len, ancestors, names, exclusive }
    }

    /// Replaces the content of the workspace's own blob of this name, between the runs of operators; gives it back where
    /// there is none, or others may use it.
    pub(crate) fn put(&mut self, name: &str, blob: Blob) -> Option<Blob> {
        match self.names.and_then(|names| names.get(name)) {
            Some(&index) if (index as usize) < self.own_len => {
                // SAFETY: the index is within the blobs, which are borrowed exclusively for 'w, and not lent, since
                // there are names; `self` is borrowed mutably, so there are no borrows of an operator.
                unsafe { *self.own.add(index as usize) = blob };
                None
            }
            _ => Some(blob),
        }
    }

    /// The same access for whoever can show that it may be used.
    fn lend(&mut self) -> Lent {
        Lent {
            own: self.own,
            own_len: self.own_len,
            ancestors: self.ancestors.as_ptr().cast(),
            ancestors_len: self.ancestors.len(),
        }
    }

    /// The borrows of one operator. There is one at a time, since it borrows `self` mutably.
    #[inline]
    pub(crate) fn borrow<'a>(&'a mut self, wiring: &'a Wiring) -> Borrows<'a> {
        let more = wiring.outputs.len().checked_sub(33).map(|last| vec![Cell::new(0); last + 1].into());
        Borrows { access: self, wiring, state: Cell::new(0), more }
    }

    /// What an input holds, between the runs of operators.
    pub(crate) fn look(&mut self, wiring: &Wiring, input: usize) -> Option<&Blob> {
        // SAFETY: `self` is borrowed mutably, so there are no borrows of an operator, and none begin while
        // the blob is looked at.
        unsafe { self.blob(wiring.inputs.get(input)?.slot) }
    }

    /// Has blobs hand over memory, as [`Wiring::set_takes`] says.
    pub(crate) fn hand_over(&mut self, wiring: &mut Wiring) {
        for take in wiring.extra.iter_mut().flat_map(|extra| &mut extra.takes) {
            let (from, to) = (take.from as usize, take.to as usize);
            if from == to || from.max(to) >= self.own_len {
                continue;
            }
            // SAFETY: two different indices within the blobs, and `self` is borrowed mutably, so that there are no
            // borrows of an operator; these end before any begin.
            let (from, to) = unsafe { (&mut *self.own.add(from), &mut *self.own.add(to)) };
            match from.hand_over(to) {
                Ok(bytes) => take.bytes = bytes,
                Err(_) => take.missed = true,
            }
        }
    }

    /// Empties blobs, as [`Wiring::set_empties`] says.
    pub(crate) fn empty(&mut self, wiring: &Wiring) {
        for &slot in wiring.extra.iter().flat_map(|extra| &extra.empties) {
            if (slot as usize) < self.own_len {
                // SAFETY: as in `hand_over`.
                unsafe { *self.own.add(slot as usize) = Blob::default() };
            }
        }
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

/// A [`BlobAccess`] that does not know how long it lasts, nor who else uses it.
#[derive(Debug, Clone, Copy)]
struct Lent {
    own: *mut Blob,
    own_len: usize,
    ancestors: *const &'static [Blob],
    ancestors_len: usize,
}

// SAFETY: it stands for mutable and shared references to blobs, which may go to other threads, as blobs may be sent
// and shared (`blobs_go_to_other_threads`).
unsafe impl Send for Lent {}

const fn blobs_go_to_other_threads<T: Send + Sync>() {}
const _: () = blobs_go_to_other_threads::<Blob>();

impl Lent {
    /// The access that was lent.
    ///
    /// # Safety
    /// The access that [`BlobAccess::lend`] was called on, and what it borrows, must outlive 'a and not be used
    /// meanwhile; no blob may be reached through two results that are used at the same time, unless neither writes it.
    unsafe fn access<'a>(self) -> BlobAccess<'a> {
        // SAFETY: the pointer and the length are those of a slice of slices, which outlive 'a.
        let ancestors =
            unsafe { std::slice::from_raw_parts(self.ancestors.cast::<&'a [Blob]>(), self.ancestors_len) };
        BlobAccess { own: self.own, own_len: self.own_len, ancestors, names: None, exclusive: PhantomData }
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
    more: Option<Box<[Cell<u64>]>>,
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
        match &self.more {
            _ if output < 32 => (&self.state, output * 2),
            Some(more) => (&more[output - 32], 0),
            None => unreachable!("{output} is no output"),
        }
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
    fn memory_is_handed_over_and_blobs_are_emptied() {
        let mut blobs = vec![blob(1), Blob::default(), blob(3), Blob::new(4u64)];
        let memory = |blob: &Blob| blob.tensor().unwrap().as_slice::<i32>().unwrap().as_ptr();
        let before = memory(&blobs[0]);
        let held = blobs[2].tensor().unwrap().clone();
        let mut wiring = Wiring::new(std::iter::empty(), &[own(1)]);
        assert!(!wiring.has_extra());
        wiring.set_takes(&[
            Take::new(0, 1),
            Take::new(2, 1),
            Take::new(3, 1),
            Take::new(1, 1),
            Take::new(9, 1),
        ]);
        let mut access = BlobAccess::new(&mut blobs, &[]);
        access.hand_over(&mut wiring);
        let outcome: Vec<_> = wiring.takes().iter().map(|take| (take.bytes, take.missed)).collect();
        assert_eq!(outcome, [(4, false), (0, true), (0, true), (0, false), (0, false)]);
        let y: &mut [i32] = blobs[1].tensor_or_insert_with(Tensor::new).overwrite([1]).unwrap();
        assert_eq!(y.as_ptr(), before);
        assert!(blobs[0].tensor().unwrap().data_type().is_none() && value(&blobs[2]) == 3);
        drop(held);
        wiring.set_empties(&[2, 9]);
        BlobAccess::new(&mut blobs, &[]).empty(&wiring);
        assert!(blobs[2].is_empty() && !blobs[3].is_empty());
        let mut touches = Touches::default();
        wiring.tell(&mut touches);
        touches.end_node();
        let written: Vec<_> = touches.of(0).iter().filter(|t| t.writes).map(|t| t.slot).collect();
        assert!([0, 1, 2, 3, 9].iter().all(|slot| written.contains(slot)));
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
