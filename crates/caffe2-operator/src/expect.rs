//! What a net wants of its inputs, told from what reads them.

use caffe2_proto::NetDef;
use caffe2_tensor::DataType;
use hashbrown::HashMap;

use crate::control::nested_writes;
use crate::infer::{BlobInfos, InferContext, TensorInfo};
use crate::registry::OpRegistry;
use crate::schema::OpSchema;
use crate::{Args, Shape};

/// What an operator wants of a tensor that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The type that the elements must have; `None` where several work, or it cannot be told.
    pub data_type: Option<DataType>,
    /// The shape that is meant, `None` for each dimension that may be of any size; `None` where it cannot be told.
    /// Others may do: a product takes images where it expects rows of as many elements.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Expectation {
    /// A tensor of this type, of any shape.
    pub fn of_type(data_type: DataType) -> Expectation {
        Expectation { data_type: Some(data_type), dims: None }
    }

    /// A tensor of floats; `dims` as in [`Expectation::dims`].
    pub fn floats(dims: Option<Vec<Option<usize>>>) -> Expectation {
        Expectation { data_type: Some(DataType::Float), dims }
    }

    /// Whether the shape is one that is meant, as far as both are known.
    pub fn means(&self, shape: &Shape) -> bool {
        let fits = |(wanted, found): (&Option<usize>, &usize)| wanted.is_none_or(|wanted| wanted == *found);
        match &self.dims {
            Some(dims) => dims.len() == shape.rank() && dims.iter().zip(shape.iter()).all(fits),
            None => true,
        }
    }

    /// Whether elements of this type will do, as far as both are known.
    pub fn takes(&self, data_type: Option<DataType>) -> bool {
        self.data_type.zip(data_type).is_none_or(|(wanted, found)| wanted == found)
    }

    /// This, and what is known from elsewhere of what is not known here.
    fn or(self, other: Expectation) -> Expectation {
        Expectation { data_type: self.data_type.or(other.data_type), dims: self.dims.or(other.dims) }
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.data_type.map_or("any type", DataType::name))?;
        let Some(dims) = &self.dims else { return f.write_str(" of any shape") };
        let dims: Vec<_> = dims.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
        write!(f, " [{}]", dims.join(", "))
    }
}

/// The function that tells what an operator wants of an input, by position.
pub type ExpectFn = fn(&ExpectContext<'_>, usize) -> Expectation;

/// What an [`ExpectFn`] gets: the arguments, what is known of the inputs, and what is wanted of the outputs.
#[derive(Debug, Clone, Copy)]
pub struct ExpectContext<'a> {
    /// The arguments, and the inputs as far as they are known.
    pub inputs: InferContext<'a>,
    outputs: &'a [Expectation],
}

impl ExpectContext<'_> {
    /// What is wanted of output `index`.
    pub fn output(&self, index: usize) -> Expectation {
        self.outputs.get(index).cloned().unwrap_or_default()
    }
}

/// What is wanted of blobs, by name.
pub type Expectations = HashMap<String, Expectation>;

