//! Looks up and adds rows of a table of embeddings, with the table as bytes: a byte for each value, and a scale and a bias
//! for each row.
//!
//! ```text
//! cargo run --release -p caffe2 --example embedding_lookup
//! ```

use std::error::Error;

use caffe2::{NetDef, OperatorDef, Tensor, Workspace};

const ROWS: usize = 20_000;
const COLUMNS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let found = look_up()?;
    println!("the table: {} bytes as floats, {} as rows of bytes", found.float_bytes, found.fused_bytes);
    println!("the largest difference of a sum: {}", found.largest_difference);
    Ok(())
}

/// What the two tables take, and how far their sums differ.
pub struct Found {
    /// Bytes of the table as floats.
    pub float_bytes: usize,
    /// Bytes of the table as rows of bytes.
    pub fused_bytes: usize,
    /// The largest difference between two sums.
    pub largest_difference: f32,
}

/// Adds rows of both tables.
pub fn look_up() -> Result<Found, Box<dyn Error>> {
    let mut workspace = Workspace::new();
    // A table as it may come out of training: here by a rule, always the same.
    let values: Vec<f32> = (0..ROWS * COLUMNS).map(|i| ((i * 7919) % 4001) as f32 / 2000.0 - 1.0).collect();
    workspace.feed("table", Tensor::from_slice([ROWS, COLUMNS], &values)?);
    let quantize = OperatorDef::new("FloatToFused8BitRowwiseQuantized").input("table").output("fused");
    workspace.run_operator_once(&quantize)?;

    // Two bags: of three rows, and of two. A sum never expands the codes.
    let sums = |op: &str, table: &str, output: &str| {
        OperatorDef::new(op).inputs([table, "rows", "lengths"]).output(output)
    };
    let net = NetDef::new("bags").op(sums("SparseLengthsSum", "table", "by_floats")).op(sums(
        "SparseLengthsSumFused8BitRowwise",
        "fused",
        "by_bytes",
    ));
    workspace.feed("rows", Tensor::from_slice([5], &[3i64, 14, 15, 9_265, 19_999])?);
    workspace.feed("lengths", Tensor::from_slice([2], &[3i32, 2])?);
    workspace.run_net_once(&net)?;

    let (by_floats, by_bytes) = (workspace.fetch("by_floats")?, workspace.fetch("by_bytes")?);
    assert_eq!(by_bytes.dims(), [2, COLUMNS]);
    let pairs = by_floats.as_slice::<f32>()?.iter().zip(by_bytes.as_slice::<f32>()?);
    Ok(Found {
        float_bytes: workspace.tensor("table")?.byte_len(),
        fused_bytes: workspace.tensor("fused")?.byte_len(),
        largest_difference: pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max),
    })
}
