//! `mamparo completions`: completions for a shell.

use clap_complete::Shell;

use crate::failure::Outcome;
use crate::output;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo completions bash > ~/.local/share/bash-completion/completions/mamparo\n  mamparo completions fish > ~/.config/fish/completions/mamparo.fish"
)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "mamparo", &mut script);
    output::data(&String::from_utf8_lossy(&script));
    Ok(())
}
