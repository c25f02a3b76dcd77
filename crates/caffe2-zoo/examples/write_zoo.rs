//! Writes nets of the zoo, each with a picture to feed: `cargo run --release -p caffe2-zoo --example write_zoo -- DIR [NET…]`.
//!
//! Each net becomes `DIR/NET/init_net.pb`, `predict_net.pb` and `input.npz`; without names, all do. `--list` instead of
//! a folder lists the names.

use std::path::PathBuf;

use anyhow::Context as _;
use caffe2::Tensor;

use caffe2::files::write_tensors;
use caffe2::proto::Caffe2Message as _;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().context("usage: write_zoo DIR [NET...] | --list")?;
    if first == "--list" {
        caffe2_zoo::names().for_each(|name| println!("{name}"));
        return Ok(());
    }
    let folder = PathBuf::from(first);
    let mut wanted: Vec<String> = arguments.collect();
    if wanted.is_empty() {
        wanted = caffe2_zoo::names().map(str::to_owned).collect();
    }
    for name in wanted {
        let model = caffe2_zoo::model(&name).with_context(|| format!("no net `{name}` in the zoo"))?;
        let folder = folder.join(&name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("init_net.pb"), model.init_net().to_binary())?;
        std::fs::write(folder.join("predict_net.pb"), model.predict_net().to_binary())?;
        let picture = Tensor::from_slice(model.input_dims(), &model.picture(1))?;
        write_tensors(folder.join("input.npz"), &[(model.input(), picture)])?;
        println!("{}", folder.display());
    }
    Ok(())
}
