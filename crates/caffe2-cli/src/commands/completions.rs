//! `caffe2 completions`: scripts that teach a shell this program's commands.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Cli, stdout};

/// Print a script that completes commands and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  bash:
    caffe2 completions bash > ~/.local/share/bash-completion/completions/caffe2

  zsh, in a folder of $fpath:
    caffe2 completions zsh > ~/.zfunc/_caffe2

  fish:
    caffe2 completions fish > ~/.config/fish/completions/caffe2.fish";

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "caffe2", &mut script);
    stdout::print(&script)
}
