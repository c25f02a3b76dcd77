//! Messages in their binary, text and JSON forms.

use caffe2::proto::{BlobProto, MetaNetDef, PlanDef, TensorProtos};
use caffe2::{Caffe2Message, EncodedNet, NetDef, WireLimits};

use super::WIRE;

/// Any message in binary form: what is read is written so that it is read the same again, and as text and JSON too.
pub(super) fn binary(data: &[u8]) {
    if let Ok(net) = NetDef::from_binary(data.to_vec(), &WIRE) {
        rewritten(&net);
        decoded_one_by_one(data, &net);
    }
    for_kind::<MetaNetDef>(data);
    for_kind::<PlanDef>(data);
    for_kind::<TensorProtos>(data);
    for_kind::<BlobProto>(data);
}

/// Any message in text form.
pub(super) fn text(data: &[u8]) {
    let _ = NetDef::from_text(data, &WIRE).map(|net| rewritten(&net));
    let _ = MetaNetDef::from_text(data, &WIRE).map(|meta| rewritten(&meta));
    let _ = TensorProtos::from_text(data, &WIRE).map(|tensors| rewritten(&tensors));
}

/// Any message as JSON.
pub(super) fn json(data: &[u8]) {
    let _ = NetDef::from_json(data, &WIRE).map(|net| rewritten(&net));
    let _ = MetaNetDef::from_json(data, &WIRE).map(|meta| rewritten(&meta));
    let _ = TensorProtos::from_json(data, &WIRE).map(|tensors| rewritten(&tensors));
}

fn for_kind<M: Caffe2Message>(data: &[u8]) {
    let _ = M::from_binary(data.to_vec(), &WIRE).map(|message| rewritten(&message));
}

fn rewritten<M: Caffe2Message>(message: &M) {
    let binary = message.to_binary();
    let again = M::from_binary(binary.clone(), &WireLimits::TRUSTED).expect("what was written can be read");
    assert_eq!(again.to_binary(), binary);
    // Which of the many values that are no number a float holds, text does not tell.
    let text = message.to_text();
    let again = M::from_text(&text, &WireLimits::TRUSTED).expect("text that was written can be read");
    assert_eq!(again.to_text(), text);
    let json = message.to_json();
    let again = M::from_json(&json, &WireLimits::TRUSTED).expect("JSON that was written can be read");
    assert_eq!(again.to_json(), json);
}

/// A net whose operators are decoded one at a time is the net.
fn decoded_one_by_one(data: &[u8], net: &NetDef) {
    let Ok(whole) = NetDef::from_bytes(data.to_vec(), &WIRE) else { return };
    if whole.to_binary() != net.to_binary() {
        // Taken for text.
        return;
    }
    let encoded =
        EncodedNet::from_bytes(data.to_vec(), &WIRE).expect("what is a net can be decoded in parts");
    assert_eq!(encoded.len(), net.op.len());
    for (position, op) in net.op.iter().enumerate() {
        let part = encoded.operator(position).and_then(|part| part.into_def()).expect("a part of a net");
        assert_eq!(part.to_binary(), op.to_binary());
    }
}
