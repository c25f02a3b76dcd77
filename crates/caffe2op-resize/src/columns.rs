//! One row of an image stretched by `ResizeNearest`.

/// The place in an input of `size` pixels for place `at` of the output; both are less than 2^31.
pub(crate) fn source(at: usize, scale: f32, size: usize) -> usize {
    ((at as f32 / scale) as usize).min(size.saturating_sub(1))
}

/// Which pixel of an input row each pixel of an output row shows.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// The table; empty for few rows, than which it would be larger.
    table: Vec<usize>,
    /// How often each pixel is shown, if all are alike often.
    times: Option<usize>,
    scale: f32,
    width: usize,
}

/// Rows for which no table is made.
const FEW: usize = 3;

impl Columns {
    /// For `rows` output rows of `y_width` pixels, of input rows of `width`.
    pub(crate) fn fill(&mut self, scale: f32, width: usize, y_width: usize, rows: usize) {
        (self.scale, self.width, self.times) = (scale, width, None);
        self.table.clear();
        if rows <= FEW {
            return;
        }
        self.table.extend((0..y_width).map(|at| source(at, scale, width)));
        let times = y_width / width;
        let alike = y_width == times * width
            && self.table.chunks_exact(times).enumerate().all(|(at, run)| run.iter().all(|from| *from == at));
        self.times = alike.then_some(times);
    }

    /// Writes an output row, of pixels of `pixel` elements.
    pub(crate) fn stretch(&self, x: &[f32], pixel: usize, row: &mut [f32]) {
        match (self.times, pixel) {
            (Some(1), _) => row.copy_from_slice(x),
            (Some(2), 1) => repeat::<2>(x, row),
            (Some(3), 1) => repeat::<3>(x, row),
            (Some(4), 1) => repeat::<4>(x, row),
            _ if self.table.is_empty() => {
                let columns = (0..row.len() / pixel).map(|at| source(at, self.scale, self.width));
                pick(x, pixel, row, columns);
            }
            _ => pick(x, pixel, row, self.table.iter().copied()),
        }
    }
}

/// Each element `N` times.
fn repeat<const N: usize>(x: &[f32], row: &mut [f32]) {
    row.as_chunks_mut::<N>().0.iter_mut().zip(x).for_each(|(y, x)| *y = [*x; N]);
}

fn pick(x: &[f32], pixel: usize, row: &mut [f32], columns: impl Iterator<Item = usize>) {
    if pixel == 1 {
        row.iter_mut().zip(columns).for_each(|(y, column)| *y = x[column]);
        return;
    }
    for (y, column) in row.chunks_exact_mut(pixel).zip(columns) {
        y.copy_from_slice(&x[column * pixel..][..pixel]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_the_pixels_of_the_formula() {
        for (scale, width) in
            [(1.0, 5), (2.0, 5), (3.0, 4), (4.0, 1), (5.0, 3), (1.5, 4), (0.4, 9), (2.3, 7), (0.3, 4)]
        {
            let y_width = (width as f32 * scale) as usize;
            for (pixel, rows) in [(1, 1), (1, 9), (3, 1), (3, 9)] {
                let x: Vec<f32> = (0..width * pixel).map(|i| i as f32).collect();
                let mut columns = Columns::default();
                columns.fill(scale, width, y_width, rows);
                let mut row = vec![-1.0; y_width * pixel];
                columns.stretch(&x, pixel, &mut row);
                for (at, y) in row.iter().enumerate() {
                    let want = source(at / pixel, scale, width) * pixel + at % pixel;
                    assert_eq!(*y, x[want], "{scale} {width} {pixel} {rows}: {at}");
                }
            }
        }
    }

    #[test]
    fn few_rows_have_no_table() {
        let mut columns = Columns::default();
        columns.fill(1e9, 1, 1_000_000_000, FEW);
        assert_eq!(columns.table.capacity(), 0);
    }
}
