//! `DBExists`: whether there is a database.
//!
//! | argument | default | |
//! |---|---|---|
//! | `db_name` | required | path |
//! | `db_type` | required | `minidb` |
//! | `absolute_path` | 0 | whether the path is taken as it is |
//!
//! (Caffe2 `load_save_op.cc`.)

use caffe2_operator::{
    ArgError, Args, DataType, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

use crate::location::{self, Location};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct DbExistsOp {
    location: Location,
}

impl OperatorType for DbExistsOp {
    const TYPE: &'static str = "DBExists";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Tells whether there is a database that can be opened for reading.")
            .inputs(0)
            .outputs(1)
            .arg("db_name", "path of the database, relative to the folder of the workspace", "")
            .fill_using(location::arguments)
            .output("exists", "bool tensor of no dimensions")
            .differences("In the workspace's folder alone: what lies elsewhere does not exist.")
            .infer(|_| Ok(vec![TensorInfo::new(DataType::Bool, Shape::scalar())]))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(DbExistsOp { location: Location::of(args, "db_name")? })
    }
}

impl Operator for DbExistsOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let exists = self.location.exists(io.folder()?);
        io.output_slice::<bool>(0, [])?.fill(exists);
        Ok(())
    }
}

register_cpu_operator!(DbExistsOp);
