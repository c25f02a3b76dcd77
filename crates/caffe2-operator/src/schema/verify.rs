//! Holding a definition against its schema.

use caffe2_proto::OperatorDef;
use hashbrown::HashSet;

use super::{ArgDefault, OpSchema};

/// Why a definition does not fit the schema of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The wrong number of inputs.
    #[error("has {found} inputs; expected {expected}")]
    Inputs {
        /// How many there are.
        found: usize,
        /// What is allowed, in words.
        expected: String,
    },
    /// The wrong number of outputs.
    #[error("has {found} outputs; expected {expected}")]
    Outputs {
        /// How many there are.
        found: usize,
        /// What is allowed, in words.
        expected: String,
    },
    /// Numbers of inputs and outputs that do not go together.
    #[error("has {inputs} inputs and {outputs} outputs; expected {expected}")]
    InputsAndOutputs {
        /// The number of inputs.
        inputs: usize,
        /// The number of outputs.
        outputs: usize,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// The same blob as input and output where the operator cannot work in place.
    #[error(
        "input {input} and output {output} are both `{blob}`, but the operator does not work in place there"
    )]
    InPlaceNotAllowed {
        /// Position of the input.
        input: usize,
        /// Position of the output.
        output: usize,
        /// The name of the blob.
        blob: String,
    },
    /// Different blobs where the operator must work in place.
    #[error(
        "input {input} is `{input_blob}` and output {output} `{output_blob}`; they must be the same blob"
    )]
    InPlaceRequired {
        /// Position of the input.
        input: usize,
        /// Its name.
        input_blob: String,
        /// Position of the output.
        output: usize,
        /// Its name.
        output_blob: String,
    },
    /// A required argument that is not given.
    #[error("argument `{0}` is required, but not given")]
    Argument(&'static str),
}

