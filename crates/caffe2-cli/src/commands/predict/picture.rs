//! A picture as a net wants it.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use caffe2::Tensor;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageReader};

/// The most bytes that decoding a picture may take.
const MOST_BYTES: u64 = 1 << 30;

/// What becomes of a picture before a net gets it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Preparation {
    /// Size of the result.
    pub(super) height: u32,
    pub(super) width: u32,
    /// Length of the shorter side before the middle is cut out; `None`: so that the result just fits.
    pub(super) shorter: Option<u32>,
    /// What is subtracted from each channel, in the order of the net.
    pub(super) mean: Vec<f32>,
    /// What it is multiplied by then.
    pub(super) scale: f32,
    /// Whether red comes first.
    pub(super) rgb: bool,
    /// Whether the channels of a pixel stand side by side.
    pub(super) interleaved: bool,
}

impl Preparation {
    /// The picture in a file, as a tensor with a batch of one.
    pub(super) fn read(&self, path: &Path) -> Result<Tensor> {
        let picture = open(path).map_err(|error| anyhow!("{}: {error:#}", path.display()))?;
        let prepared = self.apply(&picture);
        prepared.map_err(|error| anyhow!("{}: {error:#}", path.display()))
    }

    fn apply(&self, picture: &DynamicImage) -> Result<Tensor> {
        let fitted = self.fit(picture)?;
        let channels = self.mean.len();
        let (height, width) = (self.height as usize, self.width as usize);
        let mut values = vec![0f32; channels * height * width];
        let (pixels, planes) = match channels {
            1 => (fitted.to_luma8().into_raw(), 1),
            _ => (fitted.to_rgb8().into_raw(), 3),
        };
        for (at, pixel) in pixels.chunks_exact(planes).enumerate() {
            for (channel, mean) in self.mean.iter().enumerate() {
                let from = if self.rgb || planes == 1 { channel } else { planes - 1 - channel };
                let to =
                    if self.interleaved { at * channels + channel } else { channel * height * width + at };
                values[to] = (f32::from(pixel[from]) - mean) * self.scale;
            }
        }
        let shape =
            if self.interleaved { [1, height, width, channels] } else { [1, channels, height, width] };
        Ok(Tensor::from_slice(shape, &values)?)
    }

    /// Scales the picture and cuts out the middle.
    fn fit(&self, picture: &DynamicImage) -> Result<DynamicImage> {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let just = (f64::from(self.width) / width).max(f64::from(self.height) / height);
        let factor = match self.shorter {
            Some(shorter) => f64::from(shorter) / width.min(height),
            None => just,
        };
        let size = |side: f64| (side * factor).round().max(1.0) as u32;
        let (width, height) = (size(width), size(height));
        if width < self.width || height < self.height {
            return Err(anyhow!(
                "scaled to {width} by {height} it is smaller than the {} by {} that the net gets; raise --resize",
                self.width,
                self.height
            ));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > MOST_BYTES / 4 {
            return Err(anyhow!(
                "scaled to {width} by {height} it is too large; it is {factor:.1} times the picture"
            ));
        }
        let scaled = picture.resize_exact(width, height, FilterType::Triangle);
        Ok(scaled.crop_imm((width - self.width) / 2, (height - self.height) / 2, self.width, self.height))
    }
}

/// The picture, upright.
fn open(path: &Path) -> Result<DynamicImage> {
    let mut reader = ImageReader::open(path).context("the file cannot be read")?.with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().context("no picture that is read (.png, .jpg)")?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    fn preparation() -> Preparation {
        Preparation {
            height: 1,
            width: 2,
            shorter: None,
            mean: vec![1.0, 2.0, 3.0],
            scale: 0.5,
            rgb: false,
            interleaved: false,
        }
    }

    fn picture(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(10 * x % 256) as u8, (10 * y) as u8, 200])).into()
    }

    fn values(preparation: &Preparation, picture: &DynamicImage) -> Vec<f32> {
        preparation.apply(picture).unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn channels_are_in_the_order_of_the_net() {
        let two = picture(2, 1);
        let planes = [99.5, 99.5, -1.0, -1.0, -1.5, 3.5];
        assert_eq!(values(&preparation(), &two), planes);
        let rgb = Preparation { rgb: true, ..preparation() };
        assert_eq!(values(&rgb, &two), [-0.5, 4.5, -1.0, -1.0, 98.5, 98.5]);
        let interleaved = Preparation { interleaved: true, ..preparation() };
        assert_eq!(values(&interleaved, &two), [99.5, -1.0, -1.5, 99.5, -1.0, 3.5]);
        let grey = Preparation { mean: vec![0.0], scale: 1.0, ..preparation() };
        assert_eq!(grey.apply(&two).unwrap().dims(), [1, 1, 1, 2]);
    }

    #[test]
    fn the_middle_is_cut_out() {
        // Of six by one, the two in the middle.
        let got = values(
            &Preparation { rgb: true, mean: vec![0.0; 3], scale: 1.0, ..preparation() },
            &picture(6, 1),
        );
        assert_eq!(got[..2], [20.0, 30.0]);
        let large = Preparation { height: 4, width: 4, shorter: Some(2), ..preparation() };
        assert!(large.apply(&picture(8, 8)).unwrap_err().to_string().contains("--resize"));
        let huge = Preparation { shorter: Some(16_000), ..preparation() };
        assert!(huge.apply(&picture(200, 2)).unwrap_err().to_string().contains("too large"));
    }
}
