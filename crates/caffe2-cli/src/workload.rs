//! A net with all that it reads, ready to run again and again: for commands that measure it or look at its blobs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use caffe2::files::{Limits, NamedTensors};
use caffe2::inspect::{Before, guess_input};
use caffe2::operator::{BlobInfos, InferredOp, TensorInfo, infer_net};
use caffe2::{DataType, Error, NetDef, NetFacts, Observer, OpRegistry, Shape, Tensor, Workspace};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;
use serde_json::{Value, json};

use crate::feeds::{FeedArg, read_feeds};
use crate::model;
use crate::options::{FuseArg, ModelOptions};
use crate::progress::Progress;
use crate::recorder::Recorder;

/// What a net runs on, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkloadArgs {
    /// Tensors to feed, as in `caffe2 run`; may be given again
    ///
    /// Inputs of floats that are not fed are filled with made-up numbers between -1 and 1, as the output says.
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = FeedArg::parser())]
    feeds: Vec<FeedArg>,

    /// Shape of an input that is not fed, such as data=1,3,224,224; may be given again
    ///
    /// By default it is found from the weights.
    #[arg(long = "shape", value_name = "NAME=N,N,...", value_parser = parse_shape)]
    shapes: Vec<(String, Shape)>,

    /// Seed of the made-up numbers
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    options: ModelOptions,
}

impl WorkloadArgs {
    /// The limits that files are read with.
    pub(crate) fn limits(&self) -> Limits {
        self.options.limits.limits()
    }
}

/// A net that stands in a workspace, with all that it reads.
pub(crate) struct Workload {
    pub(crate) workspace: Workspace,
    /// As it runs.
    pub(crate) net: NetDef,
    /// What it is fed, in the order in which it reads it.
    pub(crate) inputs: Vec<Input>,
    /// What its operators read, write and cost, in order.
    pub(crate) ops: Vec<InferredOp>,
    /// Watches the init net.
    bar: Option<Arc<dyn Observer>>,
    deadline: Option<Instant>,
}

/// Inputs that are made up at most.
const MOST_GUESSES: usize = 64;

/// What a net is fed.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) info: TensorInfo,
    /// The seed, if its numbers are made up.
    pub(crate) seed: Option<u64>,
}

impl Workload {
    /// Reads the files, makes the parameters, and feeds the inputs.
    pub(crate) fn load(model: &ModelArgs, args: &WorkloadArgs, progress: &Progress) -> Result<Workload> {
        let options = &args.options;
        let limits = options.limits.limits();
        let (mut net, source) =
            model::open(&model.net, model.init.as_deref(), &limits, options.mapping(), progress)?;
        net.name.get_or_insert_with(|| "net".into());
        let feeds = read_feeds(&args.feeds, &limits, progress)?;
        let before = source.before(&net);
        let mut workspace = options.workspace(options.folder()?, progress);
        let deadline = options.time_limit.and_then(|limit| Instant::now().checked_add(limit));
        workspace.set_time_limit(options.time_limit);
        source.prepare(&mut workspace, &mut net, !options.expand_weights, progress)?;
        workspace.set_time_limit(None);
        let bar = progress.observer();
        let registry = OpRegistry::linked()?;
        let mut workload = Workload { workspace, net, inputs: Vec::new(), ops: Vec::new(), bar, deadline };
        workload.feed(feeds, args)?;
        workload.make_up_rest(&before, args, &registry)?;
        workload.infer()?;
        Ok(workload)
    }

    /// Merges operators, as is done where a net is only to give its outputs.
    pub(crate) fn fuse(&mut self, fuse: FuseArg) -> Result<()> {
        fuse.fuse(&mut self.workspace, &mut self.net, &[])?;
        self.infer()
    }

    fn infer(&mut self) -> Result<()> {
        let mut known = self.known();
        self.ops = infer_net(&OpRegistry::linked()?, &self.net, &mut known)?;
        Ok(())
    }

