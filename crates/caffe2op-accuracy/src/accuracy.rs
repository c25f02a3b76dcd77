//! `Accuracy`: how often the right class is among the best ones.
//!
//! | argument | default | |
//! |---|---|---|
//! | `top_k` | 1 | among how many |
//!
//! The share of rows in which fewer than `top_k` classes beat the label: by a greater score, or by the same one and a
//! lower number (Caffe2 `accuracy_op.cc`).

use caffe2_operator::{
    ArgError, Args, Comparison, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    Shape, TensorInfo, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct AccuracyOp {
    top_k: i32,
}

impl OperatorType for AccuracyOp {
    const TYPE: &'static str = "Accuracy";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "The share of rows whose label is among the top_k best classes. Of classes with equal scores the one \
                 with the lower number is better. Without rows it is NaN.",
            )
            .inputs(2)
            .outputs(1)
            .arg("top_k", "among how many of the best classes the label counts as right; below 1: none", 1)
            .input("predictions", "scores of the classes: float matrix, one row for each label")
            .input("labels", "the right classes: int32 tensor of one dimension")
            .output("accuracy", "float scalar from 0 to 1")
            .infer(infer)
            .comparison(Comparison::Exact)
            .differences("A label that is no class is an error, where Caffe2 reads beyond the row.")
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(AccuracyOp { top_k: args.get("top_k")? })
    }
}

/// The number of classes.
fn classes(predictions: &Shape, labels: &Shape) -> Result<usize, OpError> {
    let &[rows, classes] = predictions.dims() else {
        return Err(OpError::input(0, format!("expected 2 dimensions, found shape {predictions}")));
    };
    if labels.dims() != [rows] {
        return Err(OpError::input(
            1,
            format!("expected shape [{rows}], a label for each row, found {labels}"),
        ));
    }
    Ok(classes)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    if let (Some(predictions), Some(labels)) = (context.shape(0), context.shape(1)) {
        classes(predictions, labels)?;
    }
    Ok(vec![TensorInfo::new(DataType::Float, Shape::scalar())])
}

/// Whether the label is among the `top_k` best of the scores.
fn is_right(scores: &[f32], label: usize, score: f32, top_k: usize) -> bool {
    /// So many scores are compared before asking whether enough are better.
    const BLOCK: usize = 64;
    let (before, after) = scores.split_at(label);
    let at_least = before.chunks(BLOCK).map(|block| block.iter().filter(|&&other| other >= score).count());
    let greater = after.chunks(BLOCK).map(|block| block.iter().filter(|&&other| other > score).count());
    let mut places = top_k;
    for better in at_least.chain(greater) {
        places = places.saturating_sub(better);
        if places == 0 {
            break;
        }
    }
    places > 0
}

impl Operator for AccuracyOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (predictions, labels) = (io.input_slice::<f32>(0)?, io.input_slice::<i32>(1)?);
        let classes = classes(io.input(0)?.shape(), io.input(1)?.shape())?;
        let top_k = usize::try_from(self.top_k).unwrap_or(0);
        let mut right = 0usize;
        for (row, &label) in labels.iter().enumerate() {
            let scores = predictions.get(row * classes..(row + 1) * classes).unwrap_or_default();
            let found = usize::try_from(label).ok().and_then(|class| Some((class, *scores.get(class)?)));
            let Some((class, score)) = found else {
                let message = format!("label {row} is {label}, which is none of the {classes} classes");
                return Err(OpError::input(1, message));
            };
            right += usize::from(is_right(scores, class, score, top_k));
        }
        io.output_slice::<f32>(0, Shape::scalar())?.fill(right as f32 / labels.len() as f32);
        Ok(())
    }
}

register_cpu_operator!(AccuracyOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(top_k: i32, dims: [usize; 2], scores: &[f32], labels: &[i32]) -> Result<f32, String> {
        let def = OperatorDef::new("Accuracy").inputs(["x", "labels"]).output("y").arg("top_k", top_k);
        let x = Tensor::from_slice(dims, scores).unwrap();
        let labels = Tensor::from_slice([labels.len()], labels).unwrap();
        let y = run_operator(&def, [x, labels]).map_err(|e| e.to_string())?;
        assert!(y[0].dims().is_empty());
        Ok(y[0].as_slice::<f32>().unwrap()[0])
    }

    #[test]
    fn the_label_counts_among_the_best() {
        let scores = [0.1, 0.7, 0.2, 0.4, 0.4, 0.2];
        for (top_k, labels, want) in [
            (1, [1, 0], 1.0),
            (1, [1, 1], 0.5),
            (2, [2, 1], 1.0),
            (2, [0, 2], 0.0),
            (3, [0, 2], 1.0),
            (i32::MAX, [0, 2], 1.0),
            (0, [1, 0], 0.0),
            (i32::MIN, [1, 0], 0.0),
        ] {
            assert_eq!(run(top_k, [2, 3], &scores, &labels), Ok(want), "{top_k} {labels:?}");
        }
        assert!(run(1, [0, 3], &[], &[]).unwrap().is_nan());
    }

    #[test]
    fn labels_must_be_classes() {
        for label in [2, -1, i32::MAX, i32::MIN] {
            let error = run(1, [1, 2], &[0.5, 0.5], &[label]).unwrap_err();
            assert!(error.contains("labels") && error.contains(&label.to_string()), "{error}");
        }
        assert!(run(1, [1, 0], &[], &[0]).unwrap_err().contains("0 classes"));
        assert!(run(1, [1, 2], &[0.5, 0.5], &[0, 1]).unwrap_err().contains("[1]"));
    }
}
