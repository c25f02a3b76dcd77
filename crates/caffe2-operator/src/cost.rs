//! What one run of an operator costs.

use crate::Args;
use crate::infer::TensorInfo;

/// Work and traffic of one run of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds (two floating-point operations each); other element-wise work counts as none.
    pub macs: u64,
    /// Bytes of all inputs, parameters among them.
    pub bytes_read: u64,
    /// Bytes of all outputs.
    pub bytes_written: u64,
}

impl Cost {
    /// All inputs read once, all outputs written once, no multiply-adds. Unknown shapes count as nothing.
    pub fn copying(context: &CostContext<'_>) -> Cost {
        let sum = |infos: &[TensorInfo]| infos.iter().fold(0u64, |n, info| n.saturating_add(info.byte_len()));
        Cost { macs: 0, bytes_read: sum(context.inputs), bytes_written: sum(context.outputs) }
    }

    /// The traffic of [`Cost::copying`] with this many multiply-adds.
    pub fn with_macs(context: &CostContext<'_>, macs: u64) -> Cost {
        Cost { macs, ..Cost::copying(context) }
    }
}

/// What a cost function gets: the arguments, and what is known of inputs and outputs.
#[derive(Debug, Clone, Copy)]
pub struct CostContext<'a> {
    /// The arguments of the definition.
    pub args: &'a Args<'a>,
    /// Shapes and types of the inputs.
    pub inputs: &'a [TensorInfo],
    /// Shapes and types of the outputs.
    pub outputs: &'a [TensorInfo],
}

impl CostContext<'_> {
    /// The number of elements of output `index`; 0 when unknown.
    pub fn output_numel(&self, index: usize) -> u64 {
        numel(self.outputs, index)
    }

    /// The number of elements of input `index`; 0 when unknown.
    pub fn input_numel(&self, index: usize) -> u64 {
        numel(self.inputs, index)
    }
}

fn numel(infos: &[TensorInfo], index: usize) -> u64 {
    infos.get(index).and_then(|info| info.shape.as_ref()).map_or(0, |shape| shape.numel() as u64)
}
