//! The digit classifier: how many of the test images it names rightly.

use caffe2::proto::prost::Message as _;
use caffe2::{NetDef, Tensor, Workspace, files};
use caffe2_transform::quantize::QuantizeOptions;

use crate::{Model, Result, SCHEMES, decibels};

/// A table with a row for floats and one for each scheme.
pub(crate) fn table() -> Result<String> {
    let model = Model::open("digits")?;
    let labels = files::read_tensor(model.folder.join("test_labels.npy"))?;
    let labels = labels.as_slice::<i32>()?;
    let init = model.init()?;
    let before = scores(&model, &init)?;
    let same = |a: &[i32], b: &[i32]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    let mut text = String::from(
        "| digits | bytes of the init net | right, of 360 | same digit as with floats | softmax: largest change | signal to noise |\n\
         |---|---|---|---|---|---|\n",
    );
    text += &format!("| floats | {} | {} | | | |\n", init.encoded_len(), same(&digits(&before), labels));
    for scheme in SCHEMES {
        // All three weights: the smallest has 72 elements.
        let options = QuantizeOptions { min_elements: 64, ..QuantizeOptions::default() };
        let stored = model.stored(&init, scheme, options)?;
        let after = scores(&model, &stored)?;
        let largest = before.iter().zip(&after).map(|(b, a)| (b - a).abs()).fold(0.0, f32::max);
        text += &format!(
            "| {} | {} | {} | {} | {largest:.4} | {} |\n",
            scheme.name(),
            stored.encoded_len(),
            same(&digits(&after), labels),
            same(&digits(&before), &digits(&after)),
            decibels(&before, &after),
        );
    }
    Ok(text)
}

/// The softmax of all test images, ten numbers each.
fn scores(model: &Model, init: &NetDef) -> Result<Vec<f32>> {
    let mut workspace = Workspace::new();
    workspace.run_net_once(init)?;
    let images: Tensor = files::read_tensor(model.folder.join("test_images.npz"))?;
    workspace.feed("data", images);
    workspace.run_net_once(&model.net)?;
    Ok(workspace.fetch("softmax")?.as_slice::<f32>()?.to_vec())
}

fn digits(scores: &[f32]) -> Vec<i32> {
    let greatest = |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
    scores.chunks(10).filter_map(|row| greatest(row).map(|digit| digit as i32)).collect()
}
