//! What an operator gets when it runs.

use std::any::Any;
use std::sync::Arc;

use caffe2_kernels::Threads;
use caffe2_kernels::elementwise::InOut;
use caffe2_tensor::{DataType, Element, Int8Tensor, IntoShape, MemoryBudget, Shape, Tensor};

use crate::OpError;
use crate::access::{Borrows, NewBlobs};
use crate::blob::Blob;
use crate::folder::Folder;
use crate::net::Crew;
use crate::stop::StopRules;

/// The inputs and outputs of one run of an operator.
///
/// Inputs are borrowed shared and outputs exclusively, for as long as the run takes, so that an operator
/// holds several of them at once. Each output can be taken once. Where an output is the same blob as an
/// input, which the schema must allow, either the input is read *or* the output taken; [`OpIo::in_place`]
/// and [`OpIo::unary`] serve operators that can do both.
pub struct OpIo<'a> {
    borrows: Borrows<'a>,
    run: &'a RunResources,
}

/// What all operators of a workspace share.
#[derive(Debug, Clone)]
pub(crate) struct RunResources {
    /// The threads that kernels may use, and those that help to run parallel nets.
    pub(crate) threads: Threads,
    pub(crate) crew: Crew,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) stop: StopRules,
    /// Where operators may use files.
    pub(crate) folder: Option<Arc<Folder>>,
    /// Blobs that operators put under names that were not known.
    pub(crate) new_blobs: NewBlobs,
}

impl RunResources {
    /// The same without any thread but the one that runs.
    pub(crate) fn alone(&self) -> RunResources {
        RunResources { threads: Threads::single(), crew: Crew::default(), ..self.clone() }
    }
}

