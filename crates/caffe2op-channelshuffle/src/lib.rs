//! Caffe2's `ChannelShuffle`: channels of several groups in turn, as ShuffleNet has it.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_channelshuffle as _; // links the operator
//!
//! let shuffle = OperatorDef::new("ChannelShuffle").input("x").output("y").arg("group", 2);
//! let y = run_operator(&shuffle, [Tensor::from_slice([1, 6], &[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0])?])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod channel_shuffle;

pub use channel_shuffle::ChannelShuffleOp;
