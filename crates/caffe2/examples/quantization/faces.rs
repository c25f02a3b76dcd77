//! The face detector: how far its boxes move.
//!
//! Its weights come as bytes, so that "floats" are the floats these stand for, and the scheme `byte` finds the codes
//! again.

use caffe2::NetDef;
use caffe2::proto::prost::Message as _;
use caffe2_transform::dequantize::dequantize;
use caffe2_transform::quantize::QuantizeOptions;
use image::{RgbImage, imageops};

use crate::boxes::{Face, SIDE, faces};
use crate::detector::Detector;
use crate::{Model, Result, SCHEMES, decibels};

/// Sides of the photo in the detector's square of 416 pixels.
const SIDES: [u32; 4] = [416, 352, 288, 224];

/// A table with a row for floats and one for each scheme.
pub(crate) fn table() -> Result<String> {
    let model = Model::open("tiny_face_detector")?;
    let pictures = pictures(&model)?;
    let init = dequantize(&model.init()?, Some(&model.net))?.init;
    let before = grids(&model, &init, &pictures)?;
    let mut text = format!(
        "| faces in {} pictures | bytes of the init net | found | score moves by | box moves by | grid: signal to noise |\n\
         |---|---|---|---|---|---|\n",
        pictures.len()
    );
    text += &format!("| floats | {} | {} | | | |\n", init.encoded_len(), count(&before));
    for scheme in SCHEMES {
        // Small weights and biases too, as in the model.
        let options =
            QuantizeOptions { min_elements: 1, only: vec!["conv*".into()], ..QuantizeOptions::default() };
        let stored = model.stored(&init, scheme, options)?;
        let after = grids(&model, &stored, &pictures)?;
        let (score, pixels) = moves(&before, &after);
        text += &format!(
            "| {} | {} | {} | {score:.1e} | {pixels:.3} pixels | {} |\n",
            scheme.name(),
            stored.encoded_len(),
            count(&after),
            decibels(&before.concat(), &after.concat()),
        );
    }
    Ok(text)
}

fn count(grids: &[Vec<f32>]) -> usize {
    grids.iter().map(|grid| faces(grid).len()).sum()
}

/// The most that the score and a side of the box of a face move.
fn moves(before: &[Vec<f32>], after: &[Vec<f32>]) -> (f32, f32) {
    let sides = |face: &Face| [face.x, face.y, face.x + face.width, face.y + face.height];
    let mut most = (0.0f32, 0.0f32);
    for (before, after) in before.iter().zip(after) {
        for (b, a) in faces(before).iter().zip(&faces(after)) {
            most.0 = most.0.max((b.score - a.score).abs());
            let pixels = sides(b).into_iter().zip(sides(a)).map(|(b, a)| (b - a).abs());
            most.1 = pixels.fold(most.1, f32::max);
        }
    }
    most
}

/// What the net computes of each picture.
fn grids(model: &Model, init: &NetDef, pictures: &[RgbImage]) -> Result<Vec<Vec<f32>>> {
    let mut detector = Detector::new(init, &model.net)?;
    pictures.iter().map(|picture| Ok(detector.grid(picture)?.as_slice::<f32>()?.to_vec())).collect()
}

/// The photo of the model and its mirror image in several sizes, in the corner of a black square.
fn pictures(model: &Model) -> Result<Vec<RgbImage>> {
    let photo = image::open(model.folder.join("photo.png"))?.into_rgb8();
    let mut pictures = Vec::new();
    for side in SIDES {
        let scaled = imageops::resize(&photo, side, side, imageops::FilterType::Triangle);
        for photo in [imageops::flip_horizontal(&scaled), scaled] {
            let mut picture = RgbImage::new(SIDE, SIDE);
            imageops::replace(&mut picture, &photo, 0, 0);
            pictures.push(picture);
        }
    }
    Ok(pictures)
}
