//! The filter in the form that the kernels read fastest, kept between runs.

use caffe2_kernels::conv::{Algorithm, ConvGeometry, Filter, FilterForm};
use caffe2_operator::{OpError, OpIo, Tensor};

/// Times that the filter may change before it is taken to be computed anew in every run.
const CHANGES: u8 = 2;

/// What an operator keeps of its filter.
#[derive(Debug, Default)]
pub(crate) struct KeptFilter {
    /// The filter that was packed. While this clone shares its storage nobody can have written it, since who writes
    /// shared storage gets a copy.
    source: Option<Tensor>,
    form: Option<FilterForm>,
    packed: Tensor,
    changes: u8,
}

impl KeptFilter {
    /// The filter `w` for a convolution; it is packed if that was not done before. What is kept is charged to the
    /// memory budget; where that does not allow it, the filter is used as it is.
    pub(crate) fn get<'a>(
        &'a mut self,
        io: &OpIo<'_>,
        geometry: &ConvGeometry,
        algorithm: Algorithm,
        w: &'a Tensor,
    ) -> Result<Filter<'a>, OpError> {
        let values = w.as_slice().map_err(|source| OpError::Input { index: 1, source })?;
        let Some(form) = FilterForm::new(geometry, algorithm) else {
            (self.source, self.form, self.packed) = (None, None, Tensor::new());
            return Ok(Filter::Plain(values));
        };
        if let Some(source) = self.source.take() {
            if source.shares_storage_with(w) && source.shape() == w.shape() {
                self.source = Some(source);
            } else {
                self.changes += 1;
            }
        }
        if self.source.is_none() || self.form != Some(form) {
            let varies = self.changes >= CHANGES;
            if varies && !form.is_another_algorithm() {
                // Packing costs more than one run gains, and the result is the same.
                (self.form, self.packed) = (None, Tensor::new());
                return Ok(Filter::Plain(values));
            }
            self.form = None;
            io.charge(&mut self.packed);
            let Ok(packed) = self.packed.overwrite::<f32, _>([form.len()]) else {
                (self.source, self.packed) = (None, Tensor::new());
                return Ok(Filter::Plain(values));
            };
            form.pack(io.threads(), geometry, values, packed)?;
            self.form = Some(form);
            // A clone of a filter that is computed in every run would make each run allocate another.
            self.source = (!varies).then(|| w.clone());
        }
        let packed = self.packed.as_slice().map_err(|source| OpError::Other(source.to_string()))?;
        Ok(Filter::Packed(form, packed))
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{Tensor, Workspace};

    /// Values of one in size that depend on `seed`.
    fn tensor(shape: &[usize], seed: usize) -> Tensor {
        let len = shape.iter().product();
        let values: Vec<f32> =
            (0..len).map(|i: usize| ((i * 7919 + seed) % 2003) as f32 * 0.001 - 1.0).collect();
        Tensor::from_slice(shape, &values).unwrap()
    }

    fn run(workspace: &mut Workspace, algo: &str) -> Vec<f32> {
        let conv = OperatorDef::new("Conv").inputs(["x", "w"]).output("y").arg("kernel", 3).arg("algo", algo);
        if workspace.net(algo).is_none() {
            let net = NetDef::new(algo).external_inputs(["x", "w"]).op(conv).external_output("y");
            workspace.create_net(&net).unwrap();
        }
        workspace.run_net(algo).unwrap();
        workspace.fetch("y").unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn a_filter_that_changes_is_packed_anew() {
        // Images of 5, for a product with a packed filter, and of 16, for Winograd's algorithm.
        for size in [5, 16] {
            let mut kept = Workspace::new();
            kept.feed("x", tensor(&[1, 16, size, size], 1));
            for seed in [2, 2, 3, 4, 4, 5, 6] {
                kept.feed("w", tensor(&[16, 16, 3, 3], seed));
                let mut fresh = Workspace::new();
                fresh.feed("x", kept.fetch("x").unwrap());
                fresh.feed("w", kept.fetch("w").unwrap());
                let want = run(&mut fresh, "WINOGRAD");
                assert_eq!(run(&mut kept, "WINOGRAD"), want, "{size} {seed}");
                assert_eq!(run(&mut kept, "WINOGRAD"), want, "{size} {seed}");
                let direct = run(&mut fresh, "DIRECT");
                assert!(want.iter().zip(&direct).all(|(a, b)| (a - b).abs() < 1e-3), "{size}");
            }
        }
    }

    #[test]
    fn a_filter_written_in_its_place_is_noticed() {
        let mut workspace = Workspace::new();
        workspace.feed("x", tensor(&[1, 16, 5, 5], 1));
        workspace.feed("w", tensor(&[16, 16, 3, 3], 2));
        let before = run(&mut workspace, "WINOGRAD");
        let w = workspace.blob_mut("w").unwrap().tensor_or_insert_with(Tensor::new);
        w.as_mut_slice::<f32>().unwrap().iter_mut().for_each(|w| *w *= 2.0);
        let after = run(&mut workspace, "WINOGRAD");
        assert!(before.iter().zip(&after).all(|(a, b)| 2.0 * a == *b));
    }

    #[test]
    fn without_memory_the_filter_is_used_as_it_is() {
        let mut workspace = Workspace::new();
        workspace.feed("x", tensor(&[1, 16, 5, 5], 1));
        workspace.feed("w", tensor(&[16, 16, 3, 3], 2));
        let want = run(&mut workspace, "WINOGRAD");
        let mut small = Workspace::new();
        small.set_memory_limit(16 * 9 * 4 + 64);
        small.feed("x", workspace.fetch("x").unwrap());
        small.feed("w", workspace.fetch("w").unwrap());
        assert_eq!(run(&mut small, "WINOGRAD"), want);
    }
}
