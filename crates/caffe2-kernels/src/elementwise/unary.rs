//! Kernels of one operand: Relu, LeakyRelu, Sigmoid, Scale.

use super::InOut;
use crate::simd::{self, Kernel, Vector};
use crate::{Isa, Threads, vecmath};

/// Replaces each element by `f` of it.
///
/// Mark the closure `#[inline(always)] move`, so that it is compiled for the vector instruction set in use
/// and the compiler sees that the values it holds are not among the elements.
///
/// ```
/// use caffe2_kernels::{Threads, elementwise::{InOut, map}};
///
/// let mut x = [1.0f32, -2.0];
/// map(&Threads::single(), InOut::InPlace(&mut x), #[inline(always)] move |x| x * x);
/// assert_eq!(x, [1.0, 4.0]);
/// ```
///
/// # Panics
///
/// If input and output differ in length.
#[inline]
pub fn map<T: Copy + Send + Sync>(
    threads: &Threads,
    io: InOut<'_, T>,
    f: impl Fn(T) -> T + Copy + Sync + Send,
) {
    map_on(Isa::current(), threads, io, f);
}

#[inline]
fn map_on<T: Copy + Send + Sync>(
    isa: Isa,
    threads: &Threads,
    io: InOut<'_, T>,
    f: impl Fn(T) -> T + Copy + Sync + Send,
) {
    io.for_each_block(threads, move |block| {
        isa.dispatch(
            #[inline(always)]
            move || block.map(f),
        );
    });
}

/// Relu: negative elements become 0; NaN and -0 stay as they are (Caffe2 `relu_op.cc`).
///
/// # Panics
///
/// If input and output differ in length.
pub fn relu(threads: &Threads, io: InOut<'_, f32>) {
    relu_on(Isa::current(), threads, io);
}

fn relu_on(isa: Isa, threads: &Threads, io: InOut<'_, f32>) {
    io.for_each_block(threads, move |block| match block {
        InOut::Apart(input, output) => {
            assert_eq!(input.len(), output.len(), "input and output differ in length");
            simd::dispatch(isa, Relu { input: Some(input), output });
        }
        InOut::InPlace(output) => simd::dispatch(isa, Relu { input: None, output }),
    });
}

/// Of loops over [`positive_part`] in place compilers keep the stores of zeros only, and then cannot vectorise them.
struct Relu<'a> {
    /// As many elements as `output`; none when that is the input too.
    input: Option<&'a [f32]>,
    output: &'a mut [f32],
}

#[allow(unsafe_code)]
impl Kernel for Relu<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (output, len) = (self.output.as_mut_ptr(), self.output.len());
        let input = self.input.map_or(output.cast_const(), <[f32]>::as_ptr);
        // SAFETY: elements below `len` exist in both; where both are the same memory, each is read before it is written.
        unsafe {
            let whole = len - len % V::LANES;
            for i in (0..whole).step_by(V::LANES) {
                V::load(input.add(i)).positive_part().store(output.add(i));
            }
            for i in whole..len {
                *output.add(i) = positive_part(*input.add(i));
            }
        }
    }
}

