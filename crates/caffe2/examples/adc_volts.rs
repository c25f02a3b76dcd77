//! Turns codes of an analogue-to-digital converter into volts: its smallest and largest code are not 0 and 255.
//!
//! ```text
//! cargo run --release -p caffe2 --example adc_volts
//! ```
//!
//! The converter gives 16 for 0 V and 236 for 2.2 V. `ByteWeightDequant` takes these bounds as `qmin` and `qmax`, which are
//! additions to the operator of Caffe2.

use std::error::Error;

use caffe2::{OperatorDef, Tensor, Workspace};

fn main() -> Result<(), Box<dyn Error>> {
    let codes = [0u8, 16, 126, 236, 255];
    for (code, volts) in codes.iter().zip(volts(&codes)?) {
        println!("{code:3} is {volts:5.2} V");
    }
    Ok(())
}

/// What the codes stand for. Codes outside the bounds lie on the same line.
pub fn volts(codes: &[u8]) -> Result<Vec<f32>, Box<dyn Error>> {
    let to_volts = OperatorDef::new("ByteWeightDequant")
        .input("codes")
        .output("volts")
        .arg("qmin", 16)
        .arg("qmax", 236)
        .arg("min", 0.0f32)
        .arg("max", 2.2f32);
    let mut workspace = Workspace::new();
    workspace.feed("codes", Tensor::from_slice([codes.len()], codes)?);
    workspace.run_operator_once(&to_volts)?;
    Ok(workspace.fetch("volts")?.as_slice::<f32>()?.to_vec())
}
