//! A walk over the tags of a message, before anything is decoded.
//!
//! It keeps a stack of fixed size and allocates nothing unless it finds a fault. It knows from the
//! schema which length-delimited fields are messages, and counts operators, arguments, elements and
//! depth against the limits. Unknown fields are passed over, packed and unpacked numbers are equal.

use super::{
    Reader, WireType,
    reader::{WireFault, WireFaultReason},
};
use crate::{
    ProtoError, ProtoErrorKind as Kind, WireLimits,
    error::Position,
    limits::MAX_DEPTH,
    schema::{Field, MessageType, Type},
};

/// What is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// What the protobuf rules let pass: unknown fields, and a single field given again.
    Tolerant,
    /// Only what a writer of exactly this message type emits. For telling message types apart.
    Exact,
}

/// Vets `bytes` as a message of type `root`.
pub(crate) fn scan(
    bytes: &[u8],
    root: &'static MessageType,
    limits: &WireLimits,
    strictness: Strictness,
) -> Result<(), ProtoError> {
    scan_parts([bytes], root, limits, strictness)
}

/// Vets a message of type `root` that comes in parts, each of whole fields. Counts go on from part to part; offsets
/// in an error are those in its part.
pub(crate) fn scan_parts<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
    root: &'static MessageType,
    limits: &WireLimits,
    strictness: Strictness,
) -> Result<(), ProtoError> {
    let mut total = 0usize;
    let mut counts = [0; COUNTED.len()];
    counts[Counted::of(root) as usize] += 1;
    for bytes in parts {
        total = total.saturating_add(bytes.len());
        if total > limits.max_bytes {
            return Err(over_limit("bytes", limits.max_bytes, total).in_message(root.name, String::new()));
        }
        let frame = Frame { message: root, start: 0, end: bytes.len(), tag_at: 0, number: 0, seen: 0 };
        let mut scan = Scan {
            reader: Reader::new(bytes),
            frames: [frame; MAX_DEPTH + 1],
            depth: 0,
            counts,
            limits,
            strict: strictness == Strictness::Exact,
        };
        scan.run()?;
        counts = scan.counts;
    }
    Ok(())
}

/// The error of a count above its limit.
pub(crate) fn over_limit(what: &str, limit: usize, found: usize) -> ProtoError {
    ProtoError::new(Kind::LimitExceeded, "more than the limits allow")
        .found(format!("{found} {what}"))
        .expected(format!("at most {limit}"))
        .help(Some(
            "if the input is trusted, allow more (`WireLimits`; `--max-operators` and its kin)".into(),
        ))
}

/// What is counted.
#[derive(Clone, Copy)]
enum Counted {
    Operators,
    Arguments,
    Messages,
    Elements,
    Strings,
}

const COUNTED: [&str; 5] = ["operators", "arguments", "messages", "repeated numbers", "repeated strings"];

impl Counted {
    fn of(message: &MessageType) -> Self {
        match message.name {
            "OperatorDef" => Self::Operators,
            "Argument" => Self::Arguments,
            _ => Self::Messages,
        }
    }

    fn limit(self, limits: &WireLimits) -> usize {
        match self {
            Self::Operators => limits.max_operators,
            Self::Arguments => limits.max_arguments,
            Self::Messages => limits.max_messages,
            Self::Elements => limits.max_elements,
            Self::Strings => limits.max_strings,
        }
    }
}

/// A message that has begun and not ended.
#[derive(Clone, Copy)]
struct Frame {
    message: &'static MessageType,
    start: usize,
    end: usize,
    /// Where the key of the field stands that holds this message, and the field's number.
    tag_at: usize,
    number: u32,
    /// Bit n − 1: field n has been seen.
    seen: u64,
}

