//! The detector: pictures in, faces out.

use std::error::Error;
use std::path::Path;

use caffe2::{NetDef, Tensor, Workspace, files};
use image::{RgbImage, imageops};

use crate::boxes::{Face, SIDE, faces};

/// A trained detector, ready to run.
pub(crate) struct Detector {
    workspace: Workspace,
    net: String,
}

impl Detector {
    /// Loads `init_net.pb` and `predict_net.pb` of a folder. The weights are bytes there; the init net makes
    /// floats of them.
    pub(crate) fn load(folder: &Path) -> Result<Detector, Box<dyn Error>> {
        let [init, net] = ["init_net.pb", "predict_net.pb"].map(|file| files::read_net(folder.join(file)));
        Detector::new(&init?, &net?)
    }

    /// A detector of these two nets.
    pub(crate) fn new(init: &NetDef, net: &NetDef) -> Result<Detector, Box<dyn Error>> {
        let mut workspace = Workspace::new();
        workspace.run_net_once(init)?;
        let side = SIDE as usize;
        workspace.feed("data", Tensor::zeros::<f32>([1, 3, side, side])?);
        let net = workspace.create_net(net)?.info().name().to_owned();
        Ok(Detector { workspace, net })
    }

    /// Finds the faces in a picture, surest first, in its pixels.
    pub(crate) fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, Box<dyn Error>> {
        let longer = picture.width().max(picture.height());
        let grid = self.grid(picture)?;
        let factor = longer as f32 / SIDE as f32;
        Ok(faces(grid.as_slice()?).into_iter().map(|face| face.scaled(factor)).collect())
    }

    /// What the net computes of a picture.
    pub(crate) fn grid(&mut self, picture: &RgbImage) -> Result<Tensor, Box<dyn Error>> {
        self.workspace.feed("data", input(picture)?);
        self.workspace.run_net(&self.net)?;
        Ok(self.workspace.fetch("grid")?)
    }
}

/// The picture scaled so that its longer side fills the square, in the top left corner of blackness; as
/// `[1, 3, 416, 416]` numbers from 0 to 255, red before green before blue.
fn input(picture: &RgbImage) -> Result<Tensor, Box<dyn Error>> {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if width.min(height) == 0 {
        return Err("the picture has no pixels".into());
    }
    let side_of =
        |pixels: u32| (f64::from(pixels) * f64::from(SIDE) / f64::from(longer)).round().max(1.0) as u32;
    let scaled = match longer {
        SIDE => picture.clone(),
        _ => imageops::resize(picture, side_of(width), side_of(height), imageops::FilterType::Triangle),
    };
    let side = SIDE as usize;
    let mut tensor = Tensor::zeros::<f32>([1, 3, side, side])?;
    let planes = tensor.as_mut_slice::<f32>()?;
    for (x, y, pixel) in scaled.enumerate_pixels() {
        for (channel, value) in pixel.0.into_iter().enumerate() {
            planes[(channel * side + y as usize) * side + x as usize] = value.into();
        }
    }
    Ok(tensor)
}
