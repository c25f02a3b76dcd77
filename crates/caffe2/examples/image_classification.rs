//! Tells what is in pictures: a net of Caffe2 from its two files, and a batch of pictures.
//!
//! ```text
//! cargo run --release -p caffe2 --example image_classification
//! ```
//!
//! The classifier of handwritten digits comes with this repository, in `tests/models/digits`, with pictures and what they
//! show. For photographs, `caffe2 predict` also scales, cuts and subtracts the mean.

use std::error::Error;
use std::path::Path;

use caffe2::{Predictor, files};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits");

fn main() -> Result<(), Box<dyn Error>> {
    let (right, of) = classify()?;
    println!("{right} of {of} are right");
    Ok(())
}

/// How many pictures are named rightly, and of how many.
pub fn classify() -> Result<(usize, usize), Box<dyn Error>> {
    let model = Path::new(MODEL);
    // The weights of this init net are bytes, and stay bytes.
    let predictor = Predictor::load(model.join("init_net_byte.pb"), model.join("predict_net.pb"))?;
    println!("the net takes {}", predictor.inputs()[0]);

    let pictures = files::read_tensors(model.join("test_images.npz"))?;
    let outputs = predictor.run(&pictures)?;
    let (name, scores) = &outputs[0];
    println!("and gives `{name}`, {}", scores.shape());

    let labels = files::read_tensor(model.join("test_labels.npy"))?;
    let (scores, labels) = (scores.as_slice::<f32>()?, labels.as_slice::<i32>()?);
    let classes = scores.len() / labels.len();
    let found: Vec<Vec<(usize, f32)>> = scores.chunks(classes).map(ranked).collect();
    for (class, score) in &found[0][..3] {
        println!("the first picture: {class} by {:.1} %", 100.0 * score);
    }
    let right = found.iter().zip(labels).filter(|(found, label)| found[0].0 as i32 == **label).count();
    Ok((right, labels.len()))
}

/// Classes with their scores, the best first.
fn ranked(scores: &[f32]) -> Vec<(usize, f32)> {
    let mut classes: Vec<_> = scores.iter().copied().enumerate().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    classes
}
