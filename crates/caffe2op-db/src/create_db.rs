//! `CreateDB`: opens a database for `Load` to read from.
//!
//! | argument | default | |
//! |---|---|---|
//! | `db` | required | path |
//! | `db_type` | required | `minidb` |
//! | `num_shards` | 1 | how many readers share the records |
//! | `shard_id` | 0 | which of them this is: so many records are passed over at the beginning |
//!
//! (Caffe2 `create_db_op.cc`, `db.h`.)

use caffe2_operator::{
    ArgError, Args, Blob, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

use crate::location::{self, Location, failed};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct CreateDbOp {
    location: Location,
    shard: usize,
}

impl OperatorType for CreateDbOp {
    const TYPE: &'static str = "CreateDB";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Opens a database for reading, at its first record. Load takes the records one after another from there.")
            .inputs(0)
            .outputs(1)
            .arg("db", "path of the database; it must lie in the folder of the workspace, where a relative one begins", "")
            .arg("db_type", location::DB_TYPE, "leveldb")
            .arg("num_shards", "how many readers share the records, 1 or more", 1)
            .arg("shard_id", "which of them this is: so many records are passed over at the beginning", 0)
            .output("reader", "the database, no tensor")
            .differences("In the workspace's folder alone, where relative paths begin; only databases of type `minidb`, which is not the default.")
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        location::check_type(args)?;
        let location = Location::new("db", args.get("db")?, true)?;
        let (shards, shard) = (args.get::<i32>("num_shards")?, args.get::<i32>("shard_id")?);
        if shards < 1 {
            return Err(ArgError::value("num_shards", format!("expected 1 or more, found {shards}")));
        }
        match usize::try_from(shard) {
            Ok(index) if shard < shards => Ok(CreateDbOp { location, shard: index }),
            _ => {
                let problem =
                    format!("expected 0 to {}, one less than `num_shards`, found {shard}", shards - 1);
                Err(ArgError::value("shard_id", problem))
            }
        }
    }
}

impl Operator for CreateDbOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let reader = self.location.open(io.folder()?)?;
        if !reader.skip(self.shard).map_err(failed)? {
            let (path, shard) = (self.location.given().display(), self.shard);
            return Err(OpError::Other(format!(
                "{path}: no more than {shard} records, and `shard_id` is {shard}"
            )));
        }
        *io.output_blob(0)? = Blob::new(reader);
        Ok(())
    }
}

register_cpu_operator!(CreateDbOp);
