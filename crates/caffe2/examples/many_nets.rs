//! Runs many requests at a time: several threads, two models, weights in memory once.
//!
//! ```text
//! cargo run --release -p caffe2 --example many_nets
//! ```

use std::path::Path;
use std::thread;

use caffe2::{PredictorOptions, Tensor, files};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits");

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Threads that run nets.
const CALLERS: usize = 4;

fn main() -> Result<(), Error> {
    let (agree, of) = run()?;
    println!("{agree} of {of} pictures are the same to both models, by {CALLERS} threads");
    Ok(())
}

/// On how many pictures the model with floats and the model with bytes agree, and of how many.
pub fn run() -> Result<(usize, usize), Error> {
    let model = Path::new(MODEL);
    // With many callers each net does best with a thread of its own: theirs.
    let load =
        |init: &str| PredictorOptions::new().threads(1).load(model.join(init), model.join("predict_net.pb"));
    let (floats, bytes) = (load("init_net.pb")?, load("init_net_byte.pb")?);

    let pictures = files::read_tensor(model.join("test_images.npz"))?;
    let pixels: usize = pictures.dims()[1..].iter().product();
    let pictures: Vec<&[f32]> = pictures.as_slice::<f32>()?.chunks(pixels).collect();

    let share = pictures.len().div_ceil(CALLERS);
    let agree = thread::scope(|scope| {
        let work = |pictures: &[&[f32]]| -> Result<usize, Error> {
            // Activations are this thread's own, and are kept from run to run.
            let mut sessions = [floats.session()?, bytes.session()?];
            let mut agree = 0;
            for picture in pictures {
                let input = Tensor::from_slice([1, 1, 8, 8], picture)?;
                let mut classes = [0; 2];
                for (session, class) in sessions.iter_mut().zip(&mut classes) {
                    session.feed("data", input.clone())?;
                    session.execute()?;
                    *class = best(session.tensor("softmax")?.as_slice()?);
                }
                agree += usize::from(classes[0] == classes[1]);
            }
            Ok(agree)
        };
        let callers: Vec<_> = pictures.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("no caller panics"))
            .sum::<Result<usize, Error>>()
    })?;
    Ok((agree, pictures.len()))
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}
