//! One operator of a net with its blobs.

use smallvec::SmallVec;

use crate::access::{BlobAccess, Touches, Wiring};
use crate::control::{BuiltSubNet, ControlIo, ControlOperator};
use crate::io::{OpIo, RunResources};
use crate::op_error::OpError;
use crate::operator::Operator;

/// An operator with its blobs.
pub(crate) struct Node {
    pub(crate) work: Work,
    pub(crate) wiring: Wiring,
    /// Where it stands in the net.
    pub(crate) position: u32,
}

/// What a node does.
pub(crate) enum Work {
    Operator(Box<dyn Operator>),
    Control(Box<dyn ControlOperator>, Box<[BuiltSubNet]>),
}

impl Node {
    #[inline(always)]
    pub(crate) fn run(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), OpError> {
        run.stop.check()?;
        if self.wiring.has_extra() {
            return self.run_with_extra(access, run);
        }
        self.run_work(access, run)
    }

    #[inline(always)]
    fn run_work(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), OpError> {
        match &mut self.work {
            Work::Operator(operator) => operator.run(&mut OpIo::new(access.borrow(&self.wiring), run)),
            Work::Control(operator, nets) => {
                operator.run(&mut ControlIo { nets, wiring: &self.wiring, access: access.reborrow(), run })
            }
        }
    }

    #[inline(never)]
    fn run_with_extra(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), OpError> {
        access.hand_over(&mut self.wiring);
        self.run_work(access, run)?;
        access.empty(&self.wiring);
        Ok(())
    }

    /// The blobs of the workspace that the operator and the nets within it hold, once for each use.
    pub(crate) fn own_slots(&mut self) -> SmallVec<[u32; 8]> {
        let mut slots: SmallVec<[u32; 8]> = self.wiring.own_slots().collect();
        self.each_nested(&mut |node| slots.extend(node.own_slots()));
        slots
    }

    /// Tells which blobs of the workspace itself are read and written when the operator runs, and the nets within it:
    /// all that [`Node::run`] borrows.
    pub(crate) fn tell(&mut self, touches: &mut Touches) {
        self.wiring.tell(touches);
        self.each_nested(&mut |node| node.tell(touches));
    }

    /// As [`Node::tell`], without what happens to blobs beside reading inputs and writing outputs.
    pub(crate) fn tell_operands(&mut self, touches: &mut Touches) {
        self.wiring.tell_operands(touches);
        self.each_nested(&mut |node| node.tell_operands(touches));
    }

    /// Whether nets lie within the operator.
    pub(crate) fn is_control(&self) -> bool {
        matches!(self.work, Work::Control(..))
    }

    /// Calls `visit` with each node of the nets within the operator.
    fn each_nested(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        if let Work::Control(_, nets) = &mut self.work {
            nets.iter_mut().for_each(|sub| sub.net.each_node(visit));
        }
    }
}
