//! Shapes of a convolution, checked once.

use smallvec::SmallVec;

use super::{Strategy, banded};
use crate::geometry::{Axis, Order};

/// The shapes of a convolution. Once one exists, all counts of elements fit and all indices lie within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvGeometry {
    order: Order,
    batch: usize,
    channels: usize,
    filters: usize,
    groups: usize,
    axes: SmallVec<[Axis; 4]>,
    input_size: usize,
    output_size: usize,
    taps: usize,
}

/// Why sizes do not make a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// There are no spatial dimensions, or more than three.
    #[error("{0} spatial dimensions; 1 to 4 are supported")]
    Dimensions(usize),
    /// Channels or filters are 0, or cannot be split into the groups.
    #[error("{channels} channels and {filters} filters cannot be split into {groups} groups")]
    Groups {
        /// Channels of the input.
        channels: usize,
        /// Channels of the output.
        filters: usize,
        /// Groups asked for.
        groups: usize,
    },
    /// A tensor has more elements than can be addressed.
    #[error("the {what} has too many elements")]
    Overflow {
        /// Which tensor.
        what: &'static str,
    },
}

/// Elements beyond this cannot be addressed as floats.
const LIMIT: usize = isize::MAX as usize / size_of::<f32>();

fn checked(what: &'static str, factors: impl IntoIterator<Item = usize>) -> Result<usize, GeometryError> {
    let product = factors.into_iter().try_fold(1usize, |n, d| n.checked_mul(d));
    product.filter(|&n| n <= LIMIT).ok_or(GeometryError::Overflow { what })
}

impl ConvGeometry {
    /// The shapes of `batch` images with `channels` channels, convolved with `filters` filters in `groups`
    /// groups along `axes`, outermost first. A batch of 0 is allowed.
    ///
    /// # Errors
    ///
    /// See [`GeometryError`].
    pub fn new(
        order: Order,
        batch: usize,
        channels: usize,
        filters: usize,
        groups: usize,
        axes: &[Axis],
    ) -> Result<ConvGeometry, GeometryError> {
        if !(1..=4).contains(&axes.len()) {
            return Err(GeometryError::Dimensions(axes.len()));
        }
        let splits = |n: usize| n > 0 && n.is_multiple_of(groups);
        if groups == 0 || !splits(channels) || !splits(filters) {
            return Err(GeometryError::Groups { channels, filters, groups });
        }
        let input_size = checked("input", axes.iter().map(Axis::input))?;
        let output_size = checked("output", axes.iter().map(Axis::output))?;
        let taps = checked("filter", axes.iter().map(Axis::kernel))?;
        checked("input", [batch.max(1), channels, input_size])?;
        checked("output", [batch.max(1), filters, output_size])?;
        checked("filter", [filters, channels / groups, taps])?;
        let axes = SmallVec::from_slice(axes);
        Ok(ConvGeometry { order, batch, channels, filters, groups, axes, input_size, output_size, taps })
    }

    /// Order of the dimensions.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Number of images, N.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Channels of the input, C.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of filters and channels of the output, M.
    pub fn filters(&self) -> usize {
        self.filters
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The spatial dimensions, outermost first.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.channels * self.input_size
    }

    /// Elements of the filter.
    pub fn filter_len(&self) -> usize {
        self.filters * self.depth()
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.filters * self.output_size
    }

    /// Multiplications, saturating.
    pub fn multiplications(&self) -> usize {
        self.output_len().saturating_mul(self.depth())
    }

    /// Spatial positions of the input.
    pub(super) fn input_size(&self) -> usize {
        self.input_size
    }

    /// Spatial positions of the output.
    pub(super) fn output_size(&self) -> usize {
        self.output_size
    }

    /// Spatial elements of a filter.
    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    pub(super) fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Elements of one filter: the summands of each element of the output.
    pub(super) fn depth(&self) -> usize {
        self.group_channels() * self.taps
    }

    pub(super) fn strategy(&self) -> Strategy {
        if self.axes.iter().all(Axis::is_identity) {
            return Strategy::Pointwise;
        }
        let depthwise = match self.order {
            Order::Nchw => self.group_channels() == 1 && self.groups > 1 && banded::is_banded(&self.axes),
            Order::Nhwc => self.group_channels() == 1 && self.groups > 1 && self.group_filters() == 1,
        };
        if depthwise { Strategy::Depthwise } else { Strategy::Patches }
    }
}