impl<'a> OpIo<'a> {
    #[inline]
    pub(crate) fn new(borrows: Borrows<'a>, run: &'a RunResources) -> OpIo<'a> {
        OpIo { borrows, run }
    }

    /// The number of inputs.
    #[inline]
    pub fn input_count(&self) -> usize {
        self.borrows.wiring.input_count()
    }

    /// The number of outputs.
    #[inline]
    pub fn output_count(&self) -> usize {
        self.borrows.wiring.output_count()
    }

    /// The threads that kernels may use.
    #[inline]
    pub fn threads(&self) -> &'a Threads {
        &self.run.threads
    }

    /// The budget that the memory of blobs is charged to. Outputs that are taken here are charged already.
    pub fn memory(&self) -> &'a Arc<MemoryBudget> {
        &self.run.budget
    }

    /// The folder that operators may use files in.
    ///
    /// # Errors
    /// When there is none, as long as nobody allows one.
    pub fn folder(&self) -> Result<&'a Folder, OpError> {
        self.run.folder.as_deref().ok_or_else(|| {
            OpError::Other(
                "files are not allowed; allow a folder (`--allow-io DIR`, `Workspace::allow_files`)".into(),
            )
        })
    }

    /// Charges what `tensor`, which an operator keeps between runs, allocates from now on to the memory budget of the
    /// workspace.
    pub fn charge(&self, tensor: &mut Tensor) {
        tensor.charge_to(&self.run.budget);
    }

    /// The tensor of input `index`; it may be unwritten.
    ///
    /// # Errors
    /// [`OpError::Missing`] when there is no such input, [`OpError::InputKind`] when it is no tensor,
    /// [`OpError::Taken`] when its blob was taken as an output.
    #[inline]
    pub fn input(&self, index: usize) -> Result<&'a Tensor, OpError> {
        let blob = self.borrows.input(index)?;
        blob.as_tensor().ok_or_else(|| wrong_kind(index, "a tensor", blob))
    }

    /// The elements of input `index`.
    ///
    /// # Errors
    /// As [`OpIo::input`], and [`OpError::Input`] when the elements are of another type or unwritten.
    #[inline]
    pub fn input_slice<T: Element>(&self, index: usize) -> Result<&'a [T], OpError> {
        self.input(index)?.as_slice().map_err(|source| OpError::Input { index, source })
    }

    /// The type of the elements of input `index`.
    ///
    /// # Errors
    /// As [`OpIo::input_slice`].
    pub fn input_type(&self, index: usize) -> Result<DataType, OpError> {
        self.peek(index)?.written_type().map_err(|source| OpError::Input { index, source })
    }

    /// The shape of input `index`. Unlike [`OpIo::input`] this leaves an output that is the same blob free
    /// to be taken.
    ///
    /// # Errors
    /// As [`OpIo::input`].
    #[inline]
    pub fn input_shape(&self, index: usize) -> Result<Shape, OpError> {
        self.peek(index).map(|tensor| tensor.shape().clone())
    }

    /// The bytes of input `index`: the elements of a `uint8` tensor, or the only element of a tensor of
    /// strings.
    ///
    /// # Errors
    /// As [`OpIo::input_slice`]; [`OpError::InputValue`] for strings that are not exactly one.
    pub fn input_bytes(&self, index: usize) -> Result<&'a [u8], OpError> {
        let tensor = self.input(index)?;
        if tensor.data_type() != Some(DataType::String) {
            return tensor.as_slice().map_err(|source| OpError::Input { index, source });
        }
        match tensor.as_strings().map_err(|source| OpError::Input { index, source })? {
            [bytes] => Ok(bytes),
            many => Err(OpError::input(index, format!("expected exactly one string, found {}", many.len()))),
        }
    }

    /// The blob of input `index`, whatever it holds.
    ///
    /// # Errors
    /// [`OpError::Missing`] and [`OpError::Taken`], as [`OpIo::input`].
    pub fn input_blob(&self, index: usize) -> Result<&'a Blob, OpError> {
        self.borrows.input(index)
    }

    /// The 8-bit tensor of input `index`; it may be unwritten.
    ///
    /// # Errors
    /// As [`OpIo::input`], when it is no 8-bit tensor.
    pub fn input_int8(&self, index: usize) -> Result<&'a Int8Tensor, OpError> {
        let blob = self.borrows.input(index)?;
        blob.as_int8().ok_or_else(|| wrong_kind(index, "an 8-bit tensor", blob))
    }

    /// The 8-bit tensor of output `index`: that of the last run, to be overwritten. Another kind of content is
    /// replaced by a fresh one.
    ///
    /// # Errors
    /// As [`OpIo::output`].
    pub fn output_int8(&mut self, index: usize) -> Result<&'a mut Int8Tensor, OpError> {
        let int8 = self.borrows.output(index)?.int8_or_default();
        int8.values.charge_to(&self.run.budget);
        Ok(int8)
    }

    /// Calls `read` with the value of input `index`, for blobs that are no tensors.
    ///
    /// # Errors
    /// As [`OpIo::input`].
    pub fn input_value<T: Any, R>(&self, index: usize, read: impl FnOnce(&T) -> R) -> Result<R, OpError> {
        let blob = self.borrows.input(index)?;
        blob.with(read).map_err(|_| wrong_kind(index, std::any::type_name::<T>(), blob))
    }

    /// The tensor of output `index`: that of the last run, to be overwritten. Another kind of content is
    /// replaced by a fresh tensor.
    ///
    /// # Errors
    /// [`OpError::Missing`], and [`OpError::Taken`] when the output, or an input in the same blob, was
    /// taken before.
    #[inline]
    pub fn output(&mut self, index: usize) -> Result<&'a mut Tensor, OpError> {
        let tensor = self.borrows.output(index)?.tensor_or_insert_with(Tensor::new);
        tensor.charge_to(&self.run.budget);
        Ok(tensor)
    }

    /// Gives output `index` this shape and type and returns its elements for overwriting; what they hold is
    /// unspecified.
    ///
    /// # Errors
    /// As [`OpIo::output`]; [`OpError::Output`] when memory is short.
    #[inline]
    pub fn output_slice<T: Element>(
        &mut self,
        index: usize,
        shape: impl IntoShape,
    ) -> Result<&'a mut [T], OpError> {
        self.output(index)?.overwrite(shape).map_err(|source| OpError::Output { index, source })
    }

    /// The whole blob of output `index`, for values that are no tensors.
    ///
    /// # Errors
    /// As [`OpIo::output`].
    pub fn output_blob(&mut self, index: usize) -> Result<&'a mut Blob, OpError> {
        self.borrows.output(index)
    }

    /// Whether the input and the output are the same blob.
    #[inline]
    pub fn is_in_place(&self, input: usize, output: usize) -> bool {
        self.borrows.wiring.is_in_place(input, output)
    }

    /// The tensor that is both the input and the output, to be changed; `None` when they are different
    /// blobs.
    ///
    /// # Errors
    /// As [`OpIo::output`], and [`OpError::InputKind`] when the blob holds no tensor.
    #[inline]
    pub fn in_place(&mut self, input: usize, output: usize) -> Result<Option<&'a mut Tensor>, OpError> {
        if !self.is_in_place(input, output) {
            return Ok(None);
        }
        self.peek(input)?;
        self.output(output).map(Some)
    }

    /// The elements of the tensor that is both the input and the output; `None` when they are different
    /// blobs.
    ///
    /// # Errors
    /// As [`OpIo::in_place`] and [`OpIo::input_slice`].
    #[inline]
    pub fn in_place_slice<T: Element>(
        &mut self,
        input: usize,
        output: usize,
    ) -> Result<Option<&'a mut [T]>, OpError> {
        let Some(tensor) = self.in_place(input, output)? else { return Ok(None) };
        tensor.as_mut_slice().map(Some).map_err(|source| OpError::Input { index: input, source })
    }

    /// The elements of an input and, of the same shape and type, those of an output, whether they are
    /// the same blob or not: what element-wise operators of one input need.
    ///
    /// # Errors
    /// As [`OpIo::input_slice`] and [`OpIo::output_slice`].
    #[inline]
    pub fn unary<T: Element>(&mut self, input: usize, output: usize) -> Result<InOut<'a, T>, OpError> {
        if !self.is_in_place(input, output) {
            let x = self.input(input)?;
            let elements = x.as_slice().map_err(|source| OpError::Input { index: input, source })?;
            return Ok(InOut::Apart(elements, self.output_slice(output, x.shape())?));
        }
        self.peek(input)?;
        let both = self.output(output)?.as_mut_slice();
        both.map(InOut::InPlace).map_err(|source| OpError::Input { index: input, source })
    }

    /// A look at the tensor of input `index` before outputs are taken. Unlike [`OpIo::input`] this leaves an
    /// output that is the same blob free to be taken.
    ///
    /// # Errors
    /// As [`OpIo::input`].
    pub fn peek(&self, index: usize) -> Result<&Tensor, OpError> {
        let blob = self.borrows.peek(index)?;
        blob.as_tensor().ok_or_else(|| wrong_kind(index, "a tensor", blob))
    }
}

fn wrong_kind(index: usize, wanted: &'static str, blob: &Blob) -> OpError {
    OpError::InputKind { index, wanted, found: blob.type_name() }
}