    /// Feeds what is given.
    fn feed(&mut self, feeds: NamedTensors, args: &WorkloadArgs) -> Result<()> {
        let facts = NetFacts::new(&self.net);
        for (name, tensor) in feeds {
            if !facts.reads(&name) {
                tracing::warn!("`{name}` is fed, but the net does not read it");
            }
            self.inputs.push(Input { name: name.clone(), info: (&tensor).into(), seed: None });
            self.workspace.feed(&name, tensor);
        }
        let fed = |name: &str| self.inputs.iter().any(|input| input.name == name);
        if let Some((name, _)) = args.shapes.iter().find(|(name, _)| !facts.reads(name) || fed(name)) {
            let why = if fed(name) { "it is fed, and has a shape" } else { "the net does not read it" };
            bail!("--shape {name}: {why}");
        }
        Ok(())
    }

    /// Makes up the inputs that are not fed. `before` tells which blobs only hold a place for them, and of what shape.
    fn make_up_rest(
        &mut self,
        before: &Before,
        args: &WorkloadArgs,
        registry: &Arc<OpRegistry>,
    ) -> Result<()> {
        let net = self.net.clone();
        let mut unknown = String::new();
        // Each takes runs of inference over the whole net.
        let mut guesses = MOST_GUESSES;
        for (name, reader) in NetFacts::new(&net).inputs() {
            let given = args.shapes.iter().find(|(of, _)| of == name).map(|(_, shape)| shape);
            let given = given.or_else(|| before.blobs.get(name)?.shape.as_ref());
            let is_place = before.placeholders.iter().any(|place| place == name);
            if self.is_fed(name) || (given.is_none() && !is_place && self.workspace.has_blob(name)) {
                continue;
            }
            guesses = guesses.saturating_sub(1);
            match self.info_of(name, given, is_place, registry).filter(|_| guesses > 0) {
                Some(info) if info.data_type == Some(DataType::Float) => {
                    self.make_up(name, &info, args.seed)?
                }
                Some(info) => unknown.push_str(&format!("\n  `{name}`, {info}, first read by {reader}")),
                None => unknown.push_str(&format!("\n  `{name}`, first read by {reader}")),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        bail!(
            "inputs that are not fed, and of which nothing can be made up, since their shapes are not known or they are \
             no floats:{unknown}\nfeed them with --feed FILE (.npz, TensorProtos .pb) or --feed NAME=FILE (.npy), or \
             give the shapes of floats with --shape NAME=N,N,..."
        )
    }

    fn is_fed(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }

    /// What an input is that is not fed.
    fn info_of(
        &self,
        name: &str,
        given: Option<&Shape>,
        is_place: bool,
        registry: &Arc<OpRegistry>,
    ) -> Option<TensorInfo> {
        if let Some(shape) = given {
            return Some(TensorInfo::new(DataType::Float, shape.clone()));
        }
        let place = self.workspace.tensor(name).ok().filter(|tensor| is_place && tensor.numel() > 1);
        let guess = || guess_input(registry, &self.net, &self.known(), name).map(|guess| guess.info);
        place.map(TensorInfo::from).or_else(guess)
    }

    fn make_up(&mut self, name: &str, info: &TensorInfo, seed: u64) -> Result<()> {
        let Some(shape) = &info.shape else { bail!("the shape of `{name}` is not known") };
        if info.byte_len() > self.workspace.memory().limit() as u64 {
            bail!("`{name}`, {info}, takes more than --memory-limit allows");
        }
        let mut tensor = Tensor::new();
        let values = tensor.overwrite::<f32, _>(shape).map_err(|e| anyhow!("`{name}`: {e}"))?;
        made_up(name, seed, values);
        self.inputs.push(Input { name: name.to_owned(), info: info.clone(), seed: Some(seed) });
        self.workspace.feed(name, tensor);
        Ok(())
    }

    /// What is known of the blobs that are there.
    fn known(&self) -> BlobInfos {
        let mut known = BlobInfos::new();
        for name in self.net.op.iter().flat_map(|op| &op.input) {
            let Some(blob) = self.workspace.blob(name) else { continue };
            match (blob.as_tensor(), blob.as_int8()) {
                (Some(tensor), _) if tensor.data_type().is_some() => known.insert_tensor(name, tensor),
                (_, Some(int8)) => known.insert(name.clone(), int8.into()),
                _ => {}
            }
        }
        known
    }

    /// Builds the net in the workspace.
    pub(crate) fn create(&mut self) -> Result<(), Error> {
        let net = self.workspace.create_net(&self.net)?;
        // Nobody is to watch what is measured.
        self.bar.iter().for_each(|bar| _ = net.detach(bar));
        Ok(())
    }

    /// Has so many runs from now on written down.
    pub(crate) fn record(&mut self, runs: usize) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::new(self.net.op.len(), runs));
        if let Some(net) = self.workspace.net_mut(self.net.name()) {
            net.attach(Arc::clone(&recorder) as Arc<dyn Observer>);
        }
        recorder
    }

