//! Definitions to operators with resolved blobs.

use std::sync::{Arc, Mutex};

use caffe2_proto::{DeviceOption, EncodedOperator, NetDef, OperatorDef};
use hashbrown::HashSet;

use super::check::{check_definition, unfed_inputs};
use super::graph::Graph;
use super::kind::NetKind;
use super::memory::Memory;
use super::release::empty_after_last_use;
use super::watch::Observers;
use super::{Net, NetInfo, Node, OpInfo, Operators, Work};
use crate::Args;
use crate::access::{Slot, Wiring};
use crate::control::{BuiltSubNet, MAX_NESTING, SubNet, nested_writes};
use crate::error::{Error, ErrorKind, OpLabel};
use crate::op_error::{ArgError, OpError};
use crate::registry::{CreateError, Created, DeviceType, OpRegistry, Registration};
use crate::workspace::Transaction;

/// Builds a net whose definition was checked.
pub(crate) fn build_net(
    def: &NetDef,
    registry: &OpRegistry,
    blobs: &mut Transaction<'_>,
) -> Result<Net, Error> {
    make_blobs(def, registry, blobs)?;
    let kind = NetKind::of(def)?;
    let mut nodes = Vec::with_capacity(def.op.len());
    let mut ops = Vec::with_capacity(def.op.len());
    for (position, op) in def.op.iter().enumerate() {
        let built = build_operator(op, None, def.device_option.as_ref(), registry, blobs, position);
        let (node, info) = built.map_err(|e| e.of_op(OpLabel::new(Some(position), op)).of_net(def.name()))?;
        nodes.push(node);
        ops.push(info);
    }
    let own = |name: &String| own_slot(name, blobs);
    let outputs: Vec<u32> = def.external_output.iter().filter_map(own).collect();
    if kind == NetKind::ReleasingRow {
        empty_after_last_use(&mut nodes, &outputs);
    }
    let wanted = def.external_input.iter().filter_map(own).chain(outputs).collect();
    Ok(Net {
        info: Arc::new(NetInfo::new(def, kind.workers(def), ops)),
        operators: match kind {
            NetKind::Row | NetKind::ReleasingRow => Operators::Row(Mutex::new(nodes)),
            NetKind::Graph => Operators::Graph(Graph::new(nodes)),
        },
        observers: Observers::default(),
        memory: Memory::new(wanted, !def.external_output.is_empty()),
    })
}

/// The slot of a blob, if it is one of the workspace itself.
pub(crate) fn own_slot(name: &str, blobs: &Transaction<'_>) -> Option<u32> {
    blobs.find(name).filter(|slot| slot.level == 0).map(|slot| slot.index)
}

/// Makes the blobs that the operators of a net write; those that they read before must be there. Arguments matter only
/// where nets are in them.
pub(crate) fn make_blobs(
    def: &NetDef,
    registry: &OpRegistry,
    blobs: &mut Transaction<'_>,
) -> Result<(), Error> {
    let nested: Vec<_> = def.op.iter().map(|op| nested_writes(op, registry)).collect();
    let unfed = unfed_inputs(def, &nested, |name| blobs.exists(name));
    if !unfed.is_empty() {
        let message = "blobs that the net reads do not exist; feed them, or run the init net first";
        return Err(Error::new(ErrorKind::MissingInput, message).detail(unfed).of_net(def.name()));
    }
    // A net that writes a name works on the workspace's own blob throughout, see `Workspace`.
    for name in def.op.iter().flat_map(|op| &op.output).chain(nested.iter().flatten()) {
        blobs.own(name);
    }
    Ok(())
}

