//! The net whose operators are decoded one at a time.

use std::{collections::HashSet, fmt, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use prost::Message as _;

use super::{EncodedOperator, numbers::ReleaseFn, operator::outline, parts};
use crate::{
    Caffe2Message as _, NetDef, OperatorDef, ProtoError, ProtoErrorKind, WireLimits,
    schema::MessageType,
    sniff::{self, Fit},
    wire::{Reader, Strictness, WireType, scan, scan_parts},
};

/// Field number of `NetDef`.
const OP: u32 = 2;

/// A net whose operators are decoded one at a time, each when it is wanted, so that the parameters which the operators
/// of an init net hold are never all decoded at once.
///
/// The whole input is vetted first, against the limits too, as [`NetDef::from_bytes`](crate::Caffe2Message::from_bytes)
/// does it; what the operators are called, read and write is known then.
///
/// ```
/// use caffe2_proto::{Caffe2Message, EncodedNet, NetDef, OperatorDef, ProtoError, WireLimits};
///
/// # fn main() -> Result<(), ProtoError> {
/// let fill = |name| OperatorDef::new("GivenTensorFill").output(name).arg("values", vec![1.0f32]);
/// let file = NetDef::new("init").op(fill("w")).op(fill("b")).to_binary();
///
/// let mut net = EncodedNet::from_bytes(file, &WireLimits::default())?;
/// assert_eq!(net.outline().op[1].output, ["b"]);
/// for position in 0..net.len() {
///     let operator = net.take(position)?;
///     assert_eq!(operator.def().r#type(), "GivenTensorFill");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct EncodedNet {
    outline: NetDef,
    entries: Vec<Entry>,
    parts: Vec<Part>,
    release: Option<ReleaseFn>,
}

/// A stretch of the input.
#[derive(Debug)]
struct Part {
    bytes: Bytes,
    /// Where it begins in the input.
    offset: usize,
    /// Operators that are still to be decoded from it.
    operators: usize,
}

#[derive(Debug)]
enum Entry {
    /// In this range of this part.
    Encoded { part: usize, range: Range<usize> },
    /// Decoded, and about so many bytes long in the input.
    Held { operator: Box<EncodedOperator>, bytes: usize },
    /// Taken; it was so many bytes long.
    Taken { bytes: usize },
}

impl EncodedNet {
    /// Vets the whole content of a file, in binary or text form. A text is decoded as a whole.
    ///
    /// # Errors
    /// As [`NetDef::from_bytes`](crate::Caffe2Message::from_bytes).
    pub fn from_bytes(bytes: impl Into<Bytes>, limits: &WireLimits) -> Result<EncodedNet, ProtoError> {
        EncodedNet::vet(bytes.into(), limits, None)
    }

    /// As [`EncodedNet::from_bytes`], for a file that is mapped into memory: `release` hears of ranges of it that nobody
    /// needs any more and that can be taken out of memory. These are long lists of numbers, when the operator that holds
    /// them goes.
    ///
    /// # Errors
    /// As [`EncodedNet::from_bytes`].
    pub fn from_mapped(
        bytes: Bytes,
        limits: &WireLimits,
        release: impl Fn(Range<usize>) + Send + Sync + 'static,
    ) -> Result<EncodedNet, ProtoError> {
        EncodedNet::vet(bytes, limits, Some(Arc::new(release)))
    }

    fn vet(bytes: Bytes, limits: &WireLimits, release: Option<ReleaseFn>) -> Result<EncodedNet, ProtoError> {
        if sniff::looks_like_text(&bytes) {
            return NetDef::from_bytes(bytes, limits).map(EncodedNet::from);
        }
        if sniff::refuse_foreign_binary(&bytes, NetDef::NAME, limits)? == Fit::Unclear {
            scan(&bytes, net_type()?, limits, Strictness::Tolerant)?;
        }
        EncodedNet::index(vec![bytes], release)
    }

    /// Reads a file, in parts: the bytes of an operator go with it. (A file that is mapped into memory is better given to
    /// [`EncodedNet::from_bytes`].)
    ///
    /// # Errors
    /// As [`NetDef::from_file`](crate::Caffe2Message::from_file).
    pub fn from_file(path: impl AsRef<Path>, limits: &WireLimits) -> Result<EncodedNet, ProtoError> {
        let path = path.as_ref();
        let parts = parts::read(path, limits.max_bytes)?;
        EncodedNet::from_parts(parts, limits).map_err(|error| error.in_file(path))
    }

