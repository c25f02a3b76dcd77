//! Convolution with kernels of 3 by 3 and stride 1 by Winograd's algorithm F(4x4, 3x3) (Lavin and Gray, "Fast algorithms
//! for convolutional neural networks", 2016): tiles of 6x6 pixels and the kernels are brought to 36 points, multiplied there as
//! 36 products of matrices, and the result is brought back to tiles of 4x4 pixels. That takes a quarter of the
//! multiplications; rounding errors are some times those of the direct sum.

use super::operand::PackedGroups;
use super::{Call, ConvGeometry};
use crate::gemm::{Batch, Bias, LeftLayout, MatRef, PackedLeft, Product, Tail, run};
use crate::geometry::{Axis, Order};
use crate::{Isa, Threads, scratch};

/// Pixels of the output along a side of a tile.
const OUT: usize = 4;
/// Pixels of the input along a side of a tile.
const IN: usize = 6;
/// Points of a transformed tile.
const POINTS: usize = IN * IN;
/// Tiles that are transformed at a time.
const LANES: usize = 8;
/// Tiles whose products are computed at a time, about: whole rows of tiles.
const TILES: usize = 64;
/// Floats of working memory beyond which the direct way is taken.
const MOST: usize = 1 << 23;
/// Channels, and filters, of a group from which on transformations pay.
const CHANNELS: usize = 16;
/// Rows and columns of the output from which on they pay: of smaller images too little of each transformed kernel is used.
const SIDE: usize = 12;

/// One value for each of some tiles.
type Lanes = [f32; LANES];

/// Whether [`nchw`] computes the convolution, and is the better way.
pub(super) fn suits(g: &ConvGeometry) -> bool {
    let [rows, columns] = g.axes() else { return false };
    let plain = |axis: &Axis| {
        axis.kernel() == 3 && axis.stride() == 1 && axis.dilation() == 1 && (0..=1).contains(&axis.head())
    };
    g.order() == Order::Nchw
        && plain(rows)
        && plain(columns)
        && rows.output().min(columns.output()) >= SIDE
        && g.group_channels().min(g.group_filters()) >= CHANNELS
        && Tiles::new(rows, columns).floats().saturating_mul(g.group_channels() + g.group_filters()) <= MOST
}

/// How the transformed kernels at one point are packed.
pub(super) fn layout(isa: Isa, g: &ConvGeometry) -> LeftLayout {
    LeftLayout::new(isa, g.group_filters(), g.group_channels())
}

/// Floats of all transformed kernels: for each group and each point a packed operand.
pub(super) fn filter_len(layout: &LeftLayout, g: &ConvGeometry) -> usize {
    g.groups() * POINTS * layout.len()
}

/// Rows of the matrix that brings a kernel's row to points.
const KERNEL: [[f32; 3]; IN] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Brings the kernels to points.
pub(super) fn transform_filter(
    threads: &Threads,
    layout: &LeftLayout,
    g: &ConvGeometry,
    filter: &[f32],
    to: &mut [f32],
) {
    let (filters, channels) = (g.group_filters(), g.group_channels());
    threads.for_each_block(to, layout.len(), 0, |index, to| {
        let (group, point) = (index / POINTS, index % POINTS);
        let (u, v) = (KERNEL[point / IN], KERNEL[point % IN]);
        let kernels = &filter[group * filters * channels * 9..][..filters * channels * 9];
        layout.fill(to, |m, c| {
            let kernel = &kernels[(m * channels + c) * 9..][..9];
            let row = |i: usize| kernel[3 * i] * v[0] + kernel[3 * i + 1] * v[1] + kernel[3 * i + 2] * v[2];
            row(0) * u[0] + row(1) * u[1] + row(2) * u[2]
        });
    });
}

/// How the output is cut into tiles, and these into blocks of whole rows of tiles.
struct Tiles {
    /// Tiles of a row.
    across: usize,
    /// Rows of tiles.
    down: usize,
    /// Rows of tiles of a block.
    block_rows: usize,
}

