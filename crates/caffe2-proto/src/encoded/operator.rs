//! Operators whose long lists of numbers stay in the binary form.

use bytes::Bytes;
use prost::Message as _;

use super::numbers::{EncodedNumbers, ReleaseFn};
use crate::{
    OperatorDef, ProtoError, ProtoErrorKind,
    wire::{Reader, WireType},
};

/// Field number of `OperatorDef`.
const ARG: u32 = 5;

/// Bytes from which on an argument that is a list of numbers is not decoded. Fewer in tests.
pub(super) const LONG: usize = if cfg!(test) { 100 } else { 64 << 10 };

/// An operator as it comes from an [`EncodedNet`](crate::EncodedNet).
///
/// All of it is decoded but the long lists of numbers (64 KiB and more), such as the values of a parameter. Bytes, and
/// those lists, are slices of the input, so this is small whatever the operator makes.
///
/// ```
/// use caffe2_proto::{EncodedOperator, OperatorDef};
///
/// let fill = OperatorDef::new("GivenTensorFill").output("w").arg("values", vec![0.5f32, 1.0]);
/// let mut operator = EncodedOperator::from(fill);
/// assert_eq!(operator.def().output, ["w"]);
/// operator.def_mut()?.output[0] = "v".into();
/// assert_eq!(operator.into_def()?.argument("values").unwrap().floats, [0.5, 1.0]);
/// # Ok::<(), caffe2_proto::ProtoError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedOperator {
    def: OperatorDef,
    /// By position among the arguments, which are empty there.
    lists: Vec<(usize, EncodedNumbers)>,
    changed: bool,
}

impl EncodedOperator {
    /// Decodes an operator from its binary form, which begins at byte `offset` of the input.
    pub(super) fn decode(
        bytes: Bytes,
        offset: usize,
        release: Option<&ReleaseFn>,
    ) -> Result<EncodedOperator, ProtoError> {
        if bytes.len() >= LONG
            && let Some(operator) = EncodedOperator::split(&bytes, offset, release)
        {
            return Ok(operator);
        }
        let def = OperatorDef::decode(bytes).map_err(|error| {
            ProtoError::new(ProtoErrorKind::Malformed, "the bytes are no operator").found(error.to_string())
        })?;
        Ok(EncodedOperator::from(def))
    }

    /// Takes long lists out and decodes the rest. `None` where there are none, or what is not as it should be: that is
    /// the decoder's to judge.
    fn split(bytes: &Bytes, offset: usize, release: Option<&ReleaseFn>) -> Option<EncodedOperator> {
        let mut this = EncodedOperator::default();
        let mut reader = Reader::new(bytes);
        let mut plain = 0;
        while !reader.is_done() {
            let start = reader.at();
            let (number, wire) = reader.key().ok()?;
            let value = reader.skip(wire).ok()??;
            let end = reader.at();
            if number != ARG || wire != WireType::Length || value.len() < LONG {
                continue;
            }
            let value = end - value.len();
            if let Some((argument, numbers)) =
                EncodedNumbers::split(&bytes.slice(value..end), offset + value, release)
            {
                this.def.merge(bytes.slice(plain..start)).ok()?;
                plain = end;
                this.lists.push((this.def.arg.len(), numbers));
                this.def.arg.push(argument);
            }
        }
        if this.lists.is_empty() {
            return None;
        }
        this.def.merge(bytes.slice(plain..)).ok()?;
        this.names_lists_once().then_some(this)
    }

    /// Whether whoever looks for an argument by the name of a list finds this one.
    fn names_lists_once(&self) -> bool {
        let of_name = |name: &str| self.def.arg.iter().filter(|argument| argument.name() == name).count();
        self.encoded_arguments().all(|name| of_name(name) == 1)
    }

    /// The definition, in which the arguments of [`EncodedOperator::numbers`] have a name and no value.
    #[must_use]
    pub fn def(&self) -> &OperatorDef {
        &self.def
    }

    /// The numbers of the argument called `name`, where they are not in the definition.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<&EncodedNumbers> {
        let (_, numbers) = self.lists.iter().find(|(at, _)| self.def.arg[*at].name() == name)?;
        Some(numbers)
    }

    /// The names of the arguments whose numbers are not in the definition.
    pub fn encoded_arguments(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(|(at, _)| self.def.arg[*at].name())
    }

    /// The whole definition, for changing: long lists are decoded now.
    ///
    /// # Errors
    /// When the input is a mapped file that somebody has changed.
    pub fn def_mut(&mut self) -> Result<&mut OperatorDef, ProtoError> {
        self.decode_lists()?;
        self.changed = true;
        Ok(&mut self.def)
    }

    /// The whole definition: long lists are decoded now.
    ///
    /// # Errors
    /// As [`EncodedOperator::def_mut`].
    pub fn into_def(mut self) -> Result<OperatorDef, ProtoError> {
        self.decode_lists()?;
        Ok(self.def)
    }

    fn decode_lists(&mut self) -> Result<(), ProtoError> {
        for (at, numbers) in self.lists.drain(..) {
            numbers.restore(&mut self.def.arg[at])?;
        }
        Ok(())
    }

    pub(super) fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Whether somebody may have changed it since it was decoded.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn outline(&self) -> Result<OperatorDef, ProtoError> {
        if self.has_lists() && has_nets(&self.def) {
            return self.clone().into_def();
        }
        Ok(outline(&self.def))
    }
}

/// The definition without arguments; but one with nets, which read and write blobs too, is kept whole.
pub(super) fn outline(def: &OperatorDef) -> OperatorDef {
    if has_nets(def) {
        return def.clone();
    }
    OperatorDef {
        arg: Vec::new(),
        input: def.input.clone(),
        output: def.output.clone(),
        name: def.name.clone(),
        r#type: def.r#type.clone(),
        device_option: def.device_option.clone(),
        engine: def.engine.clone(),
        control_input: def.control_input.clone(),
        is_gradient_op: def.is_gradient_op,
        debug_info: def.debug_info.clone(),
        domain: def.domain.clone(),
        op_version: def.op_version,
    }
}

fn has_nets(def: &OperatorDef) -> bool {
    def.arg.iter().any(|argument| argument.n.is_some() || !argument.nets.is_empty())
}

impl From<OperatorDef> for EncodedOperator {
    fn from(def: OperatorDef) -> Self {
        Self { def, ..Self::default() }
    }
}
