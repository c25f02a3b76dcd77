//! `Load`: reads blobs from databases.
//!
//! | argument | default | |
//! |---|---|---|
//! | `db`, `dbs` | required without inputs | path, or several |
//! | `db_type` | required without inputs | `minidb` |
//! | `absolute_path` | 0 | whether paths are taken as they are |
//! | `add_prefix` | none | put before every name of the database |
//! | `strip_prefix` | none | left out of every name of the database, with all before it |
//! | `source_blob_names` | the outputs | names in the database, one for each output |
//! | `load_all` | 0 | whether all blobs of the database are loaded |
//! | `allow_incomplete` | 0 | whether outputs may be absent from the database |
//! | `keep_device` | 0 | whether tensors of other devices are refused |
//! | `shape`, `dtype` | unknown | what inference is told of a single output |
//!
//! The name of a record's blob is its key up to `#%`, whatever its message says (Caffe2 `load_save_op.h`).

use std::collections::{HashMap, HashSet};

use caffe2_operator::{
    ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, InferContext, OpError, OpIo, OpSchema,
    Shape, SubNet, TensorInfo, data_type_from_proto, register_control_operator,
};

use crate::DbReader;
use crate::collect::{Collector, Found, Selection};
use crate::location::{self, Location};

/// The operator; see the [crate]. It runs no nets: it is a control operator since it can make blobs whose names stand
/// in the database alone.
#[derive(Debug)]
pub struct LoadOp {
    /// Read when there are no inputs.
    locations: Vec<Location>,
    selection: Selection,
    /// The names of the outputs in the database.
    names: Vec<String>,
    allow_incomplete: bool,
}

impl ControlOperatorType for LoadOp {
    const TYPE: &'static str = "Load";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Reads blobs from databases. The outputs tell which, by their names. If it fails, nothing is loaded.",
            )
            .arg("db", "path of the database, relative to the folder of the workspace; needed without inputs and `dbs`", "")
            .arg_repeated::<String>("dbs", "paths of several databases")
            .fill_using(location::arguments)
            .arg("add_prefix", "what is put before every name of the database", "")
            .arg("strip_prefix", "the part of every name of the database that is left out, with all before it", "")
            .arg_repeated::<String>(
                "source_blob_names",
                "names in the database, with prefixes taken into account, one for each output; those of the outputs without it",
            )
            .arg("load_all", "whether every blob of the database is loaded, into blobs that are made where there are none", false)
            .arg("allow_incomplete", "whether outputs that the database does not have are left as they are", false)
            .arg("keep_device", "whether a tensor that was saved on another device than the processor is an error", false)
            .arg_repeated::<i64>("shape", "the shape that inference is told, of a single output")
            .arg("dtype", "the data type that inference is told, of a single output with `shape`", 1)
            .input("reader, …", "databases that CreateDB opened, read from where they stand; none for those that arguments name")
            .output("X, Y, …", "the blobs: tensors, 8-bit tensors with scale and zero point, strings")
            .differences(
                "In the workspace's folder alone; only databases of type `minidb`. Records that overlap, or whose dimensions \
                 promise more than the file holds, are refused. Tensors saved by other devices are loaded. Caffe2 leaves \
                 what was loaded before a failure.",
            )
            .infer(infer)
    }

    fn sub_nets<'a>(_: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
        Ok(Vec::new())
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let load_all = args.get("load_all")?;
        let strip_prefix: String = args.get("strip_prefix")?;
        let names = source_names(args, load_all, &strip_prefix)?;
        let wanted = names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect();
        Ok(LoadOp {
            locations: if args.input_count() == 0 { locations(args)? } else { Vec::new() },
            selection: Selection {
                strip_prefix,
                add_prefix: args.get("add_prefix")?,
                wanted: if load_all { None } else { Some(wanted) },
                keep_device: args.get("keep_device")?,
            },
            names,
            allow_incomplete: args.get("allow_incomplete")?,
        })
    }
}

