//! `QuantDecode`: `decoded_i[j] = codebook[codes_i[j]]`, for one or several tensors of codes (Caffe2
//! `quant_decode_op.h`).

use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

/// The operator.
#[derive(Debug)]
pub struct QuantDecodeOp;

impl OperatorType for QuantDecodeOp {
    const TYPE: &'static str = "QuantDecode";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Replaces codes by the values that a codebook has at their place.")
            .inputs(2..)
            .outputs(1..)
            .inputs_and_outputs_if(
                |inputs, outputs| inputs == outputs + 1,
                "one output for each input but the first",
            )
            .input("codebook", "float tensor of values, of any shape")
            .input("codes", "uint8, uint16 or int32 tensors of positions in the codebook")
            .output("decoded", "float tensors of the shapes of the codes")
            .differences("A code beyond the codebook is an error, where Caffe2 reads whatever is there.")
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(QuantDecodeOp)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let decoded =
        |codes| TensorInfo { data_type: Some(DataType::Float), shape: context.shape(codes).cloned() };
    Ok((1..context.input_count()).map(decoded).collect())
}

/// An integer that is a code.
trait Code: Element {
    /// The place in the codebook; beyond every codebook for negative codes.
    fn place(self) -> usize;
}

impl Code for u8 {
    fn place(self) -> usize {
        self.into()
    }
}

impl Code for u16 {
    fn place(self) -> usize {
        self.into()
    }
}

impl Code for i32 {
    fn place(self) -> usize {
        usize::try_from(self).unwrap_or(usize::MAX)
    }
}

impl Operator for QuantDecodeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        for output in 0..io.output_count() {
            dispatch_input_type!(io, output + 1, [u8, u16, i32], C => decode::<C>(io, output)?);
        }
        Ok(())
    }
}

fn decode<C: Code>(io: &mut OpIo<'_>, output: usize) -> Result<(), OpError> {
    let input = output + 1;
    let (codebook, codes) = (io.input_slice::<f32>(0)?, io.input_slice::<C>(input)?);
    let shape = io.input(input)?.shape();
    if let Some(at) = codes.iter().position(|code| code.place() >= codebook.len()) {
        let message =
            format!("code {at} is {:?}; expected 0 or more, and less than {}", codes[at], codebook.len());
        return Err(OpError::input(input, message));
    }
    let values = io.output_slice::<f32>(output, shape)?;
    io.threads().for_each_block(values, BLOCK, GRAIN, |block, values| {
        let codes = &codes[block * BLOCK..];
        values.iter_mut().zip(codes).for_each(|(value, code)| *value = codebook[code.place()]);
    });
    Ok(())
}

/// Values that one thread looks up at a time.
const BLOCK: usize = 64 * 1024;
/// Values below which waking a pool costs more than it gains.
const GRAIN: usize = 256 * 1024;

register_cpu_operator!(QuantDecodeOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    #[test]
    fn a_code_beyond_the_codebook_is_named() {
        let run = |codes: Tensor| {
            let codebook = Tensor::from_slice([2], &[0.5f32, 1.0]).unwrap();
            let def = OperatorDef::new("QuantDecode").inputs(["b", "c"]).output("y");
            run_operator(&def, [codebook, codes]).map_err(|e| e.to_string())
        };
        assert_eq!(
            run(Tensor::from_slice([2], &[1i32, 0]).unwrap()).unwrap()[0].as_slice::<f32>(),
            Ok(&[1.0, 0.5][..])
        );
        for (codes, code) in [
            (Tensor::from_slice([2], &[1u8, 2]), "2"),
            (Tensor::from_slice([2], &[1u16, 700]), "700"),
            (Tensor::from_slice([2], &[1i32, -1]), "-1"),
        ] {
            let error = run(codes.unwrap()).unwrap_err();
            let want = format!("input 1 `c`: code 1 is {code}; expected 0 or more, and less than 2");
            assert!(error.contains(&want), "{error}");
        }
    }
}