impl Tiles {
    fn new(rows: &Axis, columns: &Axis) -> Tiles {
        let (down, across) = (rows.output().div_ceil(OUT), columns.output().div_ceil(OUT));
        Tiles { across, down, block_rows: (TILES / across).clamp(1, down) }
    }

    /// Tiles of a block, rounded up to whole lanes.
    fn lanes(&self) -> usize {
        (self.block_rows * self.across).next_multiple_of(LANES)
    }

    /// Floats of one channel of a block at all points.
    fn floats(&self) -> usize {
        POINTS.saturating_mul(self.lanes())
    }
}

/// NCHW: the convolution with transformed kernels.
///
/// # Panics
///
/// If the convolution is not one of those that [suit](suits), or `filter` has another length than [`filter_len`].
pub(super) fn nchw(call: &Call<'_, PackedGroups<'_>>, output: &mut [f32]) {
    let g = call.geometry;
    let PackedGroups { layout, data: filter } = call.filter;
    let [rows, columns] = g.axes() else { panic!("Winograd's algorithm needs planes") };
    assert_eq!(filter.len(), filter_len(&layout, g), "transformed kernels");
    let tiles = Tiles::new(rows, columns);
    let (channels, filters) = (g.group_channels(), g.group_filters());
    scratch::with(tiles.floats() * (channels + filters), |memory| {
        let (points, sums) = memory.split_at_mut(tiles.floats() * channels);
        for (index, output) in output.chunks_exact_mut(filters * g.output_size()).enumerate() {
            let group = index % g.groups();
            let input = &call.input[index * channels * g.input_size()..][..channels * g.input_size()];
            let kernels = &filter[group * POINTS * layout.len()..][..POINTS * layout.len()];
            for first in (0..tiles.down).step_by(tiles.block_rows) {
                let block = TileBlock { call, rows, columns, tiles: &tiles, first };
                block.transform_input(input, points);
                block.multiply(&layout, kernels, points, sums);
                block.transform_output(sums, index, output);
            }
        }
    });
}

/// Some rows of tiles of all channels of a group.
struct TileBlock<'a> {
    call: &'a Call<'a, PackedGroups<'a>>,
    rows: &'a Axis,
    columns: &'a Axis,
    tiles: &'a Tiles,
    /// The first row of tiles.
    first: usize,
}

