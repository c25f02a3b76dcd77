//! Building operators and nets in one expression, and looking up their arguments.

mod argument;
mod net;
mod operator;

pub use argument::{ArgumentElement, ArgumentValue};