/// `max(x, 0)` that returns `x` itself if it is -0 or NaN.
#[inline(always)]
pub(crate) fn positive_part(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// `min(x, 0)` that returns `x` itself if it is -0 or NaN.
#[inline(always)]
pub(crate) fn negative_part(x: f32) -> f32 {
    if x > 0.0 { 0.0 } else { x }
}

/// LeakyRelu: `max(x, 0) + alpha * min(x, 0)` (Caffe2 `leaky_relu_op.cc`), for any `alpha`, not finite ones
/// included.
///
/// # Panics
///
/// If input and output differ in length.
pub fn leaky_relu(threads: &Threads, alpha: f32, io: InOut<'_, f32>) {
    leaky_relu_on(Isa::current(), threads, alpha, io);
}

fn leaky_relu_on(isa: Isa, threads: &Threads, alpha: f32, io: InOut<'_, f32>) {
    map_on(
        isa,
        threads,
        io,
        #[inline(always)]
        move |x| positive_part(x) + alpha * negative_part(x),
    );
}

/// Sigmoid: `1 / (1 + exp(-x))` (Caffe2 `sigmoid_op.cc`), with the accuracy of
/// [`vecmath::sigmoid`] and the same bits on every instruction set.
///
/// # Panics
///
/// If input and output differ in length.
pub fn sigmoid(threads: &Threads, io: InOut<'_, f32>) {
    sigmoid_on(Isa::current(), threads, io);
}

fn sigmoid_on(isa: Isa, threads: &Threads, io: InOut<'_, f32>) {
    map_on(isa, threads, io, vecmath::sigmoid);
}

/// Multiplies each element by `factor` (Caffe2 `scale_op.cc`).
///
/// # Panics
///
/// If input and output differ in length.
pub fn scale<T>(threads: &Threads, factor: T, io: InOut<'_, T>)
where
    T: Copy + Send + Sync + std::ops::Mul<Output = T>,
{
    map(
        threads,
        io,
        #[inline(always)]
        move |x| x * factor,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special() -> Vec<f32> {
        let bits = [
            0x7fc0_0001u32,
            0xffc0_0003,
            0x8000_0000,
            0,
            0x7f80_0000,
            0xff80_0000,
            0x8000_0001,
            1,
            0x3f80_0000,
            0xbf80_0000,
        ];
        bits.iter().map(|&b| f32::from_bits(b)).collect()
    }

    type Kernel = dyn Fn(Isa, &Threads, InOut<'_, f32>);

    /// Runs a kernel apart and in place, on every instruction set, and compares it with `f` bit for bit.
    fn check(kernel: &Kernel, f: impl Fn(f32) -> f32) {
        for n in (0..130).chain([200_000]) {
            let x: Vec<f32> = special()
                .into_iter()
                .chain((0..).map(|i| ((i * 7919) % 20_011) as f32 * 0.01 - 100.0))
                .take(n + 1)
                .collect();
            for isa in Isa::available() {
                for threads in [Threads::single(), Threads::new(2)] {
                    let mut out = vec![0.0; n + 1];
                    kernel(isa, &threads, InOut::Apart(&x[1..], &mut out[1..]));
                    let mut both = x.clone();
                    kernel(isa, &threads, InOut::InPlace(&mut both[1..]));
                    for i in 1..=n {
                        let want = f(x[i]).to_bits();
                        assert_eq!(out[i].to_bits(), want, "{} apart, {isa:?}", x[i]);
                        assert_eq!(both[i].to_bits(), want, "{} in place, {isa:?}", x[i]);
                    }
                    assert_eq!((out[0], both[0].to_bits()), (0.0, x[0].to_bits()));
                }
            }
        }
    }

    #[test]
    fn every_version_gives_the_bits_of_the_formula() {
        check(&|isa, threads, io| relu_on(isa, threads, io), positive_part);
        check(&|isa, threads, io| sigmoid_on(isa, threads, io), vecmath::sigmoid);
        for alpha in [0.01, -0.5, 0.0, 3.0] {
            check(&move |isa, threads, io| leaky_relu_on(isa, threads, alpha, io), |x| {
                positive_part(x) + alpha * negative_part(x)
            });
        }
        check(&|isa, threads, io| map_on(isa, threads, io, move |x| x * 0.3), |x| x * 0.3);
    }

    #[test]
    fn bits_computed_by_the_original() {
        let run = |kernel: &dyn Fn(InOut<'_, f32>)| -> Vec<u32> {
            let mut x = special();
            kernel(InOut::InPlace(&mut x));
            x.iter().map(|y| y.to_bits()).collect()
        };
        let threads = Threads::single();
        assert_eq!(
            run(&|io| relu(&threads, io)),
            [0x7fc0_0001, 0xffc0_0003, 0x8000_0000, 0, 0x7f80_0000, 0, 0, 1, 0x3f80_0000, 0]
        );
        assert_eq!(
            run(&|io| leaky_relu(&threads, 0.01, io)),
            [
                0x7fc0_0001,
                0xffc0_0003,
                0x8000_0000,
                0,
                0x7f80_0000,
                0xff80_0000,
                0,
                1,
                0x3f80_0000,
                0xbc23_d70a
            ]
        );
        assert_eq!(
            run(&|io| leaky_relu(&threads, -0.5, io)),
            [0x7fc0_0001, 0xffc0_0003, 0, 0, 0x7f80_0000, 0x7f80_0000, 0, 1, 0x3f80_0000, 0x3f00_0000]
        );
        assert_eq!(
            run(&|io| scale(&threads, 0.5, io)),
            [
                0x7fc0_0001,
                0xffc0_0003,
                0x8000_0000,
                0,
                0x7f80_0000,
                0xff80_0000,
                0x8000_0000,
                0,
                0x3f00_0000,
                0xbf00_0000
            ]
        );
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn lengths_must_agree() {
        relu(&Threads::single(), InOut::Apart(&[1.0], &mut [0.0; 2]));
    }
}
