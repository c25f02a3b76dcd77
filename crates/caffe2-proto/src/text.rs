//! Protobuf's text format.
//!
//! Parsing is `prost-reflect`'s. Its parser recurses with the text and bounds nothing, so [`guard`]
//! looks over the text first. [`locate`] follows a text to a place, to say where an error is.

mod float;
mod guard;
mod locate;
mod near;
mod parse;
mod print;
mod token;

pub(crate) use float::{push_f32, push_f64};
pub(crate) use near::did_you_mean;
pub(crate) use parse::to_wire;
pub(crate) use print::print;
pub(crate) use token::{TokenKind, Tokens};

#[cfg(test)]
mod tests;