/// What the operators of a net want of the blobs that it reads before it writes them, by name. `known` are blobs of which
/// something is known, such as parameters. Blobs of which nothing can be told are left out.
pub fn expected_inputs(registry: &OpRegistry, net: &NetDef, known: &BlobInfos) -> Expectations {
    let mut expected = Expectations::new();
    for (def, inputs) in net.op.iter().zip(infer_inputs(registry, net, known)).rev() {
        let outputs: Vec<_> =
            def.output.iter().map(|name| expected.remove(name).unwrap_or_default()).collect();
        for name in nested_writes(def, registry) {
            expected.remove(&name);
        }
        let Some(schema) = registry.schema(def.r#type()) else { continue };
        let Ok(args) = Args::new(def, schema) else { continue };
        let context = ExpectContext { inputs: InferContext::new(&args, &inputs), outputs: &outputs };
        for (index, name) in def.input.iter().enumerate() {
            let wanted = schema.expected_input(&context, index);
            if wanted != Expectation::default() {
                // Whoever reads it first says it best.
                let later = expected.remove(name).unwrap_or_default();
                expected.insert(name.clone(), wanted.or(later));
            }
        }
    }
    expected
}

/// What is known of the inputs of each operator. Unlike [`infer_net`](crate::infer_net) this goes on behind an operator
/// that could not run.
fn infer_inputs(registry: &OpRegistry, net: &NetDef, known: &BlobInfos) -> Vec<Vec<TensorInfo>> {
    let mut known = known.clone();
    let mut all = Vec::with_capacity(net.op.len());
    for def in &net.op {
        let inputs: Vec<_> = def.input.iter().map(|n| known.get(n).cloned().unwrap_or_default()).collect();
        let infer = |schema: &OpSchema| {
            let args = Args::new(def, schema).ok()?;
            schema.infer_outputs(&InferContext::new(&args, &inputs)).ok()
        };
        let outputs = registry.schema(def.r#type()).and_then(infer).unwrap_or_default();
        for name in nested_writes(def, registry) {
            known.remove(&name);
        }
        let outputs = outputs.into_iter().chain(std::iter::repeat(TensorInfo::unknown()));
        known.extend(def.output.iter().cloned().zip(outputs));
        all.push(inputs);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AddValueOp, SpreadOp, add};
    use crate::{ArgError, OpError, OpIo, Operator, OperatorType};
    use caffe2_proto::OperatorDef;

    /// Wants rows as long as its second input is.
    struct RowsOp;

    impl OperatorType for RowsOp {
        const TYPE: &'static str = "Rows";

        fn schema() -> OpSchema {
            OpSchema::new(Self::TYPE).inputs(2).outputs(1).expect(|context, input| match input {
                0 => Expectation::floats(context.inputs.shape(1).map(|w| vec![None, Some(w.numel())])),
                _ => Expectation::of_type(DataType::Float),
            })
        }

        fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
            Ok(RowsOp)
        }
    }

    impl Operator for RowsOp {
        fn run(&mut self, _: &mut OpIo<'_>) -> Result<(), OpError> {
            Ok(())
        }
    }

    fn expected(net: &NetDef) -> Vec<(String, String)> {
        let registry =
            OpRegistry::builder().operator::<AddValueOp>().operator::<SpreadOp>().operator::<RowsOp>();
        let known = BlobInfos::from_iter([(
            "w".to_owned(),
            TensorInfo::new(DataType::Float, Shape::new(&[3, 2]).unwrap()),
        )]);
        let found = expected_inputs(&registry.build().unwrap(), net, &known);
        let mut found: Vec<_> = found.into_iter().map(|(name, e)| (name, e.to_string())).collect();
        found.sort();
        found
    }

    fn rows(x: &str, w: &str) -> OperatorDef {
        OperatorDef::new("Rows").inputs([x, w]).output("y")
    }

    #[test]
    fn wants_go_back_to_the_inputs() {
        let want = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        // Through operators that keep the shape, in place too; `v` is known from what makes it.
        let net = NetDef::new("n")
            .op(add("w", "v", 1.0))
            .op(add("x", "x", 1.0))
            .op(add("x", "z", 1.0))
            .op(rows("z", "v"));
        assert_eq!(expected(&net), want(&[("w", "float of any shape"), ("x", "float [?, 6]")]));
        // Not through what makes something new, and not where the name means another tensor by then.
        let spread = OperatorDef::new("Spread").input("x").output("z");
        let net = NetDef::new("n").op(spread).op(rows("z", "w"));
        assert_eq!(expected(&net), want(&[("w", "float of any shape")]));
        let net = NetDef::new("n").op(OperatorDef::new("Unknown").output("z")).op(rows("z", "u"));
        assert_eq!(expected(&net), want(&[("u", "float of any shape")]));
        // The first reader counts.
        let net = NetDef::new("n").op(rows("x", "w")).op(rows("q", "x"));
        let all = [("q", "float of any shape"), ("w", "float of any shape"), ("x", "float [?, 6]")];
        assert_eq!(expected(&net), want(&all));
    }

    #[test]
    fn shapes_and_types_are_held_against_it() {
        let wants = Expectation::floats(Some(vec![None, Some(3)]));
        let shape = |dims: &[usize]| Shape::new(dims).unwrap();
        assert!(wants.means(&shape(&[7, 3])) && !wants.means(&shape(&[7, 4])) && !wants.means(&shape(&[3])));
        assert!(
            wants.takes(None) && wants.takes(Some(DataType::Float)) && !wants.takes(Some(DataType::UInt8))
        );
        let any = Expectation::default();
        assert!(any.means(&shape(&[1])) && any.takes(Some(DataType::String)));
        assert_eq!(any.to_string(), "any type of any shape");
    }
}
