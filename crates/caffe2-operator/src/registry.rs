//! The operator types that can be made.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, OnceLock};

use caffe2_proto::OperatorDef;
use hashbrown::HashMap;

use crate::catalog;
use crate::control::{ControlOperator, ControlOperatorType, SubNet};
use crate::{ArgError, ArgProblem, Args, OpSchema, Operator, OperatorType};

/// A type of device, by Caffe2's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceType(pub i32);

impl DeviceType {
    /// The processor.
    pub const CPU: DeviceType = DeviceType(0);
}

impl std::fmt::Display for DeviceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match caffe2_proto::DeviceTypeProto::try_from(self.0) {
            Ok(known) => f.write_str(known.as_str_name().trim_start_matches("PROTO_")),
            Err(_) => write!(f, "device type {}", self.0),
        }
    }
}

/// Where an operator was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The crate.
    pub package: &'static str,
    /// The file, as the compiler saw it.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

impl Origin {
    #[track_caller]
    fn of_caller() -> Origin {
        let caller = std::panic::Location::caller();
        Origin { package: "an explicit registry", file: caller.file(), line: caller.line() }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.package, self.file, self.line)
    }
}

/// What [`register_cpu_operator!`](crate::register_cpu_operator) submits: constant data and functions;
/// nothing of it runs before `main`.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    op_type: &'static str,
    device: DeviceType,
    engine: &'static str,
    origin: Origin,
    schema: fn() -> OpSchema,
    create: Create,
}

#[derive(Debug, Clone, Copy)]
enum Create {
    Operator(fn(&Args<'_>) -> Result<Box<dyn Operator>, ArgError>),
    Control {
        create: fn(&Args<'_>) -> Result<Box<dyn ControlOperator>, ArgError>,
        sub_nets: for<'a> fn(&Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError>,
    },
}

/// An operator that was made, not yet wired to blobs.
pub(crate) enum Created<'a> {
    Operator(Box<dyn Operator>),
    Control(Box<dyn ControlOperator>, Vec<SubNet<'a>>),
}

inventory::collect!(Registration);

impl Registration {
    /// The registration of `O` for the processor, with `engine` (empty for the default one).
    pub const fn cpu<O: OperatorType>(engine: &'static str, origin: Origin) -> Registration {
        Registration {
            op_type: O::TYPE,
            device: DeviceType::CPU,
            engine,
            origin,
            schema: O::schema,
            create: Create::Operator(|args| Ok(Box::new(O::from_args(args)?))),
        }
    }

    /// The registration of the control operator `O`.
    pub const fn control<O: ControlOperatorType>(origin: Origin) -> Registration {
        Registration {
            op_type: O::TYPE,
            device: DeviceType::CPU,
            engine: "",
            origin,
            schema: O::schema,
            create: Create::Control {
                create: |args| Ok(Box::new(O::from_args(args)?)),
                sub_nets: O::sub_nets,
            },
        }
    }

    /// The operator type.
    pub fn op_type(&self) -> &'static str {
        self.op_type
    }

    /// The device that the operator runs on.
    pub fn device(&self) -> DeviceType {
        self.device
    }

    /// The engine; empty for the default one.
    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// Where it was registered.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the operator runs nets that its arguments hold: a [`ControlOperator`].
    pub fn runs_nets(&self) -> bool {
        matches!(self.create, Create::Control { .. })
    }

    fn create<'a>(&self, args: &Args<'a>) -> Result<Created<'a>, ArgError> {
        match self.create {
            Create::Operator(create) => create(args).map(Created::Operator),
            Create::Control { create, sub_nets } => Ok(Created::Control(create(args)?, sub_nets(args)?)),
        }
    }

    fn key(&self) -> (&'static str, DeviceType, &'static str) {
        (self.op_type, self.device, self.engine)
    }
}

/// Two registrations of the same operator type, device and engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operator `{op_type}` (engine `{engine}`, {device}) is registered twice: by {first} and by {second}")]
pub struct DuplicateOperator {
    /// The operator type.
    pub op_type: &'static str,
    /// The engine.
    pub engine: String,
    /// The device.
    pub device: DeviceType,
    /// One of the origins.
    pub first: String,
    /// The other.
    pub second: String,
}

/// The operator types that can be made, by type, device and engine.
///
/// [`OpRegistry::linked`] has all that the crates of the program submitted;
/// [`OpRegistry::builder`] makes one of chosen types.
#[derive(Debug, Default)]
pub struct OpRegistry {
    types: HashMap<&'static str, TypeEntry>,
}

#[derive(Debug)]
struct TypeEntry {
    /// Of the default engine first, where there is one.
    registrations: Vec<Registration>,
    schema: OnceLock<OpSchema>,
}