/// The names of the outputs in the database.
fn source_names(args: &Args<'_>, load_all: bool, strip_prefix: &str) -> Result<Vec<String>, ArgError> {
    let names: Vec<String> = args.list("source_blob_names")?;
    let wrong = |problem| Err(ArgError::value("source_blob_names", problem));
    let mut seen = HashSet::new();
    if names.is_empty() {
        let outputs = &args.def().output;
        return match outputs.iter().find(|name| !seen.insert(name.as_str())) {
            Some(twice) if !load_all => {
                wrong(format!("`{twice}` is an output twice; tell what is to become of each"))
            }
            _ => Ok(outputs.clone()),
        };
    }
    if names.len() != args.output_count() {
        let (outputs, found) = (args.output_count(), names.len());
        return wrong(format!("expected {outputs} names, one for each output, found {found}"));
    }
    if !strip_prefix.is_empty() {
        return wrong("does not go together with `strip_prefix`".into());
    }
    if load_all {
        return wrong("does not go together with `load_all`".into());
    }
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => wrong(format!("`{twice}` is given twice")),
        None => Ok(names),
    }
}

/// The databases that the arguments name.
fn locations(args: &Args<'_>) -> Result<Vec<Location>, ArgError> {
    let dbs: Vec<String> = args.list("dbs")?;
    if dbs.is_empty() {
        return Ok(vec![Location::of(args, "db")?]);
    }
    location::check_type(args)?;
    let mut seen = HashSet::new();
    if let Some(twice) = dbs.iter().find(|db| !seen.insert(db.as_str())) {
        return Err(ArgError::value("dbs", format!("`{twice}` is given twice")));
    }
    let absolute = args.get("absolute_path")?;
    dbs.into_iter().map(|db| Location::new("dbs", db, absolute)).collect()
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = context.args();
    let dims: Vec<i64> = args.list("shape")?;
    if context.output_count() != 1 || dims.is_empty() {
        return Ok(Vec::new());
    }
    let number = args.get::<i64>("dtype")?;
    let data_type =
        data_type_from_proto(number).map_err(|e| OpError::Arg(ArgError::value("dtype", e.to_string())))?;
    Ok(vec![TensorInfo::new(data_type, Shape::from_i64s(&dims)?)])
}

impl LoadOp {
    /// Reads what is wanted.
    fn read(&self, io: &OpIo<'_>) -> Result<Found, OpError> {
        let mut collector = Collector::new(&self.selection, io.memory());
        for input in 0..io.input_count() {
            io.input_value(input, |reader: &DbReader| collector.take(input, reader))??;
        }
        for (index, location) in self.locations.iter().enumerate() {
            collector.take(index, &location.open(io.folder()?)?)?;
        }
        collector.finish()
    }

    /// Fails when an output is not there.
    fn check(&self, found: &Found) -> Result<(), OpError> {
        let there: HashSet<&str> = found.blobs.iter().map(|(name, ..)| name.as_str()).collect();
        let names = self.names.iter().map(String::as_str);
        let missing: Vec<_> = names.filter(|name| !there.contains(name)).collect();
        if missing.is_empty() || self.allow_incomplete && self.selection.wanted.is_some() {
            return Ok(());
        }
        let there: Vec<_> =
            found.blobs.iter().map(|(name, ..)| name).chain(&found.others).map(String::as_str).collect();
        let there = if there.is_empty() { "nothing".to_owned() } else { listed(&there) };
        Err(OpError::Other(format!("{} not found; there is {there}", listed(&missing))))
    }
}

/// Some names, the first ones of many.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 8;
    let shown: Vec<_> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MOST);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

impl ControlOperator for LoadOp {
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
        let found = self.read(&io.op_io())?;
        self.check(&found)?;
        let names = self.names.iter().map(String::as_str);
        // Of outputs of one name the first.
        let positions: HashMap<&str, usize> = names.rev().zip((0..self.names.len()).rev()).collect();
        let mut outputs = io.op_io();
        let mut others = Vec::new();
        for (name, output, blob) in found.blobs {
            match output.or_else(|| positions.get(name.as_str()).copied()) {
                Some(index) => *outputs.output_blob(index)? = blob,
                None => others.push((name, blob)),
            }
        }
        others.into_iter().for_each(|(name, blob)| io.put(&name, blob));
        Ok(())
    }
}

register_control_operator!(LoadOp);
