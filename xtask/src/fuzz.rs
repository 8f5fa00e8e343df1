//! `cargo xtask fuzz`: what reads bytes of strangers, fed by libFuzzer for a bounded time. It needs stable Rust and a C++
//! compiler: the counters by which a fuzzer sees where it has been are a pass of the compiler that is asked for by name.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::{self, Unable};
use crate::metadata::Workspace;
use crate::shell;
use crate::terminal::Paint;

/// The folder of the targets, a workspace of its own.
const FOLDER: &str = "fuzz";
/// For how long each target is fed, in seconds, where nobody says otherwise.
const SECONDS: u64 = 15;
/// Each target, and the longest input that it is given, in bytes: long enough for all that it reads.
const TARGETS: &[(&str, u32)] =
    &[("config", 2048), ("fields", 1024), ("hello", 4500), ("request", 2048), ("template", 1024)];
/// What an input may take of memory, in MB, and of time, in seconds.
const BOUNDS: [&str; 2] = ["-rss_limit_mb=1024", "-timeout=10"];

/// How much is shown of what a target says when it fails; all of it stands in what running the input again says.
const SHOWN_LINES: usize = 20;

/// How all of it is compiled: counters for every edge, and what is compared with what.
const FLAGS: &str = "-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1 --cfg fuzzing";

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz                            every target for 15 seconds
  cargo xtask fuzz request --seconds 600      one of them, for longer
  cargo xtask fuzz request --input FILE       what was found, once more
  cargo xtask fuzz config -- -seed=1          arguments for libFuzzer

Inputs start from fuzz/seeds/TARGET. What leads to new places is kept in target/fuzz/corpus/TARGET,
what breaks something in target/fuzz/found/TARGET. A C++ compiler must be there.

Exit codes: 0 nothing was found, 1 something was found or the build failed, 3 it cannot run here.";

/// Arguments of `fuzz`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which target; all of them where none is named
    #[arg(value_parser = TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    target: Option<String>,
    /// For how long each is fed
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Give the target this file, and nothing else
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "seconds")]
    input: Option<PathBuf>,
    /// Arguments for libFuzzer
    #[arg(last = true)]
    rest: Vec<OsString>,
}

/// Runs the verb.
///
/// # Errors
/// When a compiler is missing, or something cannot be started.
pub(crate) fn run(args: &Args) -> Result<u8, Unable> {
    let ground = Ground::open()?;
    let chosen = |name: &str| args.target.as_deref().is_none_or(|target| target == name);
    if let (Some(name), Some(input)) = (&args.target, &args.input) {
        return if ground.build(Some(name))? { ground.again(name, input) } else { Ok(exit::BAD) };
    }
    if !ground.build(args.target.as_deref())? {
        return Ok(exit::BAD);
    }
    ground.feed(TARGETS.iter().filter(|(name, _)| chosen(name)), args.seconds, &args.rest)
}

/// Every target for a short time: the step of `cargo xtask ci`. Without a C++ compiler it is left out, and said so.
///
/// # Errors
/// When something cannot be started.
pub(crate) fn briefly() -> Result<u8, Unable> {
    let ground = Ground::open()?;
    if ground.build(None)? { ground.feed(TARGETS.iter(), SECONDS, &[]) } else { Ok(exit::BAD) }
}

/// Whether the C++ compiler is there that libFuzzer is compiled with.
pub(crate) fn can_run() -> bool {
    shell::quiet_success(Command::new("c++").arg("--version"))
}

/// Where targets are built and run.
struct Ground {
    root: PathBuf,
    /// Below the target folder of the workspace, so that one command cleans it all.
    folder: PathBuf,
    /// The machine's own target: named, so that build scripts and macros are compiled without counters.
    host: String,
}

impl Ground {
    fn open() -> Result<Self, Unable> {
        if !can_run() {
            let help =
                "libFuzzer needs a C++ compiler: `apt-get install g++`, or `cargo xtask test --install`";
            return Err(Unable(help.to_owned()));
        }
        let root = shell::root()?;
        let folder = Workspace::read(&root)?.target.join(FOLDER);
        let said = shell::read(Command::new("rustc").arg("-vV"))?;
        let host = host(&said).ok_or_else(|| Unable("rustc does not name its host".to_owned()))?.to_owned();
        Ok(Self { root, folder, host })
    }

    fn build(&self, target: Option<&str>) -> Result<bool, Unable> {
        let mut cargo = shell::cargo(&self.root);
        cargo.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
        cargo.args(["--target", &self.host, "--target-dir"]).arg(&self.folder);
        cargo.args(target.into_iter().flat_map(|name| ["--bin", name]));
        cargo.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
        Ok(shell::run(&mut cargo)? == exit::GOOD)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join(&self.host).join("release").join(name)
    }

    /// Gives a target one input.
    fn again(&self, name: &str, input: &Path) -> Result<u8, Unable> {
        // It runs where the caller is, whose words name the file.
        let code = shell::run(Command::new(self.program(name)).args(BOUNDS).arg(input))?;
        Ok(if code == 0 { exit::GOOD } else { exit::BAD })
    }