    /// Runs the net once, within the time that is left.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        if let Some(deadline) = self.deadline {
            self.workspace.set_time_limit(Some(deadline.saturating_duration_since(Instant::now())));
        }
        self.workspace.run_net(self.net.name())
    }

    /// The inputs in lines for people.
    pub(crate) fn describe_inputs(&self) -> Vec<Vec<String>> {
        let row = |input: &Input| {
            let origin = input.seed.map_or("fed".to_owned(), |seed| format!("made up, seed {seed}"));
            vec![input.name.clone(), input.info.to_string(), origin]
        };
        self.inputs.iter().map(row).collect()
    }

    /// The inputs for programs.
    pub(crate) fn inputs_json(&self) -> Value {
        let input = |input: &Input| {
            json!({
                "name": input.name, "type": input.info.data_type.map(|t| t.name()),
                "shape": input.info.shape.as_ref().map(|shape| shape.dims().to_vec()), "seed": input.seed,
            })
        };
        self.inputs.iter().map(input).collect()
    }
}

/// Numbers from -1 to 1 that depend on the name and the seed alone, so that two nets get the same.
fn made_up(name: &str, seed: u64, values: &mut [f32]) {
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut random = Pcg32::new(seed, stream);
    values.fill_with(|| (random.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0);
}

/// The path of a net, and that of its init net if it has one.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// The net to run: a NetDef, or a predictor file
    #[arg(long, value_name = "NET")]
    pub(crate) net: PathBuf,

    /// The net that makes the parameters, run once before
    #[arg(long, value_name = "INIT")]
    pub(crate) init: Option<PathBuf>,
}

fn parse_shape(text: &str) -> Result<(String, Shape), String> {
    let wrong = || "it goes NAME=N,N,..., such as data=1,3,224,224".to_owned();
    let (name, dims) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let dims = dims.split(',').map(|dim| dim.trim().parse::<usize>());
    let dims: Vec<usize> = dims.collect::<Result<_, _>>().map_err(|_| wrong())?;
    Ok((name.to_owned(), Shape::new(&dims).map_err(|e| e.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_named() {
        let (name, shape) = parse_shape("a=b=1, 3,8").unwrap();
        assert_eq!((name.as_str(), shape.dims()), ("a=b", &[1, 3, 8][..]));
        for wrong in ["", "data", "=1", "data=", "data=1,,2", "data=-1", "data=1.5"] {
            assert!(parse_shape(wrong).unwrap_err().contains("1,3,224,224"), "{wrong}");
        }
        assert!(parse_shape(&format!("x={0},{0}", usize::MAX)).is_err());
    }

    #[test]
    fn made_up_numbers_depend_on_name_and_seed() {
        let numbers = |name, seed| {
            let mut values = [9.0f32; 1000];
            made_up(name, seed, &mut values);
            assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
            values
        };
        assert_eq!(numbers("data", 1), numbers("data", 1));
        assert!(numbers("data", 1) != numbers("data", 2) && numbers("data", 1) != numbers("date", 1));
        let mean = numbers("data", 1).iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1, "{mean}");
    }
}
