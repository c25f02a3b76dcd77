//! Nets.

use crate::{Argument, ArgumentValue, DeviceOption, NetDef, OperatorDef};

/// Building. Each method adds to the net or sets a field of it, and gives it back.
impl NetDef {
    /// A net without operators.
    ///
    /// ```
    /// use caffe2_proto::{NetDef, OperatorDef};
    ///
    /// let net = NetDef::new("classifier")
    ///     .external_input("data")
    ///     .op(OperatorDef::new("Relu").input("data").output("y"))
    ///     .external_output("y");
    /// assert_eq!(net.op[0].r#type(), "Relu");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Adds an operator.
    #[must_use]
    pub fn op(mut self, operator: OperatorDef) -> Self {
        self.op.push(operator);
        self
    }

    /// Adds operators.
    #[must_use]
    pub fn ops(mut self, operators: impl IntoIterator<Item = OperatorDef>) -> Self {
        self.op.extend(operators);
        self
    }

    /// Adds an argument of the net.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl ArgumentValue) -> Self {
        self.arg.push(Argument::new(name, value));
        self
    }

    /// Adds a blob that the net reads.
    #[must_use]
    pub fn external_input(mut self, blob: impl Into<String>) -> Self {
        self.external_input.push(blob.into());
        self
    }

    /// Adds blobs that the net reads.
    #[must_use]
    pub fn external_inputs<S: Into<String>>(mut self, blobs: impl IntoIterator<Item = S>) -> Self {
        self.external_input.extend(blobs.into_iter().map(Into::into));
        self
    }

    /// Adds a blob that the net is run for.
    #[must_use]
    pub fn external_output(mut self, blob: impl Into<String>) -> Self {
        self.external_output.push(blob.into());
        self
    }

    /// Adds blobs that the net is run for.
    #[must_use]
    pub fn external_outputs<S: Into<String>>(mut self, blobs: impl IntoIterator<Item = S>) -> Self {
        self.external_output.extend(blobs.into_iter().map(Into::into));
        self
    }

    /// Sets the type of the executor, such as `simple` or `dag`.
    #[must_use]
    pub fn with_type(mut self, net_type: impl Into<String>) -> Self {
        self.r#type = Some(net_type.into());
        self
    }

    /// Sets the number of worker threads of a parallel executor.
    #[must_use]
    pub fn with_num_workers(mut self, workers: i32) -> Self {
        self.num_workers = Some(workers);
        self
    }

    /// Sets the device of the operators that name none.
    #[must_use]
    pub fn with_device(mut self, device: DeviceOption) -> Self {
        self.device_option = Some(device);
        self
    }

    /// The first argument of the net called `name`.
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
        let op = || OperatorDef::new("T");
        let built = NetDef::new("n")
            .op(op())
            .ops([op().named("2"), op().named("3")])
            .arg("a", "b")
            .external_input("i")
            .external_inputs(["j", "k"])
            .external_output("o")
            .external_outputs(["p"])
            .with_type("dag")
            .with_num_workers(4)
            .with_device(DeviceOption::default());
        let want = NetDef {
            name: Some("n".into()),
            op: vec![op(), op().named("2"), op().named("3")],
            r#type: Some("dag".into()),
            num_workers: Some(4),
            device_option: Some(DeviceOption::default()),
            arg: vec![Argument::new("a", "b")],
            external_input: vec!["i".into(), "j".into(), "k".into()],
            external_output: vec!["o".into(), "p".into()],
            partition_info: vec![],
        };
        assert_eq!(built, want);
        assert_eq!(built.argument("a"), Some(&want.arg[0]));
    }
}