impl TileBlock<'_> {
    /// Rows of tiles of this block, the last of which may have fewer than the others.
    fn tile_rows(&self) -> usize {
        self.tiles.block_rows.min(self.tiles.down - self.first)
    }

    fn tile_count(&self) -> usize {
        self.tile_rows() * self.tiles.across
    }

    /// Brings the pixels of each channel to `points`, for each channel `[point][tile]`.
    fn transform_input(&self, input: &[f32], points: &mut [f32]) {
        let (height, width) = (self.rows.input(), self.columns.input());
        let pitch = self.tiles.across * OUT + IN - OUT;
        let padded_rows = self.tile_rows() * OUT + IN - OUT;
        let lanes = self.tiles.lanes();
        self.call.threads.for_each_block(points, self.tiles.floats(), 0, |channel, to| {
            let plane = &input[channel * height * width..][..height * width];
            scratch::with(padded_rows * pitch, |padded| {
                self.pad(plane, pitch, padded);
                self.call.isa.dispatch(
                    #[inline(always)]
                    || {
                        for start in (0..self.tile_count()).step_by(LANES) {
                            let tile = self.gather(padded, pitch, start);
                            let points = input_points(tile);
                            for (point, value) in points.iter().enumerate() {
                                to[point * lanes + start..][..LANES].copy_from_slice(value);
                            }
                        }
                    },
                );
            });
        });
    }

    /// The pixels that the block sees, with zeros around the image.
    fn pad(&self, plane: &[f32], pitch: usize, padded: &mut [f32]) {
        let (height, width) = (self.rows.input(), self.columns.input());
        let head = self.columns.head().unsigned_abs();
        let inside = width.min(pitch - head);
        for (i, line) in padded.chunks_exact_mut(pitch).enumerate() {
            let row = (self.first * OUT + i).checked_sub(self.rows.head().unsigned_abs());
            match row.filter(|&row| row < height) {
                Some(row) => {
                    line[..head].fill(0.0);
                    line[head..head + inside].copy_from_slice(&plane[row * width..][..inside]);
                    line[head + inside..].fill(0.0);
                }
                None => line.fill(0.0),
            }
        }
    }

    /// The pixels of `LANES` tiles from `start` on; those beyond the last tile repeat it.
    #[inline(always)]
    fn gather(&self, padded: &[f32], pitch: usize, start: usize) -> [[Lanes; IN]; IN] {
        let mut tile = [[[0.0; LANES]; IN]; IN];
        for lane in 0..LANES {
            let index = (start + lane).min(self.tile_count() - 1);
            let (row, column) = (index / self.tiles.across, index % self.tiles.across);
            let corner = &padded[row * OUT * pitch + column * OUT..];
            for (i, line) in tile.iter_mut().enumerate() {
                let pixels = &corner[i * pitch..][..IN];
                for (j, to) in line.iter_mut().enumerate() {
                    to[lane] = pixels[j];
                }
            }
        }
        tile
    }

    /// For each point the product of the kernels with the channels.
    fn multiply(&self, layout: &LeftLayout, kernels: &[f32], points: &[f32], sums: &mut [f32]) {
        let (g, lanes, floats) = (self.call.geometry, self.tiles.lanes(), self.tiles.floats());
        let (channels, filters) = (g.group_channels(), g.group_filters());
        let columns = self.tile_count().next_multiple_of(LANES);
        let batch = Batch { count: POINTS, rows: filters, columns, depth: channels, row_stride: floats };
        let product = |point: usize| Product {
            left: PackedLeft::new(*layout, &kernels[point * layout.len()..][..layout.len()]),
            right: MatRef::within(&points[point * lanes..], channels, columns, floats),
            alpha: 1.0,
            beta: 0.0,
            tail: Tail::bias(Bias::None),
            start: point * lanes,
        };
        // SAFETY: product `point` writes columns `point * lanes ..+ columns` of rows that are `floats` elements, all points,
        // apart, and `columns` is at most `lanes`.
        #[allow(unsafe_code)]
        unsafe {
            run(self.call.isa, self.call.threads, &batch, sums, product);
        }
    }

    /// Brings the sums of each filter back to pixels. `index` counts the groups of all images.
    fn transform_output(&self, sums: &[f32], index: usize, output: &mut [f32]) {
        let (g, lanes) = (self.call.geometry, self.tiles.lanes());
        let (height, width) = (self.rows.output(), self.columns.output());
        let first_row = self.first * OUT;
        let rows = (self.tile_rows() * OUT).min(height - first_row);
        self.call.threads.for_each_block(output, height * width, 0, |m, plane| {
            let sums = &sums[m * self.tiles.floats()..][..self.tiles.floats()];
            let pixels = &mut plane[first_row * width..][..rows * width];
            let filter = index % g.groups() * g.group_filters() + m;
            let at = (index * g.group_filters() + m) * height * width + first_row * width;
            let tail = self.call.tail.of(0..g.filters(), Bias::PerRow);
            self.call.isa.dispatch(
                #[inline(always)]
                || {
                    for start in (0..self.tile_count()).step_by(LANES) {
                        let mut points = [[[0.0; LANES]; IN]; IN];
                        for (i, line) in points.iter_mut().enumerate() {
                            for (j, point) in line.iter_mut().enumerate() {
                                point.copy_from_slice(&sums[(i * IN + j) * lanes + start..][..LANES]);
                            }
                        }
                        self.scatter(&output_pixels(points), start, pixels, width);
                    }
                    tail.apply(pixels, filter, 0, at);
                },
            );
        });
    }

    /// Writes the pixels of `LANES` tiles that lie within the output.
    #[inline(always)]
    fn scatter(&self, tile: &[[Lanes; OUT]; OUT], start: usize, pixels: &mut [f32], width: usize) {
        for lane in 0..LANES.min(self.tile_count() - start) {
            let index = start + lane;
            let (row, column) = (index / self.tiles.across * OUT, index % self.tiles.across * OUT);
            for (i, line) in tile.iter().enumerate() {
                let Some(to) = pixels.get_mut((row + i) * width + column..) else { break };
                let values: [f32; OUT] = std::array::from_fn(|j| line[j][lane]);
                if column + OUT <= width && to.len() >= OUT {
                    to[..OUT].copy_from_slice(&values);
                } else {
                    let count = to.len().min(width - column);
                    to[..count].copy_from_slice(&values[..count]);
                }
            }
        }
    }
}

