//! `mamparo tether`: ties a program that knows nothing of supervisors to one. The tether stays in between: it ends
//! the program, and everything the program started, when the pipe of the supervisor closes.

use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, getpgrp, getpid, kill_current_process_group, kill_process, set_parent_process_death_signal,
};

use crate::exit_code;
use crate::failure::{Failure, Outcome};
use crate::stop::Stop;

/// Tie another program to a supervisor.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long the program may take to stop, in milliseconds.
    #[arg(long, value_name = "COUNT", default_value_t = 5_000)]
    stop_ms: u64,
    /// Become the program instead, and end with the process of this id.
    #[arg(long, value_name = "PID")]
    become_child_of: Option<u32>,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(parent) = args.become_child_of {
        return become_it(parent, &args.command);
    }
    // On the main thread: the program is told of the end of the thread that started it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::other)?;
    runtime.block_on(hold(args))
}

async fn hold(args: &Args) -> Outcome {
    let mut stop = Stop::listen().map_err(Failure::other)?;
    let own = std::env::current_exe().map_err(Failure::other)?;
    let mut command = tokio::process::Command::new(own);
    command.args(["tether", "--become-child-of", &std::process::id().to_string(), "--"]).args(&args.command);
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(Failure::other)?;
    let pipe = child.stdin.take();
    tokio::select! {
        status = child.wait() => return passed_on(status.ok().and_then(|status| status.code())),
        _ = stop.requested() => {}
    }
    drop(pipe);
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // One that has ended meanwhile needs no signal.
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
    let _ = tokio::time::timeout(Duration::from_millis(args.stop_ms), child.wait()).await;
    // What the program started, and this process, whose work is done. A tether that somebody started by hand is
    // no leader of a group, and leaves the group of others alone.
    if getpgrp() == getpid() {
        let _ = kill_current_process_group(Signal::KILL);
    }
    let _ = child.kill().await;
    Ok(())
}

/// The program has ended by itself, and its end is that of the tether.
fn passed_on(code: Option<i32>) -> Outcome {
    match code.map(u8::try_from) {
        Some(Ok(exit_code::OK)) => Ok(()),
        Some(Ok(exit)) => Err(Failure::ended(exit)),
        _ => Err(Failure::ended(exit_code::FAILURE)),
    }
}

fn become_it(parent: u32, command: &[String]) -> Outcome {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::other)?;
    // A parent that ended before the line above is not told of any more.
    if parent_id() != parent {
        return Err(Failure::other("the supervisor has ended"));
    }
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let error = Command::new(program).args(arguments).exec();
    let message = format!("cannot start `{program}`: {error}");
    Err(Failure::config_unusable(message, "name a program that is there under `applications`"))
}
