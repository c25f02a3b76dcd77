//! The arguments of one operator definition.

use caffe2_proto::{Argument, DeviceOption, EncodedOperator, NetDef, OperatorDef};

use crate::long_list::LongList;
use crate::schema::{
    ArgDefault, ArgElement, ArgKind, ArgSpec, ArgType, OpSchema, read_elements, read_net, read_single,
};
use crate::{ArgError, ArgProblem};

/// The arguments of one operator definition, read by the rules of Caffe2's `ArgumentHelper`.
///
/// Each read names an argument of the operator's schema, where its default stands. The value must be in
/// the field of the wanted type (`i` for integers and truth values, `f` for floats, `s` for bytes, …):
/// nothing is converted, an integer must fit the type, and what cannot be read is an error that names the
/// argument.
///
/// ```
/// use caffe2_operator::{Args, OpSchema};
/// use caffe2_proto::OperatorDef;
///
/// let schema = OpSchema::new("Scale").arg("scale", "factor", 1.0f32).arg_repeated::<i64>("shape", "");
/// let def = OperatorDef::new("Scale").arg("shape", vec![2i64, 3]);
/// let args = Args::new(&def, &schema)?;
/// assert_eq!(args.get::<f32>("scale")?, 1.0);
/// assert_eq!(args.list::<usize>("shape")?, [2, 3]);
/// assert!(args.has("shape") && !args.has("scale"));
/// # Ok::<(), caffe2_operator::ArgError>(())
/// ```
#[derive(Debug)]
pub struct Args<'a> {
    def: &'a OperatorDef,
    schema: &'a OpSchema,
    by_name: Vec<&'a Argument>,
    /// The operator that the definition is of, where it came with lists that are not in the definition.
    encoded: Option<&'a EncodedOperator>,
    random_seed: Option<u32>,
}

