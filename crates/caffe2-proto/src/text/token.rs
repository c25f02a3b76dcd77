//! The words of a text, loosely: enough to count, to nest, and to find a place again.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A field name, enum value, `true`, `inf`.
    Word,
    /// Digits, with sign, point, exponent or suffix.
    Number,
    /// A string in quotes; without its end if the line ends before.
    Text,
    /// `{` or `<`.
    Open,
    /// `}` or `>`.
    Close,
    /// `[`.
    ListOpen,
    /// `]`.
    ListClose,
    /// `:`.
    Colon,
    /// Any other character.
    Other,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn of(self, text: &[u8]) -> String {
        String::from_utf8_lossy(text.get(self.start..self.end).unwrap_or_default()).into_owned()
    }
}

/// The tokens of a text; every text has some reading.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            if self.peek() != Some(b'#') {
                return;
            }
            self.skip_while(|b| b != b'\n');
        }
    }

    fn skip_string(&mut self, quote: u8) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => return,
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                _ => self.at += 1,
            }
            if byte == quote {
                return;
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let first = self.peek()?;
        self.at += 1;
        let kind = match first {
            b'{' | b'<' => TokenKind::Open,
            b'}' | b'>' => TokenKind::Close,
            b'[' => TokenKind::ListOpen,
            b']' => TokenKind::ListClose,
            b':' => TokenKind::Colon,
            b'"' | b'\'' => {
                self.skip_string(first);
                TokenKind::Text
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
                TokenKind::Word
            }
            b'0'..=b'9' | b'.' | b'-' | b'+' => {
                let mut before = first;
                while let Some(byte) = self.peek()
                    && (byte.is_ascii_alphanumeric()
                        || matches!(byte, b'.' | b'_')
                        || (matches!(byte, b'+' | b'-') && before.eq_ignore_ascii_case(&b'e')))
                {
                    before = byte;
                    self.at += 1;
                }
                TokenKind::Number
            }
            _ => TokenKind::Other,
        };
        Some(Token { kind, start, end: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_net() {
        use TokenKind::*;
        let text = br##"# "no" {
            op < name: "a\"#}" 'b' arg { f: -1.5e-3f i:-inf } list: [1, 2] > ;"##;
        let tokens: Vec<_> = Tokens::new(text).map(|t| (t.kind, t.of(text))).collect();
        let want = [
            (Word, "op"),
            (Open, "<"),
            (Word, "name"),
            (Colon, ":"),
            (Text, r##""a\"#}""##),
            (Text, "'b'"),
            (Word, "arg"),
            (Open, "{"),
            (Word, "f"),
            (Colon, ":"),
            (Number, "-1.5e-3f"),
            (Word, "i"),
            (Colon, ":"),
            (Number, "-inf"),
            (Close, "}"),
            (Word, "list"),
            (Colon, ":"),
            (ListOpen, "["),
            (Number, "1"),
            (Other, ","),
            (Number, "2"),
            (ListClose, "]"),
            (Close, ">"),
            (Other, ";"),
        ];
        assert_eq!(tokens, want.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn a_string_ends_with_its_line_or_the_text() {
        for (text, ends) in [(&b"'ab\n{"[..], vec![3, 5]), (b"'ab\\", vec![4]), (b"'", vec![1])] {
            assert_eq!(Tokens::new(text).map(|t| t.end).collect::<Vec<_>>(), ends);
        }
    }
}