/// Builds one operator: device, schema, arguments, blobs. `encoded` is the operator that `def` is of, where it came with
/// lists that are not in the definition.
pub(crate) fn build_operator(
    def: &OperatorDef,
    encoded: Option<&EncodedOperator>,
    net_device: Option<&DeviceOption>,
    registry: &OpRegistry,
    blobs: &mut Transaction<'_>,
    position: usize,
) -> Result<(Node, OpInfo), Error> {
    let Some(schema) = registry.schema(def.r#type()) else {
        return Err(Error::new(ErrorKind::NotRegistered, registry.explain_missing(def.r#type())));
    };
    let device = device_of(def, net_device)?;
    schema.verify(def).map_err(|e| Error::new(ErrorKind::Schema, e.to_string()))?;
    let missing: Vec<_> =
        def.input.iter().filter(|name| !blobs.exists(name)).map(|n| format!("`{n}`")).collect();
    if !missing.is_empty() {
        let message = format!("input blobs {} do not exist", missing.join(", "));
        return Err(Error::new(ErrorKind::MissingInput, message));
    }
    let args = Args::new(def, schema).map_err(argument_error)?.of_net(net_device);
    let args = match encoded {
        Some(operator) => args.with_lists_of(operator),
        None => args,
    };
    let (created, registration) = registry.create(def, device, &args).map_err(|e| match e {
        CreateError::NotRegistered(message) => Error::new(ErrorKind::NotRegistered, message),
        CreateError::Arg(error) => argument_error(error),
    })?;
    let node = match created {
        Created::Operator(operator) => {
            Node { work: Work::Operator(operator), wiring: wire(def, blobs), position: position as u32 }
        }
        Created::Control(operator, nets) => {
            nested_writes(def, registry).iter().for_each(|name| _ = blobs.own(name));
            let wiring = wire(def, blobs);
            let nets = nets.into_iter().map(|sub| build_sub_net(sub, registry, blobs));
            Node {
                work: Work::Control(operator, nets.collect::<Result<_, _>>()?),
                wiring,
                position: position as u32,
            }
        }
    };
    Ok((node, describe(def, registration, blobs, position)))
}

fn build_sub_net(
    sub: SubNet<'_>,
    registry: &OpRegistry,
    blobs: &mut Transaction<'_>,
) -> Result<BuiltSubNet, Error> {
    let SubNet { argument, net, bindings } = sub;
    let built = blobs.nested(bindings, |blobs| {
        check_definition(net, registry)?;
        build_net(net, registry, blobs)
    });
    match built {
        Some(Ok(net)) => Ok(BuiltSubNet { argument, net }),
        Some(Err(error)) => Err(Error::nested(argument, error)),
        None => {
            let problem = format!("nets lie within each other more than {MAX_NESTING} deep");
            Err(argument_error(ArgError::value(argument, problem)))
        }
    }
}

pub(crate) fn argument_error(error: ArgError) -> Error {
    Error::new(ErrorKind::Argument, error.to_string()).caused_by(OpError::Arg(error))
}

/// The device of an operator: its own, else its net's, else the processor; only that one is there.
pub(crate) fn device_of(def: &OperatorDef, net_device: Option<&DeviceOption>) -> Result<DeviceType, Error> {
    let own = def.device_option.as_ref().and_then(|d| d.device_type);
    let number = own.or_else(|| net_device.and_then(|d| d.device_type)).unwrap_or(0);
    match DeviceType(number) {
        DeviceType::CPU => Ok(DeviceType::CPU),
        other => {
            let message = format!("wants the device {other}; only CPU is there: remove its device_option");
            Err(Error::new(ErrorKind::Device, message))
        }
    }
}

/// Resolves the blobs of an operator. Outputs of the same name all but the last are written to blobs
/// that nobody sees: the last write wins.
fn wire(def: &OperatorDef, blobs: &mut Transaction<'_>) -> Wiring {
    // Outputs first: one of the parent's name becomes a blob of the workspace, which an input of that
    // name then is too.
    let mut seen: HashSet<&str> =
        HashSet::with_capacity(if def.output.len() > 1 { def.output.len() } else { 0 });
    let mut outputs: Vec<Slot> = def
        .output
        .iter()
        .rev()
        .map(|name| {
            let last = def.output.len() == 1 || seen.insert(name);
            let index = if last { blobs.own(name) } else { blobs.nameless() };
            Slot { level: 0, index }
        })
        .collect();
    outputs.reverse();
    let inputs = def.input.iter().filter_map(|name| blobs.find(name));
    let mut wiring = Wiring::new(inputs, &outputs);
    if !def.control_input.is_empty() {
        // Blobs of ancestors are never written, and what does not exist nobody writes before.
        let control = def.control_input.iter().filter_map(|name| blobs.find(name));
        wiring.set_after(control.filter(|slot| slot.level == 0).map(|slot| slot.index));
    }
    wiring
}

fn describe(
    def: &OperatorDef,
    registration: &Registration,
    blobs: &Transaction<'_>,
    position: usize,
) -> OpInfo {
    let names = |list: &[String]| list.iter().map(|n| blobs.shared_name(n)).collect::<Vec<Arc<str>>>();
    OpInfo {
        position,
        op_type: registration.op_type(),
        engine: registration.engine(),
        name: def.name().to_owned(),
        inputs: names(&def.input),
        outputs: names(&def.output),
    }
}