    /// Feeds targets, one after the other.
    fn feed<'t>(
        &self,
        targets: impl Iterator<Item = &'t (&'t str, u32)>,
        seconds: u64,
        rest: &[OsString],
    ) -> Result<u8, Unable> {
        let mut code = exit::GOOD;
        for (name, length) in targets {
            let (said, good) = self.feed_one(name, *length, seconds, rest)?;
            let fed = Fed::read(&said);
            if good && fed.edges.is_some() {
                println!("{name:<9} {fed}");
                continue;
            }
            code = exit::BAD;
            eprintln!("{}", why(&said));
            println!("{name:<9} {}", Paint::stderr().red("FAILED"));
            match fed.found {
                Some(found) => println!("{found}\nonce more: cargo xtask fuzz {name} --input {found}"),
                None => println!("it counted nothing, or did not run"),
            }
        }
        Ok(code)
    }

    /// What libFuzzer says, and whether nothing was found.
    fn feed_one(
        &self,
        name: &str,
        length: u32,
        seconds: u64,
        rest: &[OsString],
    ) -> Result<(String, bool), Unable> {
        let [corpus, found] = ["corpus", "found"].map(|part| self.folder.join(part).join(name));
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(|error| Unable(format!("{}: {error}", folder.display())))?;
        }
        let mut command = Command::new(self.program(name));
        command.args(BOUNDS).arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={length}"));
        command.arg(format!("-artifact_prefix={}/", found.display()));
        let words = self.root.join(FOLDER).join("words").join(name);
        if words.is_file() {
            command.arg(format!("-dict={}", words.display()));
        }
        command.args(rest).arg(corpus).arg(self.root.join(FOLDER).join("seeds").join(name));
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| Unable(format!("{}: {error}", self.program(name).display())))?;
        Ok((String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success()))
    }
}

/// What a run came to, by what libFuzzer says about it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fed {
    /// Inputs that were tried.
    runs: u64,
    /// Edges that were reached: by the first inputs, and at the end.
    edges: Option<(u64, u64)>,
    /// Inputs that are kept.
    corpus: u64,
    /// The file with the input that broke something.
    found: Option<String>,
}

impl Fed {
    fn read(said: &str) -> Self {
        let mut fed = Self::default();
        for line in said.lines() {
            if let Some(file) = line.split_once("Test unit written to ").map(|(_, file)| file) {
                fed.found = Some(file.trim().to_owned());
            }
            let Some((number, status)) = line.strip_prefix('#').and_then(|rest| rest.split_once(['\t', ' ']))
            else {
                continue;
            };
            let after =
                |word: &str| status.split_once(word)?.1.split([' ', '/']).find(|word| !word.is_empty());
            let number_after = |word: &str| after(word)?.parse().ok();
            fed.runs = number.parse().unwrap_or(fed.runs);
            if let Some(edges) = number_after("cov: ") {
                fed.edges = Some((fed.edges.map_or(edges, |(first, _)| first), edges));
            }
            fed.corpus = number_after("corp: ").unwrap_or(fed.corpus);
        }
        fed
    }
}

impl fmt::Display for Fed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.edges.unwrap_or_default();
        let Self { runs, corpus, .. } = self;
        write!(f, "{runs:>9} runs, {first} -> {last} edges, {corpus} inputs kept")
    }
}

/// What libFuzzer says of a failure, from where it happened on and without the way there; the last of it where nothing
/// happened.
fn why(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let happened = |line: &&str| line.contains("panicked at ") || line.contains("ERROR: libFuzzer");
    let from = lines.iter().position(happened).unwrap_or(lines.len().saturating_sub(SHOWN_LINES));
    let told = lines[from..].iter().take_while(|line| !line.starts_with("stack backtrace"));
    told.take(SHOWN_LINES).copied().collect::<Vec<_>>().join("\n")
}

fn host(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("host: "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_the_fuzzer_says_is_read() {
        let said = "INFO: seed corpus: files: 7\n\
            #8\tINITED cov: 1204 ft: 2020 corp: 7/1184b exec/s: 0 rss: 40Mb\n\
            #1024\tNEW    cov: 1300 ft: 2400 corp: 9/2Kb lim: 296 exec/s: 512 rss: 44Mb L: 36/296\n\
            #2048\tDONE   cov: 1311 ft: 2500 corp: 12/2Kb lim: 296 exec/s: 512 rss: 44Mb\n";
        let fed = Fed::read(said);
        assert_eq!(fed, Fed { runs: 2048, edges: Some((1204, 1311)), corpus: 12, found: None });
        assert_eq!(fed.to_string(), "     2048 runs, 1204 -> 1311 edges, 12 inputs kept");
        let broken = format!("{said}artifact_prefix='x/'; Test unit written to x/crash-1\nBase64: AA==\n");
        assert_eq!(Fed::read(&broken).found.as_deref(), Some("x/crash-1"));
        let panicked = format!("{said}\nthread panicked at a.rs:1:\n1 is not 2\nstack backtrace:\n 0: x\n");
        assert_eq!(why(&panicked), "thread panicked at a.rs:1:\n1 is not 2");
        assert_eq!(why("error: no such option"), "error: no such option");
        assert_eq!(Fed::read("INFO: no counters\n#2\tDONE   corp: 1/1b\n").edges, None);
        assert_eq!(
            host("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1\n"),
            Some("x86_64-unknown-linux-gnu")
        );
    }

    #[test]
    fn a_target_is_one_that_is_there() {
        assert!(Command::try_parse_from(["fuzz", "request", "--seconds", "3"]).is_ok());
        assert!(Command::try_parse_from(["fuzz", "nothing"]).is_err());
        assert!(Command::try_parse_from(["fuzz", "--input", "x"]).is_err());
        assert!(Command::try_parse_from(["fuzz", "--seconds", "0"]).is_err());
    }

    #[test]
    fn every_target_has_its_program_and_its_seeds() {
        let folder = shell::root().unwrap().join(FOLDER);
        for (name, length) in TARGETS {
            assert!(folder.join(format!("targets/{name}.rs")).is_file(), "{name}");
            let seeds: Vec<_> = fs::read_dir(folder.join("seeds").join(name)).unwrap().collect();
            assert!(seeds.len() > 2, "{name}");
            for seed in seeds {
                assert!(seed.unwrap().metadata().unwrap().len() <= u64::from(*length), "{name}");
            }
        }
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