impl TypeEntry {
    fn schema(&self) -> &OpSchema {
        self.schema.get_or_init(|| (self.registrations[0].schema)())
    }

    fn find(&self, device: DeviceType, engine: &str) -> Option<&Registration> {
        self.registrations.iter().find(|r| r.device == device && r.engine == engine)
    }
}

/// Why no operator was made.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// The type, or none of its engines on this device.
    NotRegistered(String),
    Arg(ArgError),
}

impl OpRegistry {
    /// All operators that the crates of this program submitted.
    ///
    /// A crate submits its operators only if it is linked: naming it in `Cargo.toml` is not enough, some
    /// code must mention it (`use caffe2op_conv as _;`).
    ///
    /// # Errors
    /// When two submissions have the same type, device and engine.
    pub fn linked() -> Result<Arc<OpRegistry>, DuplicateOperator> {
        static LINKED: LazyLock<Result<Arc<OpRegistry>, DuplicateOperator>> = LazyLock::new(|| {
            build(inventory::iter::<Registration>.into_iter().copied().collect()).map(Arc::new)
        });
        LINKED.clone()
    }

    /// A registry of chosen operators, without any that were submitted.
    ///
    /// ```
    /// # use caffe2_operator::*;
    /// # struct MyOp;
    /// # impl OperatorType for MyOp {
    /// #     const TYPE: &'static str = "My";
    /// #     fn schema() -> OpSchema { OpSchema::new(Self::TYPE) }
    /// #     fn from_args(_: &Args<'_>) -> Result<Self, ArgError> { Ok(MyOp) }
    /// # }
    /// # impl Operator for MyOp {
    /// #     fn run(&mut self, _: &mut OpIo<'_>) -> Result<(), OpError> { Ok(()) }
    /// # }
    /// let registry = OpRegistry::builder().operator::<MyOp>().build()?;
    /// assert_eq!(registry.op_types(), ["My"]);
    /// let workspace = Workspace::with_registry(registry);
    /// # Ok::<(), DuplicateOperator>(())
    /// ```
    pub fn builder() -> OpRegistryBuilder {
        OpRegistryBuilder::default()
    }

