//! Layers to definitions.

use caffe2_proto::{NetDef, OperatorDef};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

use crate::INPUT;

/// A net in the making: each layer appends to both nets and returns the name of its output.
#[derive(Debug)]
pub(crate) struct Builder {
    init: Vec<OperatorDef>,
    predict: Vec<OperatorDef>,
    parameters: Vec<String>,
    random: Pcg32,
}

/// The window of a convolution or pooling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    kernel: usize,
    stride: usize,
    pad: usize,
    group: usize,
}

/// A square window, moved by one, without padding.
pub(crate) fn window(kernel: usize) -> Window {
    Window { kernel, stride: 1, pad: 0, group: 1 }
}

impl Window {
    pub(crate) fn stride(self, stride: usize) -> Window {
        Window { stride, ..self }
    }

    pub(crate) fn pad(self, pad: usize) -> Window {
        Window { pad, ..self }
    }

    pub(crate) fn group(self, group: usize) -> Window {
        Window { group, ..self }
    }

    fn describe(self, def: OperatorDef) -> OperatorDef {
        let def = def.arg("kernel", self.kernel as i64).arg("stride", self.stride as i64);
        let def = if self.pad > 0 { def.arg("pad", self.pad as i64) } else { def };
        if self.group > 1 { def.arg("group", self.group as i64) } else { def }
    }
}

impl Builder {
    pub(crate) fn new(name: &str) -> Builder {
        let seed = name.bytes().fold(1u64, |seed, byte| seed.wrapping_mul(257) + u64::from(byte));
        let random = Pcg32::new(seed, 0x0a02_bdbf_7bb3_c0a7);
        Builder { init: Vec::new(), predict: Vec::new(), parameters: Vec::new(), random }
    }

    /// The two nets; `output` is what the second is run for.
    pub(crate) fn finish(self, name: &str, output: &str) -> (NetDef, NetDef) {
        let init = NetDef::new(format!("{name}_init")).ops(self.init).external_outputs(&self.parameters);
        let predict = NetDef::new(name)
            .external_input(INPUT)
            .external_inputs(self.parameters)
            .ops(self.predict)
            .external_output(output);
        (init, predict)
    }

    pub(crate) fn push(&mut self, def: OperatorDef) -> String {
        let output = def.output[0].clone();
        self.predict.push(def);
        output
    }