impl OpSchema {
    /// Holds a definition against the schema, in Caffe2's order: numbers of inputs and outputs, in-place
    /// rules, required arguments. Types of arguments and inputs are judged later, when they are read.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify(&self, def: &OperatorDef) -> Result<(), SchemaError> {
        self.verify_counts(def.input.len(), def.output.len())?;
        self.verify_in_place(def)?;
        let required = self.args.iter().filter(|a| a.default == ArgDefault::Required);
        for spec in required {
            if !def.arg.iter().any(|a| a.name() == spec.name) {
                return Err(SchemaError::Argument(spec.name));
            }
        }
        Ok(())
    }

    fn verify_counts(&self, inputs: usize, outputs: usize) -> Result<(), SchemaError> {
        if !self.inputs.allow(inputs) {
            return Err(SchemaError::Inputs { found: inputs, expected: self.inputs.to_string() });
        }
        if !self.outputs.allow(outputs) {
            return Err(SchemaError::Outputs { found: outputs, expected: self.outputs.to_string() });
        }
        if let Some(joint) = self.joint.filter(|joint| !(joint.allowed)(inputs, outputs)) {
            return Err(SchemaError::InputsAndOutputs { inputs, outputs, expected: joint.words });
        }
        match self.output_count.and_then(|outputs_of| outputs_of(inputs)) {
            Some(expected) if expected != outputs => {
                let expected = format!("{expected} for {inputs} inputs");
                Err(SchemaError::Outputs { found: outputs, expected })
            }
            _ => Ok(()),
        }
    }

    fn verify_in_place(&self, def: &OperatorDef) -> Result<(), SchemaError> {
        if !self.rules_in_place() || !self.may_break_in_place_rules(def) {
            return Ok(());
        }
        for (output, output_blob) in def.output.iter().enumerate() {
            for (input, input_blob) in def.input.iter().enumerate() {
                if input_blob == output_blob {
                    if !self.allows_in_place(input, output) {
                        let blob = input_blob.clone();
                        return Err(SchemaError::InPlaceNotAllowed { input, output, blob });
                    }
                } else if self.enforces_in_place(input, output) {
                    let (input_blob, output_blob) = (input_blob.clone(), output_blob.clone());
                    return Err(SchemaError::InPlaceRequired { input, input_blob, output, output_blob });
                }
            }
        }
        Ok(())
    }

    /// Whether the pairs of inputs and outputs must be looked at one by one. Where there are many, only blobs that are
    /// both can break a rule, unless one wants them to be.
    fn may_break_in_place_rules(&self, def: &OperatorDef) -> bool {
        if def.input.len() * def.output.len() <= 64 || self.may_enforce_in_place() {
            return true;
        }
        let outputs: HashSet<&str> = def.output.iter().map(String::as_str).collect();
        def.input.iter().any(|input| outputs.contains(input.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::Argument;

    fn def(inputs: &[&str], outputs: &[&str]) -> OperatorDef {
        OperatorDef {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: outputs.iter().map(|s| (*s).to_owned()).collect(),
            ..OperatorDef::default()
        }
    }

    #[test]
    fn counts_of_every_form() {
        let range = OpSchema::new("A").inputs(2..=3).outputs(1);
        assert_eq!(range.verify(&def(&["a", "b"], &["c"])), Ok(()));
        assert_eq!(
            range.verify(&def(&["a"], &["c"])).unwrap_err().to_string(),
            "has 1 inputs; expected 2 to 3"
        );
        assert!(matches!(range.verify(&def(&["a", "b"], &[])), Err(SchemaError::Outputs { found: 0, .. })));
        let set = OpSchema::new("A").inputs_in(&[1, 3]).outputs_in(&[0, 2]);
        assert_eq!(set.verify(&def(&["a"], &["b", "c"])), Ok(()));
        assert!(set.verify(&def(&["a", "b"], &[])).is_err() && set.verify(&def(&["a"], &["b"])).is_err());
        let even =
            OpSchema::new("A").inputs_if(|n| n % 2 == 0, "an even number").outputs_if(|n| n > 1, "many");
        assert!(even.verify(&def(&["a"], &["b", "c"])).unwrap_err().to_string().contains("an even number"));
        assert!(even.verify(&def(&[], &["b"])).is_err());
        let joint = OpSchema::new("A").inputs_and_outputs_if(|i, o| i + o == 3, "three in all");
        assert_eq!(joint.verify(&def(&["a"], &["b", "c"])), Ok(()));
        assert!(joint.verify(&def(&["a"], &["b"])).unwrap_err().to_string().contains("three in all"));
        let same = OpSchema::new("A").same_number_of_outputs();
        assert_eq!(same.verify(&def(&["a"], &["b"])), Ok(()));
        assert!(same.verify(&def(&["a"], &["b", "c"])).is_err());
        let unknown = OpSchema::new("A").output_count(|_| None);
        assert_eq!(unknown.verify(&def(&["a"], &["b", "c"])), Ok(()));
    }

    #[test]
    fn in_place_rules_of_every_form() {
        let never = OpSchema::new("A");
        assert!(matches!(
            never.verify(&def(&["a"], &["a"])),
            Err(SchemaError::InPlaceNotAllowed { input: 0, output: 0, .. })
        ));
        let allowed = OpSchema::new("A").allow_in_place(&[(0, 0)]);
        assert_eq!(allowed.verify(&def(&["a", "b"], &["a"])), Ok(()));
        assert!(allowed.verify(&def(&["b", "a"], &["a"])).is_err());
        let one_to_one = OpSchema::new("A").allow_in_place_if(|i, o| i == o);
        assert_eq!(one_to_one.verify(&def(&["a", "b"], &["a", "b"])), Ok(()));
        let enforced = OpSchema::new("A").enforce_in_place(&[(1, 0)]);
        assert_eq!(enforced.verify(&def(&["a", "b"], &["b"])), Ok(()));
        assert!(matches!(
            enforced.verify(&def(&["a", "b"], &["c"])),
            Err(SchemaError::InPlaceRequired { .. })
        ));
        // The pair names an output that is not there.
        assert_eq!(enforced.verify(&def(&["a", "b"], &[])), Ok(()));
        let by_rule = OpSchema::new("A").enforce_in_place_if(|i, o| i == o);
        assert!(by_rule.verify(&def(&["a"], &["b"])).is_err());
    }

    #[test]
    fn required_arguments() {
        let schema = OpSchema::new("A").arg_required::<bool>("is_test", "").arg("ratio", "", 0.5f32);
        assert_eq!(schema.verify(&def(&[], &[])), Err(SchemaError::Argument("is_test")));
        let mut given = def(&[], &[]);
        // By name only: the type is judged when the argument is read.
        given.arg.push(Argument { name: Some("is_test".into()), ..Argument::default() });
        assert_eq!(schema.verify(&given), Ok(()));
    }
}
