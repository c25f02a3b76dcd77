//! What storing weights as bytes does to real models: accuracy of the digit classifier, boxes of the face detector.
//!
//! ```text
//! cargo run --release -p caffe2 --example quantization
//! ```
//!
//! prints the tables of docs/quantization.md.

// Parts of these are for the example `face_detector` alone.
#[allow(dead_code)]
#[path = "../face_detector/boxes.rs"]
mod boxes;
#[allow(dead_code)]
#[path = "../face_detector/detector.rs"]
mod detector;
mod digits;
mod faces;

use std::error::Error;
use std::path::{Path, PathBuf};

use caffe2::{NetDef, files};
use caffe2_transform::quantize::{QuantizeOptions, Scheme, quantize};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SCHEMES: [Scheme; 3] = [Scheme::Byte, Scheme::Fused8, Scheme::Half];

fn main() -> Result<()> {
    println!("{}", digits::table()?);
    println!("{}", faces::table()?);
    Ok(())
}

/// A model of the repository.
struct Model {
    folder: PathBuf,
    net: NetDef,
}

impl Model {
    fn open(name: &str) -> Result<Model> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models").join(name);
        let net = files::read_net(folder.join("predict_net.pb"))?;
        Ok(Model { folder, net })
    }

    fn init(&self) -> Result<NetDef> {
        Ok(files::read_net(self.folder.join("init_net.pb"))?)
    }

    /// An init net of floats in a scheme.
    fn stored(&self, floats: &NetDef, scheme: Scheme, options: QuantizeOptions) -> Result<NetDef> {
        Ok(quantize(floats, &self.net, &QuantizeOptions { scheme, ..options })?.init)
    }
}

/// 10 log10 of the mean square of what was over that of what changed.
fn decibels(before: &[f32], after: &[f32]) -> String {
    let square = |x: f64| x * x;
    let signal: f64 = before.iter().map(|&x| square(x.into())).sum();
    let noise: f64 = before.iter().zip(after).map(|(&x, &y)| square(f64::from(x) - f64::from(y))).sum();
    if noise == 0.0 { "exact".into() } else { format!("{:.1} dB", 10.0 * (signal / noise).log10()) }
}