    fn uniform(&mut self) -> f32 {
        (self.random.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A weight of uniform values in ±`bound`, stored as bytes.
    fn weight(&mut self, name: &str, dims: &[usize], bound: f32) {
        let mut codes = vec![0u8; dims.iter().product()];
        self.random.fill_bytes(&mut codes);
        let shape: Vec<i64> = dims.iter().map(|&d| d as i64).collect();
        let stored = format!("{name}_codes");
        let fill = OperatorDef::new("GivenTensorByteStringToUInt8Fill").output(&stored);
        self.init.push(fill.arg("shape", &shape).arg("values", vec![codes]));
        let expand = OperatorDef::new("ByteWeightDequant").input(stored).output(name);
        self.init.push(expand.arg("min", -bound).arg("max", bound).arg("shape", shape));
        self.parameters.push(name.to_owned());
    }

    /// A vector of uniform floats.
    fn vector(&mut self, name: &str, len: usize, low: f32, high: f32) {
        let values: Vec<f32> = (0..len).map(|_| low + (high - low) * self.uniform()).collect();
        let fill = OperatorDef::new("GivenTensorFill").output(name);
        self.init.push(fill.arg("shape", vec![len as i64]).arg("values", values));
        self.parameters.push(name.to_owned());
    }

    fn convolution(
        &mut self,
        name: &str,
        x: &str,
        (from, to): (usize, usize),
        window: Window,
        bias: bool,
    ) -> String {
        let per_group = from / window.group;
        let fan_in = per_group * window.kernel * window.kernel;
        let bound = (6.0 / fan_in as f32).sqrt();
        self.weight(&format!("{name}_w"), &[to, per_group, window.kernel, window.kernel], bound);
        let mut def = OperatorDef::new("Conv").inputs([x.to_owned(), format!("{name}_w")]);
        if bias {
            self.vector(&format!("{name}_b"), to, -0.1, 0.1);
            def = def.input(format!("{name}_b"));
        }
        self.push(window.describe(def.output(name)))
    }

    /// A convolution with a bias, from and to so many channels.
    pub(crate) fn conv(&mut self, name: &str, x: &str, channels: (usize, usize), window: Window) -> String {
        self.convolution(name, x, channels, window, true)
    }

    /// A convolution with a bias, and Relu in place.
    pub(crate) fn conv_relu(
        &mut self,
        name: &str,
        x: &str,
        channels: (usize, usize),
        window: Window,
    ) -> String {
        let y = self.conv(name, x, channels, window);
        self.relu(&y)
    }

    /// A convolution without a bias, and batch normalisation in place; `gain` scales its result.
    pub(crate) fn conv_bn(
        &mut self,
        name: &str,
        x: &str,
        channels: (usize, usize),
        window: Window,
        gain: f32,
    ) -> String {
        let y = self.convolution(name, x, channels, window, false);
        self.batch_norm(&format!("{name}_bn"), &y, &y, channels.1, gain)
    }

    /// A convolution without a bias, batch normalisation, scale and shift by channel, and Relu in place, as nets
    /// converted from Caffe have them.
    pub(crate) fn conv_bn_scale(
        &mut self,
        name: &str,
        x: &str,
        channels: (usize, usize),
        window: Window,
    ) -> String {
        let y = self.convolution(name, x, channels, window, false);
        let y = self.batch_norm(&format!("{name}/bn"), &y, &format!("{name}/bn"), channels.1, 1.0);
        let scaled = format!("{y}/sc");
        self.vector(&format!("{scaled}_w"), channels.1, 0.8, 1.2);
        self.vector(&format!("{scaled}_b"), channels.1, -0.1, 0.1);
        let by_channel = |def: OperatorDef| def.arg("axis", 1).arg("broadcast", 1);
        let mul = OperatorDef::new("Mul").inputs([y, format!("{scaled}_w")]);
        let y = self.push(by_channel(mul.output(format!("{scaled}_internal"))));
        let add = OperatorDef::new("Add").inputs([y, format!("{scaled}_b")]);
        let y = self.push(by_channel(add.output(scaled)));
        self.relu(&y)
    }

    /// `SpatialBN` in test mode.
    pub(crate) fn batch_norm(&mut self, name: &str, x: &str, y: &str, channels: usize, gain: f32) -> String {
        self.vector(&format!("{name}_s"), channels, 0.8 * gain, 1.2 * gain);
        self.vector(&format!("{name}_b"), channels, -0.1, 0.1);
        self.vector(&format!("{name}_rm"), channels, -0.1, 0.1);
        self.vector(&format!("{name}_riv"), channels, 0.8, 1.2);
        let parameters = ["s", "b", "rm", "riv"].map(|part| format!("{name}_{part}"));
        let def = OperatorDef::new("SpatialBN").input(x).inputs(parameters).output(y);
        self.push(def.arg("is_test", 1).arg("epsilon", 1e-5f32).arg("order", "NCHW"))
    }

    /// `Relu` in place.
    pub(crate) fn relu(&mut self, x: &str) -> String {
        self.push(OperatorDef::new("Relu").input(x).output(x))
    }

    /// `Clip` to 0..6 in place.
    pub(crate) fn relu6(&mut self, x: &str) -> String {
        self.push(OperatorDef::new("Clip").input(x).output(x).arg("min", 0.0f32).arg("max", 6.0f32))
    }

    pub(crate) fn lrn(&mut self, name: &str, x: &str) -> String {
        let def = OperatorDef::new("LRN").input(x).outputs([name.to_owned(), format!("{name}_scale")]);
        let def = def.arg("size", 5).arg("alpha", 1e-4f32).arg("beta", 0.75f32).arg("bias", 1.0f32);
        self.push(def.arg("order", "NCHW"))
    }

    pub(crate) fn max_pool(&mut self, name: &str, x: &str, window: Window) -> String {
        self.push(window.describe(OperatorDef::new("MaxPool").input(x).output(name)))
    }

    /// Max pooling whose last window may overhang, as in nets that came from Caffe.
    pub(crate) fn max_pool_caffe(&mut self, name: &str, x: &str, window: Window) -> String {
        self.push(window.describe(OperatorDef::new("MaxPool").input(x).output(name)).arg("legacy_pad", 3))
    }

    /// Max pooling whose last window may overhang by one, said as padding below and to the right.
    pub(crate) fn max_pool_overhang(&mut self, name: &str, x: &str, window: Window) -> String {
        let def = window.describe(OperatorDef::new("MaxPool").input(x).output(name));
        let pads = [("pad_t", 0), ("pad_l", 0), ("pad_b", 1), ("pad_r", 1)];
        self.push(pads.into_iter().fold(def, |def, (side, pad)| def.arg(side, pad)))
    }

    pub(crate) fn average_pool(&mut self, name: &str, x: &str, window: Window) -> String {
        self.push(window.describe(OperatorDef::new("AveragePool").input(x).output(name)))
    }

    pub(crate) fn global_average_pool(&mut self, name: &str, x: &str) -> String {
        self.push(OperatorDef::new("AveragePool").input(x).output(name).arg("global_pooling", 1))
    }

    pub(crate) fn concat(&mut self, name: &str, parts: &[String]) -> String {
        let def = OperatorDef::new("Concat").inputs(parts).outputs([name.to_owned(), format!("{name}_dims")]);
        self.push(def.arg("order", "NCHW"))
    }

    pub(crate) fn sum(&mut self, name: &str, a: &str, b: &str) -> String {
        self.push(OperatorDef::new("Sum").inputs([a, b]).output(name))
    }

    /// `Dropout` in place, which does nothing in test mode.
    pub(crate) fn dropout(&mut self, x: &str) -> String {
        let def = OperatorDef::new("Dropout").input(x).outputs([x.to_owned(), format!("{x}_mask")]);
        self.push(def.arg("ratio", 0.5f32).arg("is_test", 1))
    }

    pub(crate) fn fc(&mut self, name: &str, x: &str, from: usize, to: usize) -> String {
        self.weight(&format!("{name}_w"), &[to, from], (6.0 / from as f32).sqrt());
        self.vector(&format!("{name}_b"), to, -0.1, 0.1);
        let def = OperatorDef::new("FC").inputs([x.to_owned(), format!("{name}_w"), format!("{name}_b")]);
        self.push(def.output(name))
    }

    pub(crate) fn softmax(&mut self, x: &str) -> String {
        self.push(OperatorDef::new("Softmax").input(x).output("softmax"))
    }
}

/// See [`crate::Model::picture`].
pub(crate) fn picture(batch: usize, side: usize) -> Vec<f32> {
    let mut random = Pcg32::new(batch as u64, side as u64);
    let at = |index: usize| {
        let (row, column, plane) = (index / side % side, index % side, index / (side * side));
        // Triangle waves of another length in every plane: no function whose last bit a machine decides.
        let wave = |i: usize, length: usize| (2 * (i % length)) as f32 / length as f32 - 1.0;
        wave(row + 7 * plane, 31 + plane % 3).abs() + wave(column, 23).abs() - 1.0
    };
    (0..batch * 3 * side * side)
        .map(|index| at(index) + (random.next_u32() >> 8) as f32 / (1u32 << 24) as f32 - 0.5)
        .collect()
}
