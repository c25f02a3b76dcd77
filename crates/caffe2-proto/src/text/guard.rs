//! A linear look over a text before it is parsed.

use super::{TokenKind, Tokens};
use crate::{ProtoError, ProtoErrorKind, WireLimits, error::Position, wire::over_limit};

/// Refuses a text that is too long, too deep, has too many messages or tokens, or is not UTF-8.
pub(super) fn check<'a>(text: &'a [u8], limits: &WireLimits) -> Result<&'a str, ProtoError> {
    let most_bytes = limits.max_text_bytes.min(limits.max_bytes);
    if text.len() > most_bytes {
        return Err(over_limit("bytes of text", most_bytes, text.len()));
    }
    let utf8 = std::str::from_utf8(text).map_err(|error| {
        ProtoError::new(ProtoErrorKind::InvalidUtf8, "the text is not UTF-8")
            .at(Position::in_text(text, error.valid_up_to()))
            .help(Some("write bytes above 127 as escapes, such as \\377".into()))
    })?;
    check_counts(text, limits)?;
    Ok(utf8)
}

fn check_counts(text: &[u8], limits: &WireLimits) -> Result<(), ProtoError> {
    let most_messages =
        limits.max_operators.saturating_add(limits.max_arguments).saturating_add(limits.max_messages);
    let (mut tokens, mut messages, mut depth) = (0, 0, 0usize);
    for token in Tokens::new(text) {
        tokens += 1;
        let fault = match token.kind {
            _ if tokens > limits.max_text_tokens => Some(("tokens", limits.max_text_tokens, tokens)),
            TokenKind::Open => {
                messages += 1;
                depth += 1;
                if depth > limits.depth() {
                    Some(("levels of messages", limits.depth(), depth))
                } else if messages > most_messages {
                    Some(("messages", most_messages, messages))
                } else {
                    None
                }
            }
            TokenKind::Close => {
                depth = depth.saturating_sub(1);
                None
            }
            _ => None,
        };
        if let Some((what, limit, found)) = fault {
            return Err(over_limit(what, limit, found).at(Position::in_text(text, token.start)));
        }
    }
    Ok(())
}