/// The start of the 64-bit FNV-1a hash.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// One step of the 64-bit FNV-1a hash: the same on every machine and in every version.
fn fnv1a(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

impl<'a> Args<'a> {
    /// The arguments of `def`, to be read by `schema`.
    ///
    /// An argument that the schema does not know is reported through `tracing` as a warning, but for the
    /// hints to libraries that the published nets carry everywhere.
    ///
    /// # Errors
    /// An argument that is given twice with different values.
    pub fn new(def: &'a OperatorDef, schema: &'a OpSchema) -> Result<Args<'a>, ArgError> {
        let by_name = sorted(&def.arg)?;
        for arg in &by_name {
            if schema.arg_spec(arg.name()).is_none() && !LIBRARY_HINTS.contains(&arg.name()) {
                tracing::warn!(
                    operator = def.r#type(),
                    argument = arg.name(),
                    "the operator has no such argument; it is ignored"
                );
            }
        }
        Ok(Args { def, schema, by_name, encoded: None, random_seed: None }.of_net(None))
    }

    /// The same arguments, with the long lists of the operator that the definition is of.
    pub(crate) fn with_lists_of(self, operator: &'a EncodedOperator) -> Args<'a> {
        Args { encoded: Some(operator), ..self }
    }

    /// The same arguments, for an operator of a net with this device option.
    pub(crate) fn of_net(self, net_device: Option<&DeviceOption>) -> Args<'a> {
        let own = self.def.device_option.as_ref().and_then(|device| device.random_seed);
        Args { random_seed: own.or_else(|| net_device.and_then(|device| device.random_seed)), ..self }
    }

    /// What the random numbers of the operator start from: `random_seed` of its device option, or of its
    /// net's. Without one it follows from the names of the outputs, so that every run gives the same
    /// numbers, and different blobs get different ones; Caffe2 takes one from the clock there.
    pub fn random_seed(&self) -> u64 {
        match self.random_seed {
            Some(seed) => seed.into(),
            None => self.def.output.iter().flat_map(|name| name.bytes().chain([0])).fold(FNV_OFFSET, fnv1a),
        }
    }

    /// The definition.
    pub fn def(&self) -> &'a OperatorDef {
        self.def
    }

    /// The number of inputs of the definition.
    pub fn input_count(&self) -> usize {
        self.def.input.len()
    }

    /// The number of outputs of the definition.
    pub fn output_count(&self) -> usize {
        self.def.output.len()
    }

    /// Whether the argument is given, whatever it holds.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of an argument that has a default in the schema, or is required.
    ///
    /// # Errors
    /// When the value is in another field, or does not fit `T`; when a required argument is absent.
    pub fn get<T: ArgType>(&self, name: &'static str) -> Result<T, ArgError> {
        let spec = self.spec(name, T::KIND)?;
        if let Some(arg) = self.find_decoded(name, T::KIND)? {
            return read_single(arg);
        }
        T::from_default(&spec.default).ok_or_else(|| {
            let problem = match spec.default {
                ArgDefault::Required => ArgProblem::Absent,
                _ => undeclared::<T>(format!("has no such default for it, but {}", spec.default)),
            };
            ArgError::new(name, problem)
        })
    }

    /// The value of an argument, or `None` when it is not given.
    ///
    /// # Errors
    /// As [`Args::get`].
    pub fn get_optional<T: ArgType>(&self, name: &'static str) -> Result<Option<T>, ArgError> {
        self.spec(name, T::KIND)?;
        self.find_decoded(name, T::KIND)?.map(read_single).transpose()
    }

    /// The list that an argument holds; empty when it is not given.
    ///
    /// # Errors
    /// When the values are in another field (Caffe2 reads an empty list then), or one does not fit `T`.
    pub fn list<T: ArgElement>(&self, name: &'static str) -> Result<Vec<T>, ArgError> {
        self.elements(name)?.map_or_else(|| Ok(Vec::new()), Iterator::collect)
    }

    /// The list that an argument holds, element by element: for long ones, which need no second copy then.
    /// `None` when it is not given.
    ///
    /// # Errors
    /// When the values are in another field; each element that does not fit `T` is an error in its place.
    pub fn elements<T: ArgElement>(
        &self,
        name: &'static str,
    ) -> Result<Option<impl ExactSizeIterator<Item = Result<T, ArgError>> + use<'a, T>>, ArgError> {
        self.spec(name, T::KIND)?;
        self.find_decoded(name, T::KIND)?.map(read_elements).transpose()
    }

    /// The list of numbers that an argument holds, where it is a long one that comes from a file and was not decoded.
    /// `None` when it is in the definition, to be read by [`Args::elements`] or [`Args::list`], or not given.
    ///
    /// The schema must [say](OpSchema::reads_long_list) that the operator calls this; for operators that do not, all
    /// lists are in the definition.
    ///
    /// # Errors
    /// As [`Args::list`].
    pub fn long_list<T: ArgElement>(&self, name: &'static str) -> Result<Option<LongList<T>>, ArgError> {
        self.spec(name, T::KIND)?;
        if !self.schema.has_long_list(name) {
            return Err(not_in_schema(name, "a long list"));
        }
        self.encoded.and_then(|operator| operator.numbers(name)).map(|n| LongList::new(name, n)).transpose()
    }

    /// The argument as it stands in the definition, for operators that judge by the fields that are set.
    ///
    /// # Errors
    /// When the schema has no such argument.
    pub fn raw(&self, name: &'static str) -> Result<Option<&'a Argument>, ArgError> {
        match self.schema.arg_spec(name) {
            Some(spec) => self.find_decoded(name, spec.kind),
            None => Err(not_in_schema(name, "a message")),
        }
    }

    /// The net that an argument holds, not copied; `None` when it is not given.
    ///
    /// # Errors
    /// When the argument holds something else.
    pub fn net(&self, name: &'static str) -> Result<Option<&'a NetDef>, ArgError> {
        self.spec(name, ArgKind::Net)?;
        self.find_decoded(name, ArgKind::Net)?.map(read_net).transpose()
    }

    fn find(&self, name: &str) -> Option<&'a Argument> {
        let at = self.by_name.binary_search_by(|a| a.name().cmp(name)).ok()?;
        Some(self.by_name[at])
    }

    /// The argument, to be read as `kind`: not as the list of numbers that was left in the form of the file.
    fn find_decoded(&self, name: &str, kind: ArgKind) -> Result<Option<&'a Argument>, ArgError> {
        match self.encoded.and_then(|operator| operator.numbers(name)) {
            None => Ok(self.find(name)),
            Some(numbers) => {
                let found = format!("`{}`", numbers.field().name());
                Err(ArgError::new(name, ArgProblem::Field { wanted: kind.field(), found }))
            }
        }
    }

    fn spec(&self, name: &'static str, kind: ArgKind) -> Result<&ArgSpec, ArgError> {
        match self.schema.arg_spec(name) {
            Some(spec) if spec.kind.serves(kind) => Ok(spec),
            Some(spec) => {
                let declared = format!("has it as {}", spec.kind.name());
                Err(ArgError::new(name, ArgProblem::Undeclared { wanted: kind.name(), declared }))
            }
            None => Err(not_in_schema(name, kind.name())),
        }
    }
}