/// `a * x + b * y`, lane by lane.
#[inline(always)]
fn combine(a: f32, x: &Lanes, b: f32, y: &Lanes) -> Lanes {
    std::array::from_fn(|lane| a * x[lane] + b * y[lane])
}

#[inline(always)]
fn add(x: &Lanes, y: &Lanes) -> Lanes {
    std::array::from_fn(|lane| x[lane] + y[lane])
}

#[inline(always)]
fn subtract(x: &Lanes, y: &Lanes) -> Lanes {
    std::array::from_fn(|lane| x[lane] - y[lane])
}

/// One row, or column, of a tile of the input brought to points.
#[inline(always)]
fn input_line(d: [&Lanes; IN]) -> [Lanes; IN] {
    let (even, odd) = (combine(1.0, d[4], -4.0, d[2]), combine(1.0, d[3], -4.0, d[1]));
    let (even2, odd2) = (subtract(d[4], d[2]), combine(2.0, d[3], -2.0, d[1]));
    [
        add(&combine(4.0, d[0], -5.0, d[2]), d[4]),
        add(&even, &odd),
        subtract(&even, &odd),
        add(&even2, &odd2),
        subtract(&even2, &odd2),
        add(&combine(4.0, d[1], -5.0, d[3]), d[5]),
    ]
}

/// One row, or column, of sums at points brought to pixels.
#[inline(always)]
fn output_line(m: [&Lanes; IN]) -> [Lanes; OUT] {
    let (sum, difference) = (add(m[1], m[2]), subtract(m[1], m[2]));
    let (sum2, difference2) = (add(m[3], m[4]), subtract(m[3], m[4]));
    [
        add(&add(m[0], &sum), &sum2),
        combine(1.0, &difference, 2.0, &difference2),
        combine(1.0, &sum, 4.0, &sum2),
        add(&combine(1.0, &difference, 8.0, &difference2), m[5]),
    ]
}

#[inline(always)]
fn input_points(tile: [[Lanes; IN]; IN]) -> [Lanes; POINTS] {
    let rows: [[Lanes; IN]; IN] = std::array::from_fn(|i| input_line(tile[i].each_ref()));
    let columns: [[Lanes; IN]; IN] =
        std::array::from_fn(|j| input_line(std::array::from_fn(|i| &rows[i][j])));
    std::array::from_fn(|point| columns[point % IN][point / IN])
}

#[inline(always)]
fn output_pixels(points: [[Lanes; IN]; IN]) -> [[Lanes; OUT]; OUT] {
    let rows: [[Lanes; OUT]; IN] = std::array::from_fn(|i| output_line(points[i].each_ref()));
    let columns: [[Lanes; OUT]; OUT] =
        std::array::from_fn(|j| output_line(std::array::from_fn(|i| &rows[i][j])));
    std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i]))
}
