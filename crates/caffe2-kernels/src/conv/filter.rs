//! Filters brought into the form that a convolution reads, once for many runs.

use super::geometry::ConvGeometry;
use super::{Strategy, winograd};
use crate::error::check_len;
use crate::gemm::{LeftLayout, MatRef};
use crate::geometry::Order;
use crate::{Isa, KernelError, Threads};

/// How a convolution is to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// By sums of products as the definition has them.
    #[default]
    Direct,
    /// By Winograd's algorithm where it can serve (kernels of 3 by 3 with stride 1, 16 channels and filters or more,
    /// outputs of 12 by 12 or more, NCHW), else directly. Errors are some times those of the direct way; a value that is
    /// infinite or NaN makes all outputs of its tile of 4 by 4 pixels NaN.
    Winograd,
}

/// The form of a packed filter, for one geometry of the filter and one instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterForm {
    pub(super) kind: Kind,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For each group the filters as a packed left operand.
    Product(LeftLayout),
    /// For each group and each point transformed kernels, packed.
    Winograd(LeftLayout),
}

/// Columns of a product from which on packing the filter anew for each block of the output costs nothing to speak of.
const MANY_COLUMNS: usize = 256;

impl FilterForm {
    /// The form that serves the convolution best; none if that is the filter as it is.
    pub fn new(geometry: &ConvGeometry, algorithm: Algorithm) -> Option<FilterForm> {
        FilterForm::on(Isa::current(), geometry, algorithm)
    }

    pub(super) fn on(isa: Isa, geometry: &ConvGeometry, algorithm: Algorithm) -> Option<FilterForm> {
        if algorithm == Algorithm::Winograd && winograd::suits(geometry) {
            let layout = winograd::layout(isa, geometry);
            return Some(FilterForm {
                kind: Kind::Winograd(layout),
                len: winograd::filter_len(&layout, geometry),
            });
        }
        let product = geometry.order() == Order::Nchw && geometry.strategy() != Strategy::Depthwise;
        if !product || geometry.output_size() >= MANY_COLUMNS {
            return None;
        }
        Some(FilterForm::product(isa, geometry))
    }

    fn product(isa: Isa, geometry: &ConvGeometry) -> FilterForm {
        let layout = LeftLayout::new(isa, geometry.group_filters(), geometry.depth());
        FilterForm { kind: Kind::Product(layout), len: geometry.groups() * layout.len() }
    }

    /// Floats of the packed filter.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.len
    }

    pub(super) fn isa(&self) -> Isa {
        match self.kind {
            Kind::Product(layout) | Kind::Winograd(layout) => layout.isa(),
        }
    }

    /// Whether results differ in rounding from those with the filter as it is.
    pub fn is_another_algorithm(&self) -> bool {
        matches!(self.kind, Kind::Winograd(_))
    }

    /// Packs `filter`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] if a slice does not have the elements that it should.
    pub fn pack(
        &self,
        threads: &Threads,
        geometry: &ConvGeometry,
        filter: &[f32],
        to: &mut [f32],
    ) -> Result<(), KernelError> {
        check_len("filter of the convolution", geometry.filter_len(), filter.len())?;
        check_len("packed filter", self.len, to.len())?;
        match self.kind {
            Kind::Winograd(layout) => winograd::transform_filter(threads, &layout, geometry, filter, to),
            Kind::Product(layout) => {
                let (rows, depth) = (geometry.group_filters(), geometry.depth());
                threads.for_each_block(to, layout.len(), 0, |group, to| {
                    layout.pack(&MatRef::within(&filter[group * rows * depth..], rows, depth, depth), to);
                });
            }
        }
        Ok(())
    }
}

/// The filter of a convolution.
#[derive(Debug, Clone, Copy)]
pub enum Filter<'a> {
    /// As the operator's input has it.
    Plain(&'a [f32]),
    /// As [`FilterForm::pack`] has made it of one of the same geometry.
    Packed(FilterForm, &'a [f32]),
}

impl Filter<'_> {
    pub(super) fn check(&self, geometry: &ConvGeometry) -> Result<(), KernelError> {
        let (form, filter) = match self {
            Filter::Plain(filter) => {
                return check_len("filter of the convolution", geometry.filter_len(), filter.len());
            }
            Filter::Packed(form, filter) => (form, filter),
        };
        let wanted = match form.kind {
            Kind::Winograd(layout) if winograd::suits(geometry) => {
                let layout = winograd::layout(layout.isa(), geometry);
                FilterForm { kind: Kind::Winograd(layout), len: winograd::filter_len(&layout, geometry) }
            }
            Kind::Winograd(_) => {
                return Err(KernelError::Mismatch { what: "packed filter", left: form.len, right: 0 });
            }
            Kind::Product(layout) => FilterForm::product(layout.isa(), geometry),
        };
        if wanted != *form || geometry.order() != Order::Nchw {
            return Err(KernelError::Mismatch { what: "packed filter", left: form.len, right: wanted.len });
        }
        check_len("packed filter", form.len, filter.len())
    }
}
