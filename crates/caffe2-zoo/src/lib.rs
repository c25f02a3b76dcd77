//! The nets of Caffe2's model zoo as definitions, with weights made from a seed: what tests, benches and
//! demonstrations run where the trained weights, hundreds of megabytes, are not at hand.
//!
//! Topologies are those of the published nets: layers, kernels, strides, groups, orders of operators. Weights are
//! uniform with the variance that keeps activations in bounds (He et al. 2015), the same on every machine, and stored as
//! bytes with `ByteWeightDequant` behind them; the real Caffe2 loads and runs the same files.
//!
//! ```
//! let model = caffe2_zoo::model("squeezenet").unwrap();
//! assert_eq!(model.input_dims(), [1, 3, 224, 224]);
//! assert_eq!(model.predict_net().op.len(), 66);
//! ```
#![forbid(unsafe_code)]

mod alexnet;
mod builder;
mod densenet;
mod googlenet;
mod inception;
mod mobilenet;
mod resnet;
mod shufflenet;
mod squeezenet;
mod vgg;

use caffe2_proto::NetDef;

use builder::Builder;

/// A net of the zoo, with an init net that makes its weights.
#[derive(Debug, Clone)]
pub struct Model {
    name: &'static str,
    init: NetDef,
    predict: NetDef,
    side: usize,
}

impl Model {
    /// The name, one of [`names`].
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The net that makes the weights.
    pub fn init_net(&self) -> &NetDef {
        &self.init
    }

    /// The net that makes class probabilities, its only external output, from a picture.
    pub fn predict_net(&self) -> &NetDef {
        &self.predict
    }

    /// The name of the blob to feed.
    pub fn input(&self) -> &'static str {
        INPUT
    }

    /// The shape of one picture, NCHW; the first dimension may be larger.
    pub fn input_dims(&self) -> [usize; 4] {
        [1, 3, self.side, self.side]
    }

    /// `batch` made-up pictures for [`Model::input`]: smooth waves with noise on them, about one in size, the same on
    /// every machine.
    pub fn picture(&self, batch: usize) -> Vec<f32> {
        builder::picture(batch, self.side)
    }
}

const INPUT: &str = "data";

/// Name, side of the pictures, and how to build it.
type Entry = (&'static str, usize, fn(&mut Builder) -> String);

const ENTRIES: &[Entry] = &[
    ("alexnet", 227, alexnet::alexnet),
    ("caffenet", 227, alexnet::caffenet),
    ("densenet121", 224, densenet::densenet121),
    ("googlenet", 224, googlenet::googlenet),
    ("inception_v2", 224, inception::inception_v2),
    ("mobilenet_v2", 224, mobilenet::mobilenet_v2),
    ("resnet50", 224, resnet::resnet50),
    ("shufflenet", 224, shufflenet::shufflenet),
    ("squeezenet", 224, squeezenet::squeezenet),
    ("vgg19", 224, vgg::vgg19),
    ("zfnet", 224, alexnet::zfnet),
];

/// The names of all nets, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(name, ..)| *name)
}

/// The net of that name; `None` when there is none.
pub fn model(name: &str) -> Option<Model> {
    let &(name, side, build) = ENTRIES.iter().find(|(known, ..)| *known == name)?;
    let mut builder = Builder::new(name);
    let output = build(&mut builder);
    let (init, predict) = builder.finish(name, &output);
    Some(Model { name, init, predict, side })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_blob_is_made_before_it_is_read() {
        for model in
            names().filter(|n| !["alexnet", "caffenet", "vgg19", "zfnet"].contains(n)).filter_map(model)
        {
            let mut known: HashSet<&str> = HashSet::from([INPUT]);
            for op in model.init_net().op.iter().chain(&model.predict_net().op) {
                for input in &op.input {
                    assert!(known.contains(input.as_str()), "{}: {input}", model.name());
                }
                known.extend(op.output.iter().map(String::as_str));
            }
            let outputs = &model.predict_net().external_output;
            assert!(outputs.len() == 1 && known.contains(outputs[0].as_str()), "{}", model.name());
        }
    }

    #[test]
    fn weights_follow_from_the_name_alone() {
        let once = model("squeezenet").unwrap();
        assert_eq!(once.init_net(), model("squeezenet").unwrap().init_net());
        assert!(model("lenet").is_none());
    }

    #[test]
    fn pictures_are_about_one_in_size() {
        let model = model("squeezenet").unwrap();
        let picture = model.picture(2);
        assert_eq!(picture.len(), 2 * model.input_dims().iter().product::<usize>());
        let square: f32 = picture.iter().map(|x| x * x).sum::<f32>() / picture.len() as f32;
        assert!((0.1..4.0).contains(&square), "{square}");
    }
}
