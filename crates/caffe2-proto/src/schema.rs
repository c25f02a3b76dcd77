//! The message types as static tables: what the wire scan, the text printer and the errors look up.

/// A message type.
#[derive(Debug)]
pub(crate) struct MessageType {
    /// Name without the package, such as `TensorProto.Segment`.
    pub(crate) name: &'static str,
    /// The required fields: bit n − 1 for number n.
    pub(crate) required: u64,
    /// Fields; the one of number n stands at n − 1.
    pub(crate) fields: &'static [Option<Field>],
}

/// A field of a message type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) label: Label,
    pub(crate) ty: Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Optional,
    Required,
    Repeated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    String,
    Bytes,
    /// Index in [`ENUMS`].
    Enum(usize),
    /// Index in [`MESSAGES`].
    Message(usize),
}

/// An enum type and its values.
#[derive(Debug)]
pub(crate) struct EnumType {
    pub(crate) name: &'static str,
    pub(crate) values: &'static [(i32, &'static str)],
}

const fn field(number: u32, name: &'static str, label: Label, ty: Type) -> Option<Field> {
    Some(Field { number, name, label, ty })
}

include!("generated/schema.rs");

impl MessageType {
    /// The type called `name`.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        MESSAGES.iter().find(|m| m.name == name)
    }

    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.fields.get(index)?.as_ref()
    }

    pub(crate) fn field_named(&self, name: &str) -> Option<&'static Field> {
        self.all_fields().find(|f| f.name == name)
    }

    pub(crate) fn all_fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().flatten()
    }
}

impl Field {
    pub(crate) fn is_repeated(&self) -> bool {
        self.label == Label::Repeated
    }

    /// The type of a message field.
    pub(crate) fn message(&self) -> Option<&'static MessageType> {
        match self.ty {
            Type::Message(index) => MESSAGES.get(index),
            _ => None,
        }
    }

    /// The type of an enum field.
    pub(crate) fn enumeration(&self) -> Option<&'static EnumType> {
        match self.ty {
            Type::Enum(index) => ENUMS.get(index),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_at_their_numbers() {
        for message in MESSAGES {
            assert!(message.fields.len() < 64, "{}: seen fields are bits of a u64", message.name);
            for (index, field) in message.fields.iter().enumerate() {
                if let Some(field) = field {
                    assert_eq!(field.number as usize, index + 1, "{}.{}", message.name, field.name);
                    assert_eq!(message.field(field.number).map(|f| f.name), Some(field.name));
                }
            }
        }
        let net = MessageType::named("NetDef").unwrap();
        assert_eq!(net.field_named("op").and_then(Field::message).map(|m| m.name), Some("OperatorDef"));
        assert!(net.field(0).is_none() && net.field(999).is_none() && MessageType::named("x").is_none());
    }
}
