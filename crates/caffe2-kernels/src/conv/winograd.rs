//! Convolution with kernels of 3 by 3 and stride 1 by Winograd's algorithm F(4x4, 3x3) (Lavin and Gray, "Fast algorithms
//! for convolutional neural networks", 2016): tiles of 6x6 pixels and the kernels are brought to 36 points, multiplied there as
//! 36 products of matrices, and the result is brought back to tiles of 4x4 pixels. That takes a quarter of the
//! multiplications; rounding errors are some times those of the direct sum.

use super::operand::PackedGroups;
use super::{Call, ConvGeometry};
use crate::band::Band;
use crate::gemm::{Batch, Bias, LeftLayout, MatRef, PackedLeft, Product, Tail, run};
use crate::geometry::{Axis, Order, PadRule, Window};
use crate::simd::{self, Kernel, Vector};
use crate::{Isa, Threads, scratch};

/// Pixels of the output along a side of a tile.
const OUT: usize = 4;
/// Pixels of the input along a side of a tile.
const IN: usize = 6;
/// Points of a transformed tile.
const POINTS: usize = IN * IN;
/// Tiles that are transformed at a time at most: as many as a vector has lanes.
const LANES: usize = 16;
/// Products have a multiple of this many columns.
const COLUMNS: usize = 8;
/// Tiles whose products are computed at a time, about: whole rows of tiles.
const TILES: usize = 64;
/// Floats of working memory beyond which the direct way is taken.
const MOST: usize = 1 << 23;
/// Channels, and filters, of a group from which on transformations pay.
const CHANNELS: usize = 16;
/// Rows and columns of the output from which on they pay: of smaller images too little of each transformed kernel is used.
const SIDE: usize = 12;

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
        && Tiles::new(rows, columns).is_some_and(|tiles| {
            tiles.floats().saturating_mul(g.group_channels() + g.group_filters()) <= MOST
        })
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
    /// The rows of tiles, as windows of the input.
    rows: Axis,
    /// The tiles of a row, as windows of the input.
    columns: Axis,
    /// Rows of tiles of a block.
    block_rows: usize,
}

/// The tiles along an axis of the convolution, as windows of its input.
fn tiles_along(axis: &Axis) -> Option<Axis> {
    let seen = axis.output().next_multiple_of(OUT) + IN - OUT;
    let tail = seen as i64 - axis.input() as i64 - axis.head() as i64;
    let window =
        Window { kernel: IN as i64, stride: OUT as i64, dilation: 1, head: axis.head() as i64, tail };
    Axis::new(axis.input(), window, PadRule::Explicit).ok()
}

impl Tiles {
    fn new(rows: &Axis, columns: &Axis) -> Option<Tiles> {
        let (rows, columns) = (tiles_along(rows)?, tiles_along(columns)?);
        let block_rows = (TILES / columns.output()).clamp(1, rows.output());
        Some(Tiles { rows, columns, block_rows })
    }

    /// Tiles of a row.
    fn across(&self) -> usize {
        self.columns.output()
    }

    /// Rows of tiles.
    fn down(&self) -> usize {
        self.rows.output()
    }

