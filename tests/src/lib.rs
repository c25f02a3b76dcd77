//! What the tests across crates share: the golden cases that the real Caffe2 answered, the
//! models, and the comparison of tensors. All operator crates of the project are linked.
#![forbid(unsafe_code)]

pub mod compare;
pub mod golden;
pub mod models;

use caffe2op_activation as _;
use caffe2op_conv as _;
use caffe2op_copy as _;
use caffe2op_dequant as _;
use caffe2op_elementwise as _;
use caffe2op_filler as _;
use caffe2op_fullyconnected as _;
use caffe2op_pool as _;
use caffe2op_reshape as _;
use caffe2op_softmax as _;
use caffe2op_transpose as _;
