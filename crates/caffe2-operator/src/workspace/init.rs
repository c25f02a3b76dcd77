//! Running an init net as it is decoded.

use std::sync::Arc;

use caffe2_proto::{EncodedNet, EncodedOperator, ProtoError};
use hashbrown::HashMap;
use smallvec::SmallVec;
use tracing::subscriber::{NoSubscriber, with_default};

use super::{LostBlob, Transaction, Workspace, ancestors};
use crate::error::{Error, ErrorKind, OpLabel};
use crate::net::{
    LastUses, NetInfo, OpInfo, build_operator, check_definition, describe_op_failure, empties_blobs,
    make_blobs, own_slot, unwritten_inputs, watched,
};
use crate::registry::OpRegistry;

/// An init net of which all operators can be made.
struct Rehearsed {
    info: Arc<NetInfo>,
    /// Blobs that are held on behalf of the operators, once for each use.
    held: Vec<u32>,
    /// Blobs that are emptied after an operator, by its position.
    empties: HashMap<usize, Vec<u32>>,
}

impl Workspace {
    /// Runs a net whose operators are decoded one at a time: each is made, run and dropped before the next, so that the
    /// parameters in the definition of an init net are in memory once, as blobs. What bytes become shares the memory of
    /// the input.
    ///
    /// Results and errors are those of [`Workspace::run_net_once`] with the whole net. In particular everything that can
    /// be wrong with the definition is found before the first operator runs: every operator is made twice.
    /// [`EncodedNet::retain_mut`] can change the operators before. What long lists of numbers
    /// ([`OpSchema::reads_long_list`](crate::OpSchema::reads_long_list)) become is charged to the memory limit.
    ///
    /// ```
    /// # use caffe2_operator::{ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator};
    /// use caffe2_operator::Workspace;
    /// use caffe2_operator::proto::{Caffe2Message, EncodedNet, NetDef, OperatorDef, WireLimits};
    /// # struct OneOp;
    /// # impl OperatorType for OneOp {
    /// #     const TYPE: &'static str = "One";
    /// #     fn schema() -> OpSchema { OpSchema::new(Self::TYPE).inputs(0).outputs(1) }
    /// #     fn from_args(_: &Args<'_>) -> Result<Self, ArgError> { Ok(OneOp) }
    /// # }
    /// # impl Operator for OneOp {
    /// #     fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
    /// #         io.output_slice::<f32>(0, [1])?[0] = 1.0;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # register_cpu_operator!(OneOp);
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = NetDef::new("init").op(OperatorDef::new("One").output("w")).to_binary();
    /// let mut workspace = Workspace::new();
    /// workspace.run_init_net(EncodedNet::from_bytes(file, &WireLimits::default())?)?;
    /// assert_eq!(workspace.fetch("w")?.as_slice::<f32>()?, [1.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Workspace::run_net_once`]; when an operator was taken from `net` before, or its file is mapped into memory and
    /// somebody has changed it.
    pub fn run_init_net(&mut self, mut net: EncodedNet) -> Result<(), Error> {
        let registry = self.registry()?;
        check_definition(net.outline(), &registry)?;
        let rehearsed = self.rehearse(&net, &registry)?;
        self.run.stop.begin();
        let result = self.run_decoding(&mut net, &rehearsed, &registry);
        for at in rehearsed.held {
            self.table.release(at);
        }
        result.map_err(|error| self.explain(error))
    }

