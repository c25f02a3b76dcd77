//! Operators that one takes the place of.

use std::collections::HashSet;

use caffe2_proto::{Argument, NetDef, OperatorDef};

use crate::versions::{Version, Versions};

/// Where chains are looked for.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) net: &'a NetDef,
    pub(super) versions: &'a Versions<'a>,
    /// Operators of other chains.
    pub(super) taken: &'a HashSet<usize>,
    pub(super) is_vector: &'a dyn Fn(&str) -> bool,
}

/// A convolution and the operators behind it that it can take in, of which each reads what the one before writes.
pub(super) struct Chain<'a> {
    of: Context<'a>,
    links: Vec<Link>,
}

/// An operator of a chain.
#[derive(Clone, Copy)]
struct Link {
    position: usize,
    part: Part,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Conv,
    /// A step that scales or shifts each channel.
    Step,
    /// A sum, of which this input is not of the chain.
    Sum {
        other: usize,
    },
    Activation,
}

impl<'a> Chain<'a> {
    /// The longest chain that begins with operator `position`; `None` if there is nothing to merge.
    pub(super) fn from(of: Context<'a>, position: usize) -> Option<Chain<'a>> {
        if !is_convolution(&of.net.op[position]) {
            return None;
        }
        let mut chain = Chain { of, links: vec![Link { position, part: Part::Conv }] };
        while let Some(link) = chain.next() {
            chain.links.push(link);
        }
        // What is moved behind other operators must find there what it found before.
        while chain.links.len() > 1 && !chain.can_run_at_its_end() {
            chain.links.pop();
        }
        (chain.links.len() > 1).then_some(chain)
    }

    /// The positions of all operators.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.links.iter().map(|link| link.position)
    }

    fn last(&self) -> Link {
        self.links[self.links.len() - 1]
    }

    fn op(&self, link: Link) -> &'a OperatorDef {
        &self.of.net.op[link.position]
    }

    /// The operator that alone reads what the chain writes, if it can be taken in.
    fn next(&self) -> Option<Link> {
        let (last, Context { net, versions, taken, .. }) = (self.last(), self.of);
        let &[output] = versions.writes(last.position) else { return None };
        let &[position] = versions.readers(output) else { return None };
        let next = &net.op[position];
        if taken.contains(&position)
            || last.part == Part::Activation
            || versions.is_visible(output)
            || !next.control_input.is_empty()
            || next.output.len() != 1
            || next.device_option != self.op(self.links[0]).device_option
        {
            return None;
        }
        let part = self.part(next, versions.reads(position), output)?;
        let has_norm = |kind: &str| {
            self.links.iter().any(|link| link.part == Part::Step && self.op(*link).r#type() == kind)
        };
        let fits = match part {
            Part::Conv => false,
            // There is one epsilon.
            Part::Step => last.part <= Part::Step && !(next.r#type() == "SpatialBN" && has_norm("SpatialBN")),
            Part::Sum { .. } => last.part <= Part::Step,
            Part::Activation => true,
        };
        fits.then_some(Link { position, part })
    }

    /// What `op`, which reads the chain's result among others, is to the chain.
    fn part(&self, op: &OperatorDef, reads: &[Version<'_>], result: Version<'_>) -> Option<Part> {
        let index = reads.iter().position(|read| *read == result)?;
        let order = order(self.op(self.links[0]));
        let int = |name| op.argument(name).and_then(|arg| arg.i);
        let step = match (op.r#type(), op.input.len(), index) {
            ("SpatialBN", 5, 0) => int("is_test") == Some(1) && self::order(op) == order,
            ("AffineChannel", 3, 0) => self::order(op) == order,
            ("Mul" | "Add", 2, 0) => {
                let axis = if order == "NHWC" { -1 } else { 1 };
                let by_axis = int("broadcast") == Some(1) && int("axis").unwrap_or(-1) == axis;
                let is_vector = |(name, version): Version<'_>| version == 0 && (self.of.is_vector)(name);
                by_axis && op.argument("axis_str").is_none() && is_vector(reads[1])
            }
            _ => false,
        };
        match (op.r#type(), op.input.len()) {
            _ if step => Some(Part::Step),
            ("Sum", 2) => Some(Part::Sum { other: 1 - index }),
            ("Relu" | "LeakyRelu" | "Clip", 1) => Some(Part::Activation),
            _ => None,
        }
    }

    /// Whether the inputs of all operators are the same when the last of them begins, and none of them is what it
    /// writes.
    fn can_run_at_its_end(&self) -> bool {
        let versions = self.of.versions;
        let end = self.last().position;
        let output = versions.writes(end).first();
        self.inputs()
            .iter()
            .all(|input| versions.lasts_until(*input, end) && output.is_none_or(|output| output.0 != input.0))
    }

    /// What the chain reads from outside, in the order of the merged operator.
    fn inputs(&self) -> Vec<Version<'a>> {
        let mut inputs = Vec::new();
        for link in &self.links {
            let reads = self.of.versions.reads(link.position);
            match link.part {
                Part::Conv => inputs.extend_from_slice(reads),
                Part::Step => inputs.extend_from_slice(&reads[1..]),
                Part::Sum { other } => inputs.push(reads[other]),
                Part::Activation => {}
            }
        }
        inputs
    }

    /// The operator in the place of all, and the position where it belongs.
    pub(super) fn merge(&self) -> (usize, OperatorDef) {
        let end = self.last();
        let mut merged = self.op(self.links[0]).clone();
        merged.r#type = Some("ConvFused".to_owned());
        merged.output = self.op(end).output.clone();
        let (mut steps, mut has_sum) = (Vec::new(), false);
        for link in &self.links[1..] {
            let op = self.op(*link);
            match link.part {
                Part::Conv => {}
                Part::Step => {
                    steps.push(op.r#type().to_owned());
                    merged.input.extend_from_slice(&op.input[1..]);
                    merged.arg.extend(op.argument("epsilon").cloned());
                }
                Part::Sum { other } => {
                    has_sum = true;
                    merged.input.push(op.input[other].clone());
                }
                Part::Activation => {
                    merged.arg.push(Argument::new("activation", op.r#type()));
                    let of_it = |arg: &&Argument| ["alpha", "min", "max"].contains(&arg.name());
                    merged.arg.extend(op.arg.iter().filter(of_it).cloned());
                }
            }
        }
        if !steps.is_empty() {
            merged.arg.push(Argument::new("normalization", steps));
        }
        if has_sum {
            merged.arg.push(Argument::new("sum", true));
        }
        (end.position, merged)
    }
}

/// Whether it is a plain convolution, without arguments of the merged one.
fn is_convolution(op: &OperatorDef) -> bool {
    let own = ["normalization", "epsilon", "sum", "activation", "alpha", "min", "max"];
    matches!(op.r#type(), "Conv" | "Conv1D" | "Conv2D" | "Conv3D")
        && matches!(op.input.len(), 2 | 3)
        && op.output.len() == 1
        && !op.arg.iter().any(|arg| own.contains(&arg.name()))
}

fn order(op: &OperatorDef) -> &str {
    let order = op.argument("order").and_then(|arg| arg.s.as_deref());
    order.and_then(|order| std::str::from_utf8(order).ok()).unwrap_or("NCHW")
}