    pub(super) fn from_parts(parts: Vec<Bytes>, limits: &WireLimits) -> Result<EncodedNet, ProtoError> {
        if parts.len() > 1 {
            let slices = parts.iter().map(|part| &part[..]);
            if scan_parts(slices, net_type()?, limits, Strictness::Exact).is_ok() {
                return EncodedNet::index(parts, None);
            }
        }
        // What is not plainly a net is told, or refused, from the whole.
        EncodedNet::from_bytes(parts::join(parts), limits)
    }

    /// Finds the operators of what has been vetted.
    fn index(parts: Vec<Bytes>, release: Option<ReleaseFn>) -> Result<EncodedNet, ProtoError> {
        let mut this = EncodedNet { release, ..EncodedNet::default() };
        let mut offset = 0;
        for bytes in &parts {
            let length = bytes.len();
            if this.add_part(bytes.clone(), offset)?.is_none() {
                // A group between the operators: rare enough to be decoded as a whole.
                return NetDef::decode(parts::join(parts)).map_err(undecodable).map(EncodedNet::from);
            }
            offset += length;
        }
        Ok(this)
    }

    /// `None` where there is something that cannot be passed over.
    fn add_part(&mut self, bytes: Bytes, offset: usize) -> Result<Option<()>, ProtoError> {
        let part = self.parts.len();
        self.parts.push(Part { bytes: bytes.clone(), offset, operators: 0 });
        let mut reader = Reader::new(&bytes);
        let mut plain = 0;
        while !reader.is_done() {
            let start = reader.at();
            let value = reader.key().and_then(|(number, wire)| Ok((number, wire, reader.skip(wire)?)));
            let Ok((number, wire, Some(value))) = value else { return Ok(None) };
            if (number, wire) == (OP, WireType::Length) {
                self.outline.merge(bytes.slice(plain..start)).map_err(undecodable)?;
                plain = reader.at();
                self.add_operator(part, plain - value.len()..plain)?;
            }
        }
        self.outline.merge(bytes.slice(plain..)).map_err(undecodable)?;
        if self.parts[part].operators == 0 {
            self.parts[part].bytes = Bytes::new();
        }
        Ok(Some(()))
    }

    fn add_operator(&mut self, part: usize, range: Range<usize>) -> Result<(), ProtoError> {
        let operator = self.decode(part, range.clone())?;
        self.outline.op.push(operator.outline()?);
        self.entries.push(if operator.has_lists() {
            // It is small without the lists, and finding their ends again would take a walk over them.
            Entry::Held { operator: Box::new(operator), bytes: range.len() }
        } else {
            self.parts[part].operators += 1;
            Entry::Encoded { part, range }
        });
        Ok(())
    }

    fn decode(&self, part: usize, range: Range<usize>) -> Result<EncodedOperator, ProtoError> {
        let Part { bytes, offset, .. } = &self.parts[part];
        EncodedOperator::decode(bytes.slice(range.clone()), offset + range.start, self.release.as_ref())
    }

    /// The net without what its operators hold: all but their arguments. Operators with nets within are whole.
    #[must_use]
    pub fn outline(&self) -> &NetDef {
        &self.outline
    }

    /// Gives the net a name if it has none.
    pub fn name_or(&mut self, name: &str) {
        self.outline.name.get_or_insert_with(|| name.into());
    }

    /// How many operators there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no operators.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the operator at `position` in the input, its parameters included; of a text, in the binary form. 0 where
    /// there is no such operator.
    #[must_use]
    pub fn operator_bytes(&self, position: usize) -> usize {
        self.entries.get(position).map_or(0, |entry| match entry {
            Entry::Encoded { range, .. } => range.len(),
            Entry::Held { bytes, .. } | Entry::Taken { bytes } => *bytes,
        })
    }

    /// The operator at `position`, decoded now.
    ///
    /// # Errors
    /// When there is no such operator, or it was taken before; when the input is a mapped file that somebody has
    /// changed.
    pub fn operator(&self, position: usize) -> Result<EncodedOperator, ProtoError> {
        match self.entries.get(position) {
            Some(Entry::Encoded { part, range }) => self.decode(*part, range.clone()),
            Some(Entry::Held { operator, .. }) => Ok((**operator).clone()),
            Some(Entry::Taken { .. }) | None => Err(absent(position)),
        }
    }

    /// The operator at `position`, decoded now, which the net lets go of.
    ///
    /// # Errors
    /// As [`EncodedNet::operator`].
    pub fn take(&mut self, position: usize) -> Result<EncodedOperator, ProtoError> {
        let operator = match self.entries.get_mut(position) {
            Some(Entry::Held { operator, .. }) => std::mem::take(&mut **operator),
            _ => self.operator(position)?,
        };
        let bytes = self.operator_bytes(position);
        self.replace(position, Entry::Taken { bytes });
        Ok(operator)
    }