    /// All operator types, sorted.
    pub fn op_types(&self) -> Vec<&'static str> {
        let mut types: Vec<_> = self.types.keys().copied().collect();
        types.sort_unstable();
        types
    }

    /// All registrations, sorted by type, device and engine.
    pub fn registrations(&self) -> Vec<Registration> {
        let mut all: Vec<_> = self.types.values().flat_map(|t| &t.registrations).copied().collect();
        all.sort_unstable_by_key(Registration::key);
        all
    }

    /// The schema of an operator type.
    pub fn schema(&self, op_type: &str) -> Option<&OpSchema> {
        self.types.get(op_type).map(TypeEntry::schema)
    }

    /// Makes the operator of a definition that passed its schema: the engines that it names, in their
    /// order, then the default one. An engine that is not registered, or does not serve these
    /// arguments, is passed over.
    pub(crate) fn create<'a>(
        &self,
        def: &OperatorDef,
        device: DeviceType,
        args: &Args<'a>,
    ) -> Result<(Created<'a>, &Registration), CreateError> {
        let Some(entry) = self.types.get(def.r#type()) else {
            return Err(CreateError::NotRegistered(self.explain_missing(def.r#type())));
        };
        let mut unsupported = None;
        let named = def.engine().split(',').filter(|engine| !matches!(*engine, "" | "DEFAULT"));
        for engine in named.chain([""]) {
            let Some(registration) = entry.find(device, engine) else { continue };
            match registration.create(args) {
                Ok(operator) => return Ok((operator, registration)),
                Err(error) if matches!(error.problem, ArgProblem::Unsupported(_)) => {
                    unsupported = Some(error)
                }
                Err(error) => return Err(CreateError::Arg(error)),
            }
        }
        Err(match unsupported {
            Some(error) => CreateError::Arg(error),
            None => CreateError::NotRegistered(entry.explain_no_engine(def, device)),
        })
    }

    /// The nets within an operator; none where its arguments cannot be read, which making it tells.
    pub(crate) fn sub_nets<'a>(&'a self, def: &'a OperatorDef) -> Vec<SubNet<'a>> {
        let Some(entry) = self.types.get(def.r#type()) else { return Vec::new() };
        let Create::Control { sub_nets, .. } = entry.registrations[0].create else { return Vec::new() };
        Args::new(def, entry.schema()).and_then(|args| sub_nets(&args)).unwrap_or_default()
    }

    /// Why an operator type is not there, and what to do about it.
    pub(crate) fn explain_missing(&self, op_type: &str) -> String {
        let mut text = format!("operator type `{op_type}` is not registered");
        if let Some(package) = catalog::crate_of(op_type) {
            let module = package.replace('-', "_");
            let _ = write!(
                text,
                "; it is in the crate `{package}`: depend on it and mention it in code (`use {module} as _;`), \
                 or depend on `caffe2`, which links all operator crates"
            );
        } else {
            let near = nearest(op_type, self.types.keys().copied().chain(catalog::op_types()));
            match near.as_slice() {
                [] => text.push_str(", and no operator crate of this project has it"),
                near => {
                    let _ = write!(text, "; similar names are {}", near.join(", "));
                }
            }
        }
        text
    }
}

impl TypeEntry {
    fn explain_no_engine(&self, def: &OperatorDef, device: DeviceType) -> String {
        let known: Vec<_> =
            self.registrations.iter().map(|r| format!("engine `{}` on {}", r.engine, r.device)).collect();
        format!(
            "operator type `{}` is not registered for {device} with engine `{}`; registered is {}",
            def.r#type(),
            def.engine(),
            known.join(", ")
        )
    }
}

/// The names most like `op_type`, best first.
fn nearest<'a>(op_type: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(&op_type.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    near.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect()
}

fn build(mut registrations: Vec<Registration>) -> Result<OpRegistry, DuplicateOperator> {
    registrations.sort_by_key(|r| (r.key(), r.origin.package, r.origin.file, r.origin.line));
    let mut types: HashMap<&'static str, TypeEntry> = HashMap::with_capacity(registrations.len());
    for r in registrations {
        let entry = types
            .entry(r.op_type)
            .or_insert_with(|| TypeEntry { registrations: Vec::new(), schema: OnceLock::new() });
        if let Some(first) = entry.find(r.device, r.engine) {
            return Err(DuplicateOperator {
                op_type: r.op_type,
                engine: r.engine.to_owned(),
                device: r.device,
                first: first.origin.to_string(),
                second: r.origin.to_string(),
            });
        }
        entry.registrations.push(r);
    }
    Ok(OpRegistry { types })
}

/// Makes an [`OpRegistry`] of chosen operators.
#[derive(Debug, Default)]
pub struct OpRegistryBuilder {
    registrations: Vec<Registration>,
}

impl OpRegistryBuilder {
    /// Adds an operator for the processor.
    #[track_caller]
    pub fn operator<O: OperatorType>(self) -> OpRegistryBuilder {
        self.operator_with_engine::<O>("")
    }

    /// Adds an operator for the processor as an engine of its type.
    #[track_caller]
    pub fn operator_with_engine<O: OperatorType>(mut self, engine: &'static str) -> OpRegistryBuilder {
        self.registrations.push(Registration::cpu::<O>(engine, Origin::of_caller()));
        self
    }

    /// Adds a control operator.
    #[track_caller]
    pub fn control_operator<O: ControlOperatorType>(mut self) -> OpRegistryBuilder {
        self.registrations.push(Registration::control::<O>(Origin::of_caller()));
        self
    }

    /// Adds everything that the crates of this program submitted.
    pub fn linked(mut self) -> OpRegistryBuilder {
        self.registrations.extend(inventory::iter::<Registration>.into_iter().copied());
        self
    }

    /// The registry.
    ///
    /// # Errors
    /// When two operators have the same type, device and engine.
    pub fn build(self) -> Result<Arc<OpRegistry>, DuplicateOperator> {
        build(self.registrations).map(Arc::new)
    }
}

/// Makes an [`OperatorType`] known to [`OpRegistry::linked`], for the processor: one line in an operator
/// crate.
///
/// ```text
/// register_cpu_operator!(ConvOp);
/// register_cpu_operator!(DepthwiseConvOp, engine = "DEPTHWISE_3x3");
/// ```
#[macro_export]
macro_rules! register_cpu_operator {
    ($operator:ty) => {
        $crate::register_cpu_operator!($operator, engine = "");
    };
    ($operator:ty, engine = $engine:literal) => {
        $crate::__private::inventory::submit! {
            $crate::Registration::cpu::<$operator>(
                $engine,
                $crate::Origin { package: env!("CARGO_PKG_NAME"), file: file!(), line: line!() },
            )
        }
    };
}

/// Makes a [`ControlOperatorType`] known to [`OpRegistry::linked`].
///
/// ```text
/// register_control_operator!(IfOp);
/// ```
#[macro_export]
macro_rules! register_control_operator {
    ($operator:ty) => {
        $crate::__private::inventory::submit! {
            $crate::Registration::control::<$operator>($crate::Origin {
                package: env!("CARGO_PKG_NAME"),
                file: file!(),
                line: line!(),
            })
        }
    };
}