    /// Makes the blobs, and every operator once to see whether it can be made.
    fn rehearse(&mut self, net: &EncodedNet, registry: &OpRegistry) -> Result<Rehearsed, Error> {
        let outline = net.outline();
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        make_blobs(outline, registry, &mut blobs)?;
        let (mut held, mut uses) = (Vec::new(), LastUses::default());
        let mut ops = Vec::with_capacity(net.len());
        for (position, def) in outline.op.iter().enumerate() {
            let built = decoded(net.operator(position), registry).and_then(|op| {
                let device = outline.device_option.as_ref();
                build_operator(op.def(), Some(&op), device, registry, &mut blobs, position)
            });
            let label = || OpLabel::new(Some(position), def);
            let (mut node, info) = built.map_err(|e| e.of_op(label()).of_net(outline.name()))?;
            held.extend(node.own_slots());
            uses.add(&mut node);
            ops.push(info);
        }
        let mut empties = HashMap::new();
        if empties_blobs(outline) {
            let outputs = outline.external_output.iter().filter_map(|name| own_slot(name, &blobs));
            empties = uses.by_node(&outputs.collect::<Vec<_>>());
        }
        blobs.commit(&held);
        let name: Arc<str> = Arc::from(outline.name());
        empties.values().flatten().for_each(|at| self.table.lose(*at, LostBlob::released(&name)));
        // Whatever the type, operators run in order.
        Ok(Rehearsed { info: Arc::new(NetInfo::new(outline, 1, ops)), held, empties })
    }

    fn run_decoding(
        &mut self,
        net: &mut EncodedNet,
        rehearsed: &Rehearsed,
        registry: &OpRegistry,
    ) -> Result<(), Error> {
        let info = &rehearsed.info;
        self.run.stop.check().map_err(|stopped| Error::from(stopped).of_net(info.name()))?;
        let observers = Arc::new(self.observers.0.clone());
        watched(info, &observers, |watch| {
            info.ops().iter().try_for_each(|op| {
                let mut run = || self.decode_and_run(net, rehearsed, op, registry);
                let result = match watch {
                    None => run(),
                    Some(watch) => watch.run(0, op.position(), run),
                };
                result.map_err(|e| e.of_op(op.label()).of_net(info.name()))
            })
        })
    }

    fn decode_and_run(
        &mut self,
        net: &mut EncodedNet,
        rehearsed: &Rehearsed,
        op: &OpInfo,
        registry: &OpRegistry,
    ) -> Result<(), Error> {
        let encoded = decoded(net.take(op.position()), registry)?;
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        let device = net.outline().device_option.as_ref();
        let build =
            || build_operator(encoded.def(), Some(&encoded), device, registry, &mut blobs, op.position());
        // Whatever it warns of, it did when it was made the first time.
        let (mut node, _) = with_default(NoSubscriber::default(), build)?;
        drop(encoded);
        if let Some(empties) = rehearsed.empties.get(&op.position()) {
            node.wiring.set_empties(empties);
        }
        let held: SmallVec<[u32; 8]> = node.own_slots();
        blobs.commit(&held);
        let result = {
            let ancestors = ancestors(self.parent.as_deref());
            let mut access = self.table.access(&ancestors);
            node.run(&mut access, &self.run).map_err(|cause| {
                (cause.is_unwritten_input(), describe_op_failure(op, &node.wiring, &cause, &mut access))
            })
        };
        self.settle_new_blobs();
        for at in held {
            self.table.release(at);
        }
        result.map_err(|(unwritten, error)| {
            let holds = |position: usize, input: usize| {
                let name = &rehearsed.info.ops()[position].inputs()[input];
                self.blob(name).is_some_and(|blob| blob.is_written())
            };
            if unwritten { error.detail(unwritten_inputs(&rehearsed.info, holds)) } else { error }
        })
    }
}

/// The operator as it can be made: with all lists in its definition, unless it reads them itself.
fn decoded(
    operator: Result<EncodedOperator, ProtoError>,
    registry: &OpRegistry,
) -> Result<EncodedOperator, Error> {
    let changed = |error: ProtoError| Error::new(ErrorKind::Definition, error.to_string());
    let operator = operator.map_err(changed)?;
    let reads_itself = |name: &str| match registry.schema(operator.def().r#type()) {
        Some(schema) => schema.has_long_list(name) || schema.arg_spec(name).is_none(),
        None => true,
    };
    if operator.encoded_arguments().all(reads_itself) {
        return Ok(operator);
    }
    operator.into_def().map(EncodedOperator::from).map_err(changed)
}

#[cfg(test)]
mod tests;
