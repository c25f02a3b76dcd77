//! Padding along one dimension of an image.

/// What the pixels beyond the image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A given value.
    Constant,
    /// The image mirrored at its outermost pixel, which is not repeated.
    Reflect,
    /// The outermost pixel.
    Edge,
}

/// Height or width of an image with its padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    size: i64,
    head: i64,
    pub(crate) output: usize,
    mode: Mode,
}

impl Side {
    /// `size` pixels with `head` before and `tail` behind them; negative numbers cut off.
    pub(crate) fn new(size: usize, head: i64, tail: i64, mode: Mode) -> Result<Side, String> {
        let refused = |why| Err(format!("cannot pad {size} pixels by {head} and {tail}: {why}"));
        let Ok(pixels) = i64::try_from(size) else { return refused("too many pixels") };
        if mode == Mode::Reflect && head.max(tail) >= pixels {
            return refused("mode `reflect` needs more pixels than are padded");
        }
        let output = pixels.checked_add(head).and_then(|n| n.checked_add(tail)).unwrap_or(0);
        match usize::try_from(output) {
            Ok(output) if output > 0 => Ok(Side { size: pixels, head, output, mode }),
            _ => refused("no pixel is left"),
        }
    }

    /// The pixel of the image that pixel `at` of the output shows; `None` for the constant.
    pub(crate) fn source(&self, at: usize) -> Option<usize> {
        let at = at as i64 - self.head;
        let inside = (0..self.size).contains(&at);
        let source = match self.mode {
            _ if inside => at,
            Mode::Constant => return None,
            Mode::Edge => at.clamp(0, self.size - 1),
            Mode::Reflect => at.abs().min(2 * (self.size - 1) - at.abs()),
        };
        usize::try_from(source).ok()
    }

    /// The pixels of the output that show the image itself, and the first of the image that they show.
    pub(crate) fn inside(&self) -> (std::ops::Range<usize>, usize) {
        let last = self.output as i64;
        let first = self.head.clamp(0, last);
        let end = (self.head + self.size).clamp(first, last);
        let from = if end > first { first - self.head } else { 0 };
        (first as usize..end as usize, from as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(size: usize, head: i64, tail: i64, mode: Mode) -> Vec<Option<usize>> {
        let side = Side::new(size, head, tail, mode).unwrap();
        let (range, from) = side.inside();
        range.clone().for_each(|at| assert_eq!(side.source(at), Some(at - range.start + from)));
        (0..side.output).map(|at| side.source(at)).collect()
    }

    #[test]
    fn each_mode_and_cropping() {
        assert_eq!(sources(2, 1, 1, Mode::Constant), [None, Some(0), Some(1), None]);
        assert_eq!(sources(3, 2, 2, Mode::Reflect), [2, 1, 0, 1, 2, 1, 0].map(Some));
        assert_eq!(sources(2, 2, 1, Mode::Edge), [0, 0, 0, 1, 1].map(Some));
        assert_eq!(sources(3, -1, -1, Mode::Edge), [Some(1)]);
        assert_eq!(sources(3, -3, 2, Mode::Constant), [None, None]);
        assert_eq!(sources(3, -4, 2, Mode::Reflect), [Some(0)]);
        assert_eq!(sources(3, 2, -4, Mode::Edge), [Some(0)]);
    }

    #[test]
    fn too_much_of_either_is_refused() {
        assert!(Side::new(3, -2, -1, Mode::Constant).unwrap_err().contains("no pixel is left"));
        assert!(Side::new(3, 3, 0, Mode::Reflect).unwrap_err().contains("`reflect` needs more"));
        assert!(Side::new(3, 0, 3, Mode::Reflect).is_err());
        assert!(Side::new(usize::MAX, 0, 0, Mode::Edge).is_err());
    }
}