    /// Shows each operator that was not taken to `keep`, in order, which may change it, or answer false to leave it out.
    /// Changed operators stay decoded. External outputs of the net that only operators left out write are given up.
    ///
    /// ```
    /// use caffe2_proto::{Caffe2Message, EncodedNet, NetDef, OperatorDef, ProtoError, WireLimits};
    ///
    /// # fn main() -> Result<(), ProtoError> {
    /// let op = |kind: &str, output: &str| OperatorDef::new(kind).output(output);
    /// let file = NetDef::new("init").op(op("GivenTensorFill", "w")).op(op("XavierFill", "v")).to_binary();
    /// let mut net = EncodedNet::from_bytes(file, &WireLimits::default())?;
    /// net.retain_mut(|_, operator| match operator.def().r#type() {
    ///     "XavierFill" => Ok::<bool, ProtoError>(false),
    ///     _ => {
    ///         operator.def_mut()?.output[0].push_str("_codes");
    ///         Ok(true)
    ///     }
    /// })?;
    /// assert_eq!((net.len(), net.operator(0)?.def().output[0].as_str()), (1, "w_codes"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The first error of `keep`, and those of [`EncodedNet::operator`]. What came before stays changed.
    pub fn retain_mut<E: From<ProtoError>>(
        &mut self,
        mut keep: impl FnMut(usize, &mut EncodedOperator) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut dropped = vec![false; self.len()];
        for (position, dropped) in dropped.iter_mut().enumerate() {
            if matches!(self.entries[position], Entry::Taken { .. }) {
                continue;
            }
            let mut operator = self.operator(position)?;
            *dropped = !keep(position, &mut operator)?;
            if operator.is_changed() && !*dropped {
                self.outline.op[position] = operator.outline()?;
                let bytes = self.operator_bytes(position);
                self.replace(position, Entry::Held { operator: Box::new(operator), bytes });
            }
        }
        self.drop_operators(&dropped);
        Ok(())
    }

    fn drop_operators(&mut self, dropped: &[bool]) {
        let mut left_out = Vec::new();
        let operators = std::mem::take(&mut self.outline.op);
        for (position, operator) in operators.into_iter().enumerate() {
            if dropped[position] {
                let bytes = self.operator_bytes(position);
                self.replace(position, Entry::Taken { bytes });
                left_out.push(operator);
            } else {
                self.outline.op.push(operator);
            }
        }
        let mut dropped = dropped.iter();
        self.entries.retain(|_| dropped.next() == Some(&false));
        let written = |operators: &[OperatorDef]| -> HashSet<String> {
            operators.iter().flat_map(|op| &op.output).cloned().collect()
        };
        let (kept, given_up) = (written(&self.outline.op), written(&left_out));
        self.outline.external_output.retain(|name| kept.contains(name) || !given_up.contains(name));
    }

    /// Bytes of the parts that are still held.
    #[cfg(test)]
    pub(super) fn held_parts(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.bytes.len()).collect()
    }

    /// Puts an entry in the place of another, whose bytes may go then.
    fn replace(&mut self, position: usize, entry: Entry) -> Entry {
        let former = std::mem::replace(&mut self.entries[position], entry);
        if let Entry::Encoded { part, .. } = former {
            let part = &mut self.parts[part];
            part.operators -= 1;
            if part.operators == 0 {
                part.bytes = Bytes::new();
            }
        }
        former
    }
}

impl From<NetDef> for EncodedNet {
    /// A net that is decoded already.
    fn from(mut net: NetDef) -> EncodedNet {
        let held = |operator: EncodedOperator| {
            let bytes = operator.def().encoded_len();
            Entry::Held { operator: Box::new(operator), bytes }
        };
        let operators = std::mem::take(&mut net.op);
        net.op = operators.iter().map(outline).collect();
        let entries = operators.into_iter().map(|def| held(def.into())).collect();
        EncodedNet { outline: net, entries, ..EncodedNet::default() }
    }
}

impl fmt::Debug for EncodedNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedNet(`{}`, {} operators)", self.outline.name(), self.len())
    }
}

fn net_type() -> Result<&'static MessageType, ProtoError> {
    MessageType::named(NetDef::NAME)
        .ok_or_else(|| ProtoError::new(ProtoErrorKind::Malformed, "the schema has no NetDef"))
}

fn absent(position: usize) -> ProtoError {
    ProtoError::new(ProtoErrorKind::Malformed, "there is no such operator, or it was taken before")
        .in_message(NetDef::NAME, format!("op[{position}]"))
}

fn undecodable(error: prost::DecodeError) -> ProtoError {
    ProtoError::new(ProtoErrorKind::Malformed, "the bytes are no message of this type")
        .in_message(NetDef::NAME, String::new())
        .found(error.to_string())
}
