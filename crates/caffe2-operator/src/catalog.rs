//! Which crate of this project brings which operator type, for programs that do not link it.

/// Operator crates with their operator types, sorted.
pub(crate) const CATALOG: &[(&str, &[&str])] = &[
    (
        "caffe2op-activation",
        &[
            "Clip",
            "Elu",
            "Gelu",
            "HardSigmoid",
            "LeakyRelu",
            "PRelu",
            "Relu",
            "ReluN",
            "Selu",
            "Sigmoid",
            "Softplus",
            "Softsign",
            "Swish",
            "Tanh",
            "ThresholdedRelu",
        ],
    ),
    ("caffe2op-conv", &["Conv", "Conv1D", "Conv2D", "Conv3D"]),
    ("caffe2op-copy", &["Copy"]),
    ("caffe2op-dequant", &["ByteWeightDequant"]),
    (
        "caffe2op-elementwise",
        &[
            "Abs",
            "Add",
            "And",
            "Cbrt",
            "Ceil",
            "Cos",
            "Cube",
            "Div",
            "EQ",
            "Exp",
            "Floor",
            "GE",
            "GT",
            "LE",
            "LT",
            "Log",
            "Max",
            "Mean",
            "Min",
            "Mul",
            "NE",
            "Negative",
            "Not",
            "Or",
            "Pow",
            "Reciprocal",
            "Rsqrt",
            "Scale",
            "Sign",
            "Sin",
            "Sqr",
            "Sqrt",
            "Sub",
            "Sum",
            "Tan",
            "WeightedSum",
            "Xor",
        ],
    ),
    (
        "caffe2op-filler",
        &[
            "ConstantFill",
            "GivenTensorBoolFill",
            "GivenTensorByteStringToUInt8Fill",
            "GivenTensorDoubleFill",
            "GivenTensorFill",
            "GivenTensorInt16Fill",
            "GivenTensorInt64Fill",
            "GivenTensorIntFill",
            "GivenTensorStringFill",
        ],
    ),
    ("caffe2op-fullyconnected", &["FC"]),
    (
        "caffe2op-pool",
        &[
            "AveragePool",
            "AveragePool1D",
            "AveragePool2D",
            "AveragePool3D",
            "MaxPool",
            "MaxPool1D",
            "MaxPool2D",
            "MaxPool3D",
        ],
    ),
    ("caffe2op-reshape", &["Flatten", "Reshape"]),
    ("caffe2op-softmax", &["Softmax"]),
    ("caffe2op-transpose", &["Transpose"]),
];

/// The crate that brings an operator type.
pub(crate) fn crate_of(op_type: &str) -> Option<&'static str> {
    CATALOG.iter().find(|(_, types)| types.contains(&op_type)).map(|(package, _)| *package)
}

/// All operator types of this project.
pub(crate) fn op_types() -> impl Iterator<Item = &'static str> {
    CATALOG.iter().flat_map(|(_, types)| types.iter().copied())
}
