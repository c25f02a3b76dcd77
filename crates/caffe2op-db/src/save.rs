//! `Save`: writes blobs to a database.
//!
//! | argument | default | |
//! |---|---|---|
//! | `db` | required | path |
//! | `db_type` | required | `minidb` |
//! | `absolute_path` | 0 | whether the path is taken as it is |
//! | `strip_prefix` | none | what names begin with that is left out |
//! | `blob_name_overrides` | none | other names, one for each input |
//! | `chunk_size` | -1 | elements of a tensor in a record; 0: all, -1: 1,000,000 |
//!
//! Keys and values are those of Caffe2 (`load_save_op.cc`, `blob_serialization.cc`): `NAME#%0` and so on for the chunks
//! of a tensor, the name for what is no tensor; a `BlobProto` each.

use std::collections::HashSet;

use caffe2_db::{DbError, NotWritten, minidb, write_whole};
use caffe2_operator::proto::{BlobProto, Caffe2Message as _};
use caffe2_operator::{
    ArgError, Args, BlobProtoError, DEFAULT_CHUNK_SIZE, OpError, OpIo, OpSchema, Operator, OperatorType,
    register_cpu_operator,
};

use crate::location::{self, Location, failed};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SaveOp {
    location: Location,
    names: Vec<String>,
    chunk_size: usize,
}

impl OperatorType for SaveOp {
    const TYPE: &'static str = "Save";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Writes blobs to a new database, in place of one that is there. A large tensor takes several records. If \
                 it fails, what was there before is left as it was.",
            )
            .inputs(1..)
            .outputs(0)
            .arg("db", "path of the database, relative to the folder of the workspace", "")
            .fill_using(location::arguments)
            .arg("strip_prefix", "the part of a blob's name that is left out, with all before it", "")
            .arg_repeated::<String>("blob_name_overrides", "names in the database, one for each input; those of the blobs without it")
            .arg("chunk_size", "elements of a tensor that one record holds; 0 for all of it, -1 for 1,000,000", -1)
            .input("X, Y, …", "tensors, 8-bit tensors with scale and zero point, or strings")
            .differences(
                "In the workspace's folder alone; only databases of type `minidb`. The records of a tensor stand in order. \
                 Caffe2 has destroyed the former file when it fails.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let chunk_size = match args.get::<i32>("chunk_size")? {
            -1 => DEFAULT_CHUNK_SIZE,
            size => usize::try_from(size)
                .map_err(|_| ArgError::value("chunk_size", format!("expected -1 or more, found {size}")))?,
        };
        Ok(SaveOp { location: Location::of(args, "db")?, names: names(args)?, chunk_size })
    }
}

/// The names of the inputs in the database.
fn names(args: &Args<'_>) -> Result<Vec<String>, ArgError> {
    let mut names: Vec<String> = args.list("blob_name_overrides")?;
    let prefix: String = args.get("strip_prefix")?;
    let wrong = |problem| Err(ArgError::value("blob_name_overrides", problem));
    if names.is_empty() {
        names = args.def().input.iter().map(|name| strip(name, &prefix).to_owned()).collect();
    } else if names.len() != args.input_count() {
        let (inputs, found) = (args.input_count(), names.len());
        return wrong(format!("expected {inputs} names, one for each input, found {found}"));
    } else if !prefix.is_empty() {
        return wrong("does not go together with `strip_prefix`".into());
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => wrong(format!("two inputs would be saved as `{twice}`; give each a name of its own")),
        None => Ok(names),
    }
}

/// A name behind the first occurrence of a prefix, wherever that is; the whole name where it has none.
pub(crate) fn strip<'a>(name: &'a str, prefix: &str) -> &'a str {
    if prefix.is_empty() { name } else { name.split_once(prefix).map_or(name, |(_, rest)| rest) }
}

/// Why nothing was written.
enum Failure {
    Op(OpError),
    Db(DbError),
    Blob(BlobProtoError),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Failure {
        Failure::Db(error)
    }
}

impl From<NotWritten> for Failure {
    fn from(error: NotWritten) -> Failure {
        Failure::Db(error.into())
    }
}

impl From<BlobProtoError> for Failure {
    fn from(error: BlobProtoError) -> Failure {
        Failure::Blob(error)
    }
}

impl Operator for SaveOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let target = self.location.target(io.folder()?)?;
        let mut at = 0;
        let written = write_whole(&target, |file| {
            let mut db = minidb::Writer::new(file);
            for (index, name) in self.names.iter().enumerate() {
                at = index;
                let put = |key: &str, proto: BlobProto| Ok::<_, Failure>(db.put(key, &proto.to_binary())?);
                io.input_blob(index).map_err(Failure::Op)?.put_records(name, self.chunk_size, put)?;
            }
            Ok(())
        });
        written.map_err(|failure| match failure {
            Failure::Db(error) => failed(error.in_file(self.location.given())),
            Failure::Blob(BlobProtoError::Tensor(source)) => OpError::Input { index: at, source },
            Failure::Blob(error) => OpError::input(at, error.to_string()),
            Failure::Op(error) => error,
        })
    }
}

register_cpu_operator!(SaveOp);