    /// Tiles of a block, rounded up, and some to spare: what exceeds a row of tiles is written and read too.
    fn lanes(&self) -> usize {
        (self.block_rows * self.across()).next_multiple_of(COLUMNS) + LANES
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
    let tiles = match g.axes() {
        [rows, columns] => Tiles::new(rows, columns),
        _ => None,
    };
    let Some(tiles) = tiles else { panic!("Winograd's algorithm needs planes") };
    assert_eq!(filter.len(), filter_len(&layout, g), "transformed kernels");
    let (channels, filters) = (g.group_channels(), g.group_filters());
    scratch::with(tiles.floats() * (channels + filters), |memory| {
        let (points, sums) = memory.split_at_mut(tiles.floats() * channels);
        for (index, output) in output.chunks_exact_mut(filters * g.output_size()).enumerate() {
            let group = index % g.groups();
            let input = &call.input[index * channels * g.input_size()..][..channels * g.input_size()];
            let kernels = &filter[group * POINTS * layout.len()..][..POINTS * layout.len()];
            for first in (0..tiles.down()).step_by(tiles.block_rows) {
                let block = TileBlock { call, tiles: &tiles, first };
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
    tiles: &'a Tiles,
    /// The first row of tiles.
    first: usize,
}

impl TileBlock<'_> {
    /// Rows of tiles of this block, the last of which may have fewer than the others.
    fn tile_rows(&self) -> usize {
        self.tiles.block_rows.min(self.tiles.down() - self.first)
    }

    fn tile_count(&self) -> usize {
        self.tile_rows() * self.tiles.across()
    }

    /// Brings the pixels of each channel to `points`, for each channel `[point][tile]`.
    fn transform_input(&self, input: &[f32], points: &mut [f32]) {
        let Tiles { rows, columns, .. } = self.tiles;
        let lanes = self.tiles.lanes();
        // In a band the pixels that neighbouring tiles have at one place are neighbours.
        let band = Band::of(rows, columns, self.tile_rows());
        let pixels: [usize; POINTS] = std::array::from_fn(|i| band.piece(i / IN, i % IN));
        let plane_len = rows.input() * columns.input();
        self.call.threads.for_each_block(points, self.tiles.floats(), 0, |channel, to| {
            let plane = &input[channel * plane_len..][..plane_len];
            scratch::with(band.len(), |padded| {
                self.call.isa.dispatch(
                    #[inline(always)]
                    || band.fill(plane, self.first, 0.0, padded),
                );
                let (pitch, tile_rows, across) = (band.pitch(), self.tile_rows(), self.tiles.across());
                simd::dispatch(
                    self.call.isa,
                    ToPoints { padded, pixels, pitch, tile_rows, across, lanes, to },
                );
            });
        });
    }

    /// For each point the product of the kernels with the channels.
    fn multiply(&self, layout: &LeftLayout, kernels: &[f32], points: &[f32], sums: &mut [f32]) {
        let (g, lanes, floats) = (self.call.geometry, self.tiles.lanes(), self.tiles.floats());
        let (channels, filters) = (g.group_channels(), g.group_filters());
        let columns = self.tile_count().next_multiple_of(COLUMNS);
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
        let (g, lanes, across) = (self.call.geometry, self.tiles.lanes(), self.tiles.across());
        let tile_rows = self.tile_rows();
        let [height, width] = [0, 1].map(|axis| g.axes()[axis].output());
        let first_row = self.first * OUT;
        let rows = (self.tile_rows() * OUT).min(height - first_row);
        let tail = self.call.tail.of(0..g.filters(), Bias::PerRow);
        self.call.threads.for_each_block(output, height * width, 0, |m, plane| {
            let sums = &sums[m * self.tiles.floats()..][..self.tiles.floats()];
            let pixels = &mut plane[first_row * width..][..rows * width];
            let filter = index % g.groups() * g.group_filters() + m;
            let at = (index * g.group_filters() + m) * height * width + first_row * width;
            simd::dispatch(self.call.isa, ToPixels { sums, tile_rows, across, lanes, width, pixels });
            self.call.isa.dispatch(
                #[inline(always)]
                || tail.apply(pixels, filter, 0, at),
            );
        });
    }
}

/// Brings the pixels of tiles of one channel to points.
struct ToPoints<'a> {
    padded: &'a [f32],
    /// Where each pixel of the first tile is; those of its neighbours to the right follow.
    pixels: [usize; POINTS],
    /// How much further on the pixels of the next row of tiles are.
    pitch: usize,
    tile_rows: usize,
    /// Tiles of a row.
    across: usize,
    /// Distance between points.
    lanes: usize,
    to: &'a mut [f32],
}

#[allow(unsafe_code)]
impl Kernel for ToPoints<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let ToPoints { padded, pixels, pitch, tile_rows, across, lanes, to } = self;
        let last = pixels.iter().max().map_or(0, |last| last + (tile_rows - 1) * pitch + across);
        assert!(last + LANES <= padded.len(), "pixels of the tiles");
        assert!(tile_rows * across + LANES <= lanes && POINTS * lanes <= to.len(), "points");
        for row in 0..tile_rows {
            for start in (0..across).step_by(V::LANES) {
                // SAFETY: reads of each pixel, and writes of each point, end less than LANES floats after those of the last
                // tile of the row, which there are, as asserted.
                unsafe {
                    let from = padded.as_ptr().add(row * pitch + start);
                    let mut lines = [[V::splat(0.0); IN]; IN];
                    for (i, line) in lines.iter_mut().enumerate() {
                        let mut tile = [V::splat(0.0); IN];
                        for (j, pixel) in tile.iter_mut().enumerate() {
                            *pixel = V::load(from.add(pixels[i * IN + j]));
                        }
                        *line = input_line(tile);
                    }
                    let to = to.as_mut_ptr().add(row * across + start);
                    for j in 0..IN {
                        let [a, b, c, d, e, f] = &lines;
                        let points = input_line([a[j], b[j], c[j], d[j], e[j], f[j]]);
                        for (i, point) in points.into_iter().enumerate() {
                            point.store(to.add((i * IN + j) * lanes));
                        }
                    }
                }
            }
        }
    }
}

/// Brings the sums of tiles of one filter to pixels.
struct ToPixels<'a> {
    sums: &'a [f32],
    tile_rows: usize,
    /// Tiles of a row.
    across: usize,
    /// Distance between points.
    lanes: usize,
    /// Pixels of a row.
    width: usize,
    pixels: &'a mut [f32],
}

