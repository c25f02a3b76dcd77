//! From the detector's grid to boxes.

/// Cells of the grid along each side.
pub(crate) const CELLS: usize = 13;

/// Side of the square that the detector looks at, in pixels.
pub(crate) const SIDE: u32 = 416;

/// Width and height of each anchor, in cells.
const ANCHORS: [[f32; 2]; 5] = [
    [1.603231, 2.094468],
    [6.041143, 7.080126],
    [2.882459, 3.518061],
    [4.266906, 5.178857],
    [9.041765, 10.66308],
];

/// Numbers for each anchor: tx, ty, tw, th, score.
const CHANNELS: usize = 5;

/// A face is one when its score is above this.
const LEAST_SCORE: f32 = 0.5;

/// Two boxes that overlap by more than this are of the same face.
const MOST_OVERLAP: f32 = 0.4;

/// A face: how sure the detector is, and the box, in pixels from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Face {
    pub(crate) score: f32,
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

impl Face {
    /// The same face in a picture whose pixels are `factor` times as many along each side.
    pub(crate) fn scaled(self, factor: f32) -> Face {
        Face {
            score: self.score,
            x: self.x * factor,
            y: self.y * factor,
            width: self.width * factor,
            height: self.height * factor,
        }
    }

    /// Area of the intersection over area of the union.
    fn overlap(&self, other: &Face) -> f32 {
        let shared =
            |a: f32, a_size: f32, b: f32, b_size: f32| ((a + a_size).min(b + b_size) - a.max(b)).max(0.0);
        let both = shared(self.x, self.width, other.x, other.width)
            * shared(self.y, self.height, other.y, other.height);
        both / (self.width * self.height + other.width * other.height - both)
    }
}

/// The faces in a grid of `[25, 13, 13]` numbers, surest first, in pixels of the detector's square.
///
/// # Panics
/// When the grid has another size.
pub(crate) fn faces(grid: &[f32]) -> Vec<Face> {
    assert_eq!(grid.len(), ANCHORS.len() * CHANNELS * CELLS * CELLS, "the grid is [25, 13, 13]");
    let mut found = Vec::new();
    for (anchor, channels) in grid.chunks_exact(CHANNELS * CELLS * CELLS).enumerate() {
        for cell in 0..CELLS * CELLS {
            let face = decode(|channel| channels[channel * CELLS * CELLS + cell], anchor, cell);
            if face.score > LEAST_SCORE {
                found.push(face);
            }
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in found {
        if kept.iter().all(|k| k.overlap(&face) <= MOST_OVERLAP) {
            kept.push(face);
        }
    }
    kept
}

fn decode(channel: impl Fn(usize) -> f32, anchor: usize, cell: usize) -> Face {
    let pixels = SIDE as f32 / CELLS as f32;
    let centre_x = ((cell % CELLS) as f32 + sigmoid(channel(0))) * pixels;
    let centre_y = ((cell / CELLS) as f32 + sigmoid(channel(1))) * pixels;
    let width = channel(2).exp() * ANCHORS[anchor][0] * pixels;
    let height = channel(3).exp() * ANCHORS[anchor][1] * pixels;
    let (x, y) = (centre_x - width / 2.0, centre_y - height / 2.0);
    Face { score: sigmoid(channel(4)), x, y, width, height }
}

fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}
