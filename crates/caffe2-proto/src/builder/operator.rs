//! Operators.

use crate::{Argument, ArgumentValue, DeviceOption, OperatorDef};

/// Building. Each method adds to the operator or sets a field of it, and gives it back.
impl OperatorDef {
    /// An operator of a type, such as `Conv`, with neither blobs nor arguments.
    ///
    /// ```
    /// use caffe2_proto::OperatorDef;
    ///
    /// let conv = OperatorDef::new("Conv")
    ///     .inputs(["X", "W", "b"])
    ///     .output("Y")
    ///     .arg("kernel", 3)
    ///     .arg("order", "NCHW")
    ///     .named("conv1")
    ///     .with_engine("NNPACK");
    /// assert_eq!(conv.input, ["X", "W", "b"]);
    /// assert_eq!(conv.argument("kernel").and_then(|a| a.i), Some(3));
    /// ```
    pub fn new(operator_type: impl Into<String>) -> Self {
        Self { r#type: Some(operator_type.into()), ..Self::default() }
    }

    /// Adds an input blob.
    #[must_use]
    pub fn input(mut self, blob: impl Into<String>) -> Self {
        self.input.push(blob.into());
        self
    }

    /// Adds input blobs.
    #[must_use]
    pub fn inputs<S: Into<String>>(mut self, blobs: impl IntoIterator<Item = S>) -> Self {
        self.input.extend(blobs.into_iter().map(Into::into));
        self
    }

    /// Adds an output blob.
    #[must_use]
    pub fn output(mut self, blob: impl Into<String>) -> Self {
        self.output.push(blob.into());
        self
    }

    /// Adds output blobs.
    #[must_use]
    pub fn outputs<S: Into<String>>(mut self, blobs: impl IntoIterator<Item = S>) -> Self {
        self.output.extend(blobs.into_iter().map(Into::into));
        self
    }

    /// Adds an argument; [`ArgumentValue`] says which types go to which field.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl ArgumentValue) -> Self {
        self.arg.push(Argument::new(name, value));
        self
    }

    /// Adds arguments that are built already.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        self.arg.extend(arguments);
        self
    }

    /// Adds a blob that must be written before the operator runs.
    #[must_use]
    pub fn control_input(mut self, blob: impl Into<String>) -> Self {
        self.control_input.push(blob.into());
        self
    }

    /// Sets the name, which appears in messages.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the preferred engines, separated by commas.
    #[must_use]
    pub fn with_engine(mut self, engine: impl Into<String>) -> Self {
        self.engine = Some(engine.into());
        self
    }

    /// Sets the device.
    #[must_use]
    pub fn with_device(mut self, device: DeviceOption) -> Self {
        self.device_option = Some(device);
        self
    }

    /// The first argument called `name`.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arg.iter().find(|argument| argument.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_sets_its_field() {
        let device = DeviceOption { device_type: Some(0), ..DeviceOption::default() };
        let built = OperatorDef::new("T")
            .input("a")
            .inputs(["b", "c"])
            .output("d")
            .outputs(vec!["e".to_owned()])
            .arg("i", 1)
            .args([Argument::new("f", 2.0), Argument::new("i", 3)])
            .control_input("g")
            .named("n")
            .with_engine("E")
            .with_device(device.clone());
        let want = OperatorDef {
            input: vec!["a".into(), "b".into(), "c".into()],
            output: vec!["d".into(), "e".into()],
            name: Some("n".into()),
            r#type: Some("T".into()),
            arg: vec![Argument::new("i", 1), Argument::new("f", 2.0), Argument::new("i", 3)],
            device_option: Some(device),
            engine: Some("E".into()),
            control_input: vec!["g".into()],
            ..OperatorDef::default()
        };
        assert_eq!(built, want);
        assert_eq!(built.argument("i"), Some(&want.arg[0]));
        assert_eq!(built.argument("none"), None);
    }
}
