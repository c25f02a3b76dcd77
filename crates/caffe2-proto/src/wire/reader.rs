//! Reading keys, varints and lengths from a slice.

/// How a value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Length,
    StartGroup,
    EndGroup,
    Fixed32,
}

impl WireType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Varint => "a varint",
            Self::Fixed64 => "8 fixed bytes",
            Self::Length => "length and bytes",
            Self::StartGroup => "the start of a group",
            Self::EndGroup => "the end of a group",
            Self::Fixed32 => "4 fixed bytes",
        }
    }
}

/// Why a primitive could not be read, and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireFault {
    pub(crate) at: usize,
    pub(crate) reason: WireFaultReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireFaultReason {
    /// The bytes end inside of the value: it needs this many, and there are that many.
    Short { needs: u64, has: usize },
    /// A varint of more than 64 bits.
    LongVarint,
    /// Field number 0 or above 2²⁹ − 1, or one of the two unused wire types.
    BadKey(u64),
}

/// A cursor over the bytes of one message, never past `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// The same bytes, cut to `start..end`.
    pub(crate) fn within(self, start: usize, end: usize) -> Self {
        let end = end.min(self.bytes.len());
        Self { bytes: self.bytes, at: start.min(end), end }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Continues to a later end: that of the enclosing message.
    pub(crate) fn set_end(&mut self, end: usize) {
        self.end = end.min(self.bytes.len());
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    fn fault<T>(&self, reason: WireFaultReason) -> Result<T, WireFault> {
        Err(WireFault { at: self.at, reason })
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireFault> {
        let rest = self.rest();
        if let Some(&first) = rest.first()
            && first < 0x80
        {
            self.at += 1;
            return Ok(u64::from(first));
        }
        self.long_varint(rest)
    }

    fn long_varint(&mut self, rest: &[u8]) -> Result<u64, WireFault> {
        let mut value = 0;
        for (index, &byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if index == 9 && byte > 1 {
                    return self.fault(WireFaultReason::LongVarint);
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        if rest.len() < 10 {
            let has = rest.len();
            return self.fault(WireFaultReason::Short { needs: has as u64 + 1, has });
        }
        self.fault(WireFaultReason::LongVarint)
    }

    /// Field number and wire type.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<(u32, WireType), WireFault> {
        let start = *self;
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return start.fault(WireFaultReason::BadKey(key)),
        };
        match u32::try_from(key) {
            Ok(key32) if key32 >> 3 != 0 => Ok((key32 >> 3, wire)),
            _ => start.fault(WireFaultReason::BadKey(key)),
        }
    }

    /// The next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: u64) -> Result<&'a [u8], WireFault> {
        let rest = self.rest();
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => self.fault(WireFaultReason::Short { needs: count, has: rest.len() }),
        }
    }

    /// A length and that many bytes; a fault is reported at the length.
    #[inline]
    pub(crate) fn length_delimited(&mut self) -> Result<&'a [u8], WireFault> {
        let start = self.at;
        let length = self.varint()?;
        self.take(length).map_err(|fault| WireFault { at: start, ..fault })
    }

    /// Passes over a value and gives its bytes, without the length of one that has a length; `None` at the start or end
    /// of a group.
    pub(crate) fn skip(&mut self, wire: WireType) -> Result<Option<&'a [u8]>, WireFault> {
        let start = self.at;
        match wire {
            WireType::Varint => self.varint().map(|_| self.bytes.get(start..self.at)),
            WireType::Fixed64 => self.take(8).map(Some),
            WireType::Fixed32 => self.take(4).map(Some),
            WireType::Length => self.length_delimited().map(Some),
            WireType::StartGroup | WireType::EndGroup => Ok(None),
        }
    }

    /// Passes over whole values of `size` bytes behind the same key as the one at `key_at`, `key`
    /// bytes long, and counts them. Unpacked floats of a parameter are millions of these.
    pub(crate) fn skip_alike(&mut self, key_at: usize, key: usize, size: usize) -> usize {
        let Some(pattern) = self.bytes.get(key_at..key_at + key) else { return 0 };
        let alike =
            self.rest().chunks_exact(key + size).take_while(|value| value.starts_with(pattern)).count();
        self.at += alike * (key + size);
        alike
    }

    /// Passes over varints behind the same key as the byte at `key_at`, and counts them.
    pub(crate) fn skip_varints_alike(&mut self, key_at: usize) -> Result<usize, WireFault> {
        let mut alike = 0;
        while !self.is_done() && self.bytes.get(self.at) == self.bytes.get(key_at) {
            self.at += 1;
            self.varint()?;
            alike += 1;
        }
        Ok(alike)
    }
}
