//! Finds faces in a picture, and draws boxes around them.
//!
//! ```text
//! cargo run --release -p caffe2 --example face_detector -- photo.jpg --output boxes.png
//! ```
//!
//! The detector is a trained network of 193 KB whose weights are stored as bytes; it comes with this
//! repository, in `tests/models/tiny_face_detector`.

mod boxes;
mod detector;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Rgb, RgbImage};

use boxes::Face;
use detector::Detector;

/// Finds faces in a picture
#[derive(Parser)]
struct Args {
    /// The picture, PNG or JPEG
    picture: PathBuf,

    /// Where to write the picture with boxes, as PNG
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Folder of the detector's init_net.pb and predict_net.pb
    #[arg(long, value_name = "FOLDER", default_value = MODEL)]
    model: PathBuf,
}

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/tiny_face_detector");

const COLOUR: Rgb<u8> = Rgb([64, 255, 96]);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut picture = read_picture(&args.picture).map_err(|e| format!("{}: {e}", args.picture.display()))?;
    let faces = Detector::load(&args.model)?.detect(&picture)?;
    println!("{} {} found", faces.len(), if faces.len() == 1 { "face" } else { "faces" });
    for Face { score, x, y, width, height } in &faces {
        println!("score {score:.6}  x {x:.3}  y {y:.3}  width {width:.3}  height {height:.3}");
    }
    let Some(output) = &args.output else { return Ok(()) };
    faces.iter().for_each(|face| draw(&mut picture, face));
    picture
        .save_with_format(output, image::ImageFormat::Png)
        .map_err(|e| format!("{}: {e}", output.display()).into())
}

/// Reads a picture, upright also where the camera noted only how it was held.
fn read_picture(path: &Path) -> Result<RgbImage, Box<dyn Error>> {
    let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Draws the outline of a face's box, as thick as can be seen at the size of the picture.
fn draw(picture: &mut RgbImage, face: &Face) {
    let thickness = (picture.width().max(picture.height()) as f32 / 120.0).max(2.0);
    let inside = |x: f32, y: f32, margin: f32| {
        let across = (face.x + margin..=face.x + face.width - margin).contains(&x);
        across && (face.y + margin..=face.y + face.height - margin).contains(&y)
    };
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        if inside(x, y, -thickness / 2.0) && !inside(x, y, thickness / 2.0) {
            *pixel = COLOUR;
        }
    }
}