struct Scan<'a> {
    reader: Reader<'a>,
    frames: [Frame; MAX_DEPTH + 1],
    depth: usize,
    counts: [usize; COUNTED.len()],
    limits: &'a WireLimits,
    strict: bool,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), ProtoError> {
        loop {
            if !self.reader.is_done() {
                self.field()?;
                continue;
            }
            self.check_required()?;
            let Some(outer) = self.depth.checked_sub(1) else { return Ok(()) };
            self.depth = outer;
            self.reader.set_end(self.frames[outer].end);
        }
    }

    /// One field: its key and value, or, of a message, the key and length.
    #[inline]
    fn field(&mut self) -> Result<(), ProtoError> {
        let tag_at = self.reader.at();
        let (number, wire) = self.reader.key().map_err(|f| self.fault(f, None))?;
        let frame = &mut self.frames[self.depth];
        let field = match frame.message.field(number) {
            Some(field) if wire != WireType::EndGroup => field,
            _ => return self.unknown(tag_at, number, wire),
        };
        let bit = 1 << (number - 1);
        if self.strict && frame.seen & bit != 0 && !field.is_repeated() {
            return Err(self.error(Kind::DuplicateField, "a single field stands twice", tag_at, Some(field)));
        }
        frame.seen |= bit;
        match (wire, field.ty) {
            (WireType::Length, Type::Message(_)) => self.enter(tag_at, field),
            (WireType::Length, Type::String | Type::Bytes) => self.string(field),
            (WireType::Length, ty) if field.is_repeated() => self.packed(ty, field),
            (WireType::Fixed32, Type::Float) => self.fixed(tag_at, 4, field),
            (WireType::Fixed64, Type::Double) => self.fixed(tag_at, 8, field),
            (
                WireType::Varint,
                Type::Bool | Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 | Type::Enum(_),
            ) => {
                self.reader.varint().map_err(|f| self.fault(f, Some(field)))?;
                self.count_element(field, tag_at, 1)
            }
            _ => Err(self
                .error(
                    Kind::WrongWireType,
                    "a field has another wire type than declared",
                    tag_at,
                    Some(field),
                )
                .found(wire.name())
                .expected(expected_wire(field))),
        }
    }

    /// A number of fixed size; of a repeated field, all that follow at once.
    fn fixed(&mut self, tag_at: usize, size: usize, field: &'static Field) -> Result<(), ProtoError> {
        let at = self.reader.at();
        self.reader.take(size as u64).map_err(|f| self.fault(f, Some(field)))?;
        if !field.is_repeated() {
            return Ok(());
        }
        let more = self.reader.skip_alike(tag_at, at - tag_at, size);
        self.count(Counted::Elements, at, 1 + more)
    }

    #[inline]
    fn count_element(&mut self, field: &'static Field, at: usize, more: usize) -> Result<(), ProtoError> {
        if field.is_repeated() { self.count(Counted::Elements, at, more) } else { Ok(()) }
    }

    #[inline]
    fn count(&mut self, what: Counted, at: usize, more: usize) -> Result<(), ProtoError> {
        let count = &mut self.counts[what as usize];
        *count = count.saturating_add(more);
        let (count, limit) = (*count, what.limit(self.limits));
        if count > limit {
            let error = over_limit(COUNTED[what as usize], limit, count);
            return Err(self.place(error, at, None));
        }
        Ok(())
    }

    /// Begins a message inside of the current one.
    fn enter(&mut self, tag_at: usize, field: &'static Field) -> Result<(), ProtoError> {
        let length = self.reader.length_delimited().map_err(|f| self.fault(f, Some(field)))?.len();
        let end = self.reader.at();
        let Some(message) = field.message() else { return Ok(()) };
        self.count(Counted::of(message), tag_at, 1)?;
        if self.depth >= self.limits.depth() {
            let error = over_limit("levels of messages", self.limits.depth(), self.depth + 1);
            return Err(self.place(error, tag_at, None));
        }
        self.depth += 1;
        let start = end - length;
        self.frames[self.depth] = Frame { message, start, end, tag_at, number: field.number, seen: 0 };
        self.reader = self.reader.within(start, end);
        Ok(())
    }

    fn string(&mut self, field: &'static Field) -> Result<(), ProtoError> {
        let at = self.reader.at();
        let value = self.reader.length_delimited().map_err(|f| self.fault(f, Some(field)))?;
        if field.ty == Type::String {
            if std::str::from_utf8(value).is_err() {
                return Err(self
                    .error(Kind::InvalidUtf8, "a string is not UTF-8", at, Some(field))
                    .found(format!("\"{}\"", value.escape_ascii())));
            }
            // What is a message in another type is no name in this one.
            let is_name = !matches!(field.name, "debug_info" | "extra_info");
            if self.strict && is_name && value.iter().any(u8::is_ascii_control) {
                return Err(self.error(Kind::Malformed, "a control character in a name", at, Some(field)));
            }
        }
        if field.is_repeated() { self.count(Counted::Strings, at, 1) } else { Ok(()) }
    }

    /// Several numbers in one length-delimited value.
    fn packed(&mut self, ty: Type, field: &'static Field) -> Result<(), ProtoError> {
        let at = self.reader.at();
        let value = self.reader.length_delimited().map_err(|f| self.fault(f, Some(field)))?;
        let count = match ty {
            Type::Float => whole(value.len(), 4),
            Type::Double => whole(value.len(), 8),
            _ => {
                let end = self.reader.at();
                let mut numbers = self.reader.within(end - value.len(), end);
                let mut count = 0;
                while !numbers.is_done() {
                    numbers.varint().map_err(|f| self.fault(f, Some(field)))?;
                    count += 1;
                }
                Some(count)
            }
        };
        match count {
            Some(count) => self.count_element(field, at, count),
            None => Err(self
                .error(Kind::Malformed, "packed numbers are cut", at, Some(field))
                .found(format!("{} bytes", value.len()))
                .expected(if ty == Type::Float { "a multiple of 4" } else { "a multiple of 8" })),
        }
    }

    fn unknown(&mut self, tag_at: usize, number: u32, wire: WireType) -> Result<(), ProtoError> {
        if self.strict {
            return Err(self
                .error(Kind::UnknownField, "unknown field", tag_at, None)
                .found(format!("field number {number}")));
        }
        self.skip(tag_at, number, wire)
    }

    /// Passes over an unknown field; of a group, to its end.
    fn skip(&mut self, tag_at: usize, number: u32, wire: WireType) -> Result<(), ProtoError> {
        let mut open = [0u32; MAX_DEPTH];
        let mut groups = 0;
        let (mut at, mut number, mut wire) = (tag_at, number, wire);
        loop {
            match wire {
                WireType::Varint => self.reader.varint().map(|_| ()),
                WireType::Fixed64 => self.reader.take(8).map(|_| ()),
                WireType::Fixed32 => self.reader.take(4).map(|_| ()),
                WireType::Length => self.reader.length_delimited().map(|_| ()),
                WireType::StartGroup => {
                    if self.depth + groups >= self.limits.depth() {
                        let error =
                            over_limit("levels of groups", self.limits.depth(), self.depth + groups + 1);
                        return Err(self.place(error, at, None));
                    }
                    open[groups] = number;
                    groups += 1;
                    Ok(())
                }
                WireType::EndGroup if groups > 0 && open[groups - 1] == number => {
                    groups -= 1;
                    Ok(())
                }
                WireType::EndGroup => {
                    return Err(self.error(Kind::Malformed, "a group ends that has not begun", at, None));
                }
            }
            .map_err(|f| self.fault(f, None))?;
            if groups == 0 {
                return Ok(());
            }
            at = self.reader.at();
            (number, wire) = self.reader.key().map_err(|f| self.fault(f, None))?;
        }
    }

    fn check_required(&self) -> Result<(), ProtoError> {
        let frame = &self.frames[self.depth];
        let missing = frame.message.required & !frame.seen;
        if missing == 0 {
            return Ok(());
        }
        let names: Vec<_> = frame
            .message
            .all_fields()
            .filter(|f| missing & (1 << (f.number - 1)) != 0)
            .map(|f| format!("`{}`", f.name))
            .collect();
        Err(self
            .error(Kind::MissingRequired, "a required field is absent", frame.start, None)
            .expected(format!("{} of {}", names.join(", "), frame.message.name)))
    }

    fn fault(&self, fault: WireFault, field: Option<&'static Field>) -> ProtoError {
        match fault.reason {
            WireFaultReason::Short { needs, has } => {
                // The outermost message ends with the input, and a value that runs past an inner
                // message contradicts that message's length.
                let (kind, summary) = if self.depth == 0 {
                    (Kind::Truncated, "the input ends inside of a value")
                } else {
                    (Kind::Malformed, "a value runs past the end of its message")
                };
                let error = self.error(kind, summary, fault.at, field);
                error.found(format!("{has} bytes")).expected(format!("{needs} bytes"))
            }
            WireFaultReason::LongVarint => {
                self.error(Kind::Malformed, "a varint has more than 64 bits", fault.at, field)
            }
            WireFaultReason::BadKey(key) => self
                .error(Kind::Malformed, "no field key", fault.at, field)
                .found(format!("{key:#x}"))
                .expected("a field number from 1 and a wire type from 0 to 5"),
        }
    }

    fn error(&self, kind: Kind, summary: &'static str, at: usize, field: Option<&Field>) -> ProtoError {
        self.place(ProtoError::new(kind, summary), at, field)
    }

    fn place(&self, error: ProtoError, at: usize, field: Option<&Field>) -> ProtoError {
        error.at(Position::Offset(at)).in_message(self.frames[0].message.name, self.path(at, field))
    }

    /// The open messages, and `field` at `at` in the innermost, as in `op[3].arg[1]`.
    fn path(&self, at: usize, field: Option<&Field>) -> String {
        let mut path = String::new();
        let mut push = |outer: &Frame, field: &Field, at: usize| {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(field.name);
            if field.is_repeated() {
                path.push_str(&format!("[{}]", self.earlier(outer, field.number, at)));
            }
        };
        let open = &self.frames[..=self.depth];
        for pair in open.windows(2) {
            if let [outer, inner] = pair
                && let Some(field) = outer.message.field(inner.number)
            {
                push(outer, field, inner.tag_at);
            }
        }
        if let (Some(innermost), Some(field)) = (open.last(), field) {
            push(innermost, field, at);
        }
        path
    }

    /// How many values field `number` has in `outer` before the field that reaches to `at` or begins there.
    fn earlier(&self, outer: &Frame, number: u32, at: usize) -> usize {
        let mut walk = Scan {
            reader: self.reader.within(outer.start, outer.end),
            frames: [*outer; MAX_DEPTH + 1],
            depth: 0,
            counts: self.counts,
            limits: &WireLimits::TRUSTED,
            strict: false,
        };
        let mut count = 0;
        while !walk.reader.is_done() && walk.reader.at() < at {
            let tag_at = walk.reader.at();
            let Ok((found, wire)) = walk.reader.key() else { break };
            if walk.skip(tag_at, found, wire).is_err() || walk.reader.at() > at {
                break;
            }
            count += usize::from(found == number);
        }
        count
    }
}

fn whole(bytes: usize, size: usize) -> Option<usize> {
    bytes.is_multiple_of(size).then_some(bytes / size)
}

fn expected_wire(field: &Field) -> String {
    let one = match field.ty {
        Type::String | Type::Bytes | Type::Message(_) => WireType::Length,
        Type::Float => WireType::Fixed32,
        Type::Double => WireType::Fixed64,
        _ => WireType::Varint,
    };
    if field.is_repeated() && one != WireType::Length {
        format!("{} or packed numbers", one.name())
    } else {
        one.name().to_owned()
    }
}