/// Arguments that name a choice within another library; they change no result.
const LIBRARY_HINTS: [&str; 8] = [
    "cudnn_exhaustive_search",
    "exhaustive_search",
    "use_cudnn",
    "use_mkldnn",
    "enable_tensor_core",
    "ws_nbytes_limit",
    "order",
    "shared_buffer",
];

fn undeclared<T: ArgType>(declared: String) -> ArgProblem {
    ArgProblem::Undeclared { wanted: T::KIND.name(), declared }
}

fn not_in_schema(name: &str, wanted: &'static str) -> ArgError {
    ArgError::new(name, ArgProblem::Undeclared { wanted, declared: "does not have it".into() })
}

/// The arguments by name, each once: Caffe2 accepts one that is repeated with the same content.
fn sorted(args: &[Argument]) -> Result<Vec<&Argument>, ArgError> {
    let mut by_name: Vec<&Argument> = args.iter().collect();
    by_name.sort_by(|a, b| a.name().cmp(b.name()));
    for pair in by_name.windows(2) {
        if pair[0].name() == pair[1].name() {
            if pair[0] != pair[1] {
                return Err(ArgError::new(pair[0].name(), ArgProblem::Duplicate));
            }
            tracing::warn!(argument = pair[0].name(), "given more than once, with the same value");
        }
    }
    by_name.dedup_by(|a, b| a.name() == b.name());
    Ok(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::{NetDef, TensorProto};
    use proptest::prelude::*;

    fn schema() -> OpSchema {
        OpSchema::new("A")
            .arg("f", "", 0.5f32)
            .arg("i", "", 7)
            .arg("b", "", true)
            .arg("s", "", "text")
            .arg_required::<i32>("required", "")
            .arg_optional::<f32>("optional", "")
            .arg_optional::<NetDef>("n", "")
            .arg_optional::<TensorProto>("t", "")
            .arg_repeated::<f32>("fs", "")
            .arg_repeated::<i64>("is", "")
            .arg_repeated::<bool>("bs", "")
            .arg_repeated::<String>("ss", "")
    }

    fn with<R>(def: OperatorDef, read: impl Fn(&Args<'_>) -> R) -> R {
        let schema = schema();
        read(&Args::new(&def, &schema).unwrap())
    }

    fn problem<T: std::fmt::Debug>(result: Result<T, ArgError>) -> ArgProblem {
        result.unwrap_err().problem
    }

    #[test]
    fn absent_arguments_have_their_defaults() {
        with(OperatorDef::default(), |a| {
            assert_eq!((a.get::<f32>("f"), a.get::<f64>("f")), (Ok(0.5), Ok(0.5)));
            assert_eq!((a.get::<i64>("i"), a.get::<u8>("i")), (Ok(7), Ok(7)));
            assert_eq!((a.get::<bool>("b"), a.get::<String>("s")), (Ok(true), Ok("text".into())));
            assert_eq!(problem(a.get::<i32>("required")), ArgProblem::Absent);
            assert_eq!(a.get_optional::<f32>("optional"), Ok(None));
            assert_eq!((a.list::<i64>("is"), a.list::<String>("ss")), (Ok(vec![]), Ok(vec![])));
        });
    }

    #[test]
    fn nothing_is_converted() {
        let wrong = [
            (OperatorDef::new("A").arg("f", 1), "`i`"),
            (OperatorDef::new("A").arg("f", vec![1.0f32]), "`floats`"),
            (OperatorDef::new("A").arg("f", "1"), "`s`"),
        ];
        for (def, found) in wrong {
            let problem = with(def, |a| problem(a.get::<f32>("f")));
            assert_eq!(problem, ArgProblem::Field { wanted: "f", found: found.into() });
        }
        let empty = Argument { name: Some("i".into()), ..Argument::default() };
        let def = OperatorDef { arg: vec![empty], ..OperatorDef::default() };
        let found = with(def, |a| problem(a.get::<i64>("i")));
        assert_eq!(found, ArgProblem::Field { wanted: "i", found: "no value".into() });
    }

    #[test]
    fn the_right_field_counts_though_others_are_set() {
        let both = Argument { name: Some("f".into()), f: Some(2.0), i: Some(3), ..Argument::default() };
        let def = OperatorDef { arg: vec![both], ..OperatorDef::default() };
        assert_eq!(with(def, |a| a.get::<f32>("f")), Ok(2.0));
    }

    #[test]
    fn integers_must_fit_and_any_other_than_zero_is_true() {
        let big = || OperatorDef::new("A").arg("i", 300i64).arg("b", 2).arg("is", vec![1i64, -1]);
        with(big(), |a| {
            assert_eq!(problem(a.get::<u8>("i")), ArgProblem::Range { value: 300, target: "u8" });
            assert_eq!((a.get::<i16>("i"), a.get::<bool>("b")), (Ok(300), Ok(true)));
            assert_eq!(problem(a.list::<usize>("is")), ArgProblem::Range { value: -1, target: "usize" });
        });
    }

    #[test]
    fn lists_in_another_field_are_reported_and_empty_ones_are_empty() {
        let def = OperatorDef::new("A").arg("is", 3).arg("fs", Vec::<f32>::new()).arg("bs", vec![0i64, 2]);
        with(def, |a| {
            let found = ArgProblem::Field { wanted: "ints", found: "`i`".into() };
            assert_eq!(problem(a.list::<i64>("is")), found);
            assert_eq!((a.list::<f32>("fs"), a.list::<bool>("bs")), (Ok(vec![]), Ok(vec![false, true])));
            assert!(a.has("fs"));
        });
    }

    #[test]
    fn messages_are_arguments_too() {
        let def = OperatorDef::new("A").arg("n", NetDef::new("inner")).arg("t", TensorProto::default());
        with(def, |a| {
            assert_eq!(a.get_optional::<NetDef>("n").unwrap().unwrap().name(), "inner");
            assert!(a.get_optional::<TensorProto>("t").unwrap().is_some());
        });
    }

    #[test]
    fn repeated_arguments_must_agree() {
        let schema = schema();
        let same = OperatorDef::new("A").arg("i", 1).arg("i", 1);
        assert_eq!(Args::new(&same, &schema).unwrap().get::<i64>("i"), Ok(1));
        let other = OperatorDef::new("A").arg("i", 1).arg("f", 1.0f32).arg("i", 2);
        assert_eq!(Args::new(&other, &schema).unwrap_err(), ArgError::new("i", ArgProblem::Duplicate));
    }

    #[test]
    fn reads_that_the_schema_does_not_declare_are_mistakes() {
        with(OperatorDef::default(), |a| {
            assert!(matches!(problem(a.get::<i64>("none")), ArgProblem::Undeclared { .. }));
            assert!(matches!(problem(a.get::<i64>("f")), ArgProblem::Undeclared { .. }));
            assert!(matches!(problem(a.list::<f32>("is")), ArgProblem::Undeclared { .. }));
            assert!(matches!(problem(a.get::<f32>("optional")), ArgProblem::Undeclared { .. }));
            assert!(a.raw("none").is_err() && a.raw("i").unwrap().is_none());
        });
    }

    proptest! {
        #[test]
        fn reading_never_loses_a_digit(value in any::<i64>()) {
            let def = || OperatorDef::new("A").arg("i", value).arg("is", vec![value]);
            macro_rules! check {
                ($($t:ty),*) => {$(
                    let expected = <$t>::try_from(value).ok();
                    prop_assert_eq!(with(def(), |a| a.get::<$t>("i").ok()), expected);
                    prop_assert_eq!(with(def(), |a| a.list::<$t>("is").ok()), expected.map(|v| vec![v]));
                )*};
            }
            check!(i8, i16, i32, i64, u8, u16, u32, usize);
        }

        #[test]
        fn floats_keep_their_bits(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            let read = with(OperatorDef::new("A").arg("f", value), |a| a.get::<f32>("f")).unwrap();
            prop_assert_eq!(read.to_bits(), bits);
        }
    }
}