#[allow(unsafe_code)]
impl Kernel for ToPixels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let ToPixels { sums, tile_rows, across, lanes, width, pixels } = self;
        assert!(tile_rows * across + LANES <= lanes && POINTS * lanes <= sums.len(), "points");
        for row in 0..tile_rows {
            for start in (0..across).step_by(V::LANES) {
                let mut tile = [[[0.0; LANES]; OUT]; OUT];
                // SAFETY: reads of each point end less than LANES floats after that of the last tile of the row, which there
                // are, as asserted; the lanes of a vector are at most LANES.
                unsafe {
                    let from = sums.as_ptr().add(row * across + start);
                    let mut lines = [[V::splat(0.0); OUT]; IN];
                    for (i, line) in lines.iter_mut().enumerate() {
                        let mut points = [V::splat(0.0); IN];
                        for (j, point) in points.iter_mut().enumerate() {
                            *point = V::load(from.add((i * IN + j) * lanes));
                        }
                        *line = output_line(points);
                    }
                    for j in 0..OUT {
                        let [a, b, c, d, e, f] = &lines;
                        let pixels = output_line([a[j], b[j], c[j], d[j], e[j], f[j]]);
                        for (i, pixel) in pixels.into_iter().enumerate() {
                            pixel.store(tile[i][j].as_mut_ptr());
                        }
                    }
                }
                let lines = pixels[row * OUT * width..].chunks_exact_mut(width);
                for (line, values) in lines.zip(&tile) {
                    side_by_side(values, V::LANES, &mut line[start * OUT..]);
                }
            }
        }
    }
}

/// Writes one line of the pixels of `count` tiles side by side, as far as there is room.
#[inline(always)]
fn side_by_side(values: &[[f32; LANES]; OUT], count: usize, line: &mut [f32]) {
    let (whole, rest) = line.as_chunks_mut::<OUT>();
    for (i, to) in whole.iter_mut().take(count).enumerate() {
        let [a, b, c, d] = values;
        *to = [a[i], b[i], c[i], d[i]];
    }
    if whole.len() < count {
        for (x, value) in rest.iter_mut().zip(values) {
            *x = value[whole.len()];
        }
    }
}

/// One row, or column, of a tile of the input brought to points.
///
/// # Safety
///
/// As for the methods of [`Vector`].
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn input_line<V: Vector>(d: [V; IN]) -> [V; IN] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four) = (V::splat(2.0), V::splat(4.0));
        let (minus_two, minus_four, minus_five) = (V::splat(-2.0), V::splat(-4.0), V::splat(-5.0));
        let (even, odd) = (minus_four.mul_add(d[2], d[4]), minus_four.mul_add(d[1], d[3]));
        let (even2, odd2) = (d[4].sub(d[2]), d[3].sub(d[1]));
        [
            four.mul_add(d[0], minus_five.mul_add(d[2], d[4])),
            even.add(odd),
            even.sub(odd),
            two.mul_add(odd2, even2),
            minus_two.mul_add(odd2, even2),
            four.mul_add(d[1], minus_five.mul_add(d[3], d[5])),
        ]
    }
}

/// One row, or column, of sums at points brought to pixels.
///
/// # Safety
///
/// As for the methods of [`Vector`].
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn output_line<V: Vector>(m: [V; IN]) -> [V; OUT] {
    // SAFETY: the caller's promise.
    unsafe {
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum).add(sum2),
            V::splat(2.0).mul_add(difference2, difference),
            V::splat(4.0).mul_add(sum2, sum),
            V::splat(8.0).mul_add(difference2, difference).add(m[5]),
        ]
    }
}
