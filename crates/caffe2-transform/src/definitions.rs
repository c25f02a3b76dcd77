//! Parts of definitions that rewrites share.

use caffe2_proto::prost::{Message as _, length_delimiter_len};
use caffe2_proto::{NetDef, OperatorDef};

/// All of a net but its operators.
pub(crate) fn without_operators(net: &NetDef) -> NetDef {
    NetDef {
        op: Vec::new(),
        name: net.name.clone(),
        r#type: net.r#type.clone(),
        num_workers: net.num_workers,
        device_option: net.device_option.clone(),
        arg: net.arg.clone(),
        external_input: net.external_input.clone(),
        external_output: net.external_output.clone(),
        partition_info: net.partition_info.clone(),
    }
}

/// Bytes that an operator takes in a net.
pub(crate) fn size_in_net(op: &OperatorDef) -> usize {
    let len = op.encoded_len();
    1 + length_delimiter_len(len) + len
}
