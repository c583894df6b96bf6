//! The program: reads its arguments, sets up what the whole process shares, and prints why
//! something could not be done.
//!
//! **Invariant:** whatever this process creates is private unless it says otherwise (umask 077).

use std::io::Write as _;
use std::process::ExitCode;

use larder::cli::{self, Cli};

fn main() -> ExitCode {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = cli::parse();
    log_to_stderr(&cli);
    // The one provider of cryptography of the process; one that is installed already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(cli::run(&cli));
    // A thread that hangs in a disk must not keep the process: what it does is safe against that.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = write!(std::io::stderr(), "{}", cli::explain(&error, &cli));
            ExitCode::from(cli::exit_code(&error))
        }
    }
}

/// Messages go to standard error: as text for people, as JSON with `LARDER_LOG=json`.
fn log_to_stderr(cli: &Cli) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let level = cli.level();
    let targets = Targets::new()
        .with_default(level.min(tracing_subscriber::filter::LevelFilter::WARN))
        .with_target("larder", level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    // The journal has a clock of its own.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let result = if std::env::var("LARDER_LOG").is_ok_and(|format| format == "json") {
        registry.with(layer.json()).try_init()
    } else if in_journal {
        registry.with(layer.with_ansi(false).with_target(false).without_time()).try_init()
    } else {
        registry.with(layer.with_ansi(cli.color_on_stderr()).with_target(false)).try_init()
    };
    // Somebody else's subscriber does as well.
    drop(result);
}
