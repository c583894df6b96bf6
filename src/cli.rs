//! The command line: each command reads its arguments, asks the API, and shows the answer.
//!
//! Commands reach a running daemon over its control socket and start an engine of their own when
//! none runs; either way they speak to the same paths ([`crate::api`]). Data goes to standard
//! output, everything else to standard error. **Invariant:** no command decides anything that the
//! API does not; what a command prints with `--format json` is what the API answers.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

mod usage;
mod context;
mod failure;
mod words;
mod table;
mod client;
mod start;
mod ending;
mod follow;

mod check;
mod config_show;
mod plan;
mod apply;
mod ask;
mod daemon;
mod run;
mod drill;
mod status;
mod coverage;
mod jobs;
mod runs;
mod archive;
mod restore;
mod location;
mod peer;
mod simulate;
mod why;
mod identity;
mod token;
mod notify;
mod receive;
mod recover;
mod init;
mod generate;

#[cfg(test)]
mod tests;

use context::Context;
pub use failure::{exit_code, explain};
pub use usage::parse;

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// As the API answers.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Declarative backups: TOML becomes archives that nothing loses
#[derive(Debug, Parser)]
#[command(name = "larder", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Examples:
  larder init                  write a first configuration to /etc/larder
  larder check                 is it right?
  larder plan                  what would happen, and why
  larder apply                 make it so, now
  larder daemon                keep it so")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// The configuration directory
    #[arg(long, global = true, value_name = "DIR", env = "LARDER_CONFIG")]
    #[arg(default_value = "/etc/larder", help_heading = "Global options")]
    config: PathBuf,
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    #[arg(help_heading = "Global options", hide_possible_values = true, value_name = "table|json")]
    format: Format,
    /// Say less: errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Say more; twice for every detail
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// When colours are used
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    #[arg(help_heading = "Global options", hide_possible_values = true)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration, without root and without a daemon
    Check(check::Arguments),
    /// Show the configuration as it is understood
    #[command(subcommand)]
    Config(config_show::Command),
    /// Show what would happen, and why
    Plan(plan::Arguments),
    /// Let exactly the deletions of a hash happen
    Approve(plan::ApproveArguments),
    /// Do everything that is due, once, in the foreground
    Apply(apply::Arguments),
    /// Watch, schedule, do
    Daemon(daemon::Arguments),
    /// Back up jobs now
    #[command(alias = "backup")]
    Run(run::Arguments),
    /// Prove now that archives can be restored
    Drill(drill::Arguments),
    /// Say how well each job is protected
    Status(status::Arguments),
    /// Show what of this host no job covers
    Coverage(coverage::Arguments),
    /// List the jobs
    Jobs(jobs::Arguments),
    /// List the runs, newest first
    Runs(runs::Arguments),
    /// Print the log of a run
    Log(runs::LogArguments),
    /// Cancel a run that waits or is under way
    Cancel(runs::CancelArguments),
    /// List, look into and change archives
    #[command(subcommand)]
    Archive(archive::Command),
    /// Bring back what an archive holds
    Restore(restore::Arguments),
    /// Carry out the restore that a daemon wrote down
    #[command(hide = true)]
    RestoreUnit(restore::UnitArguments),
    /// List, check and move locations
    #[command(subcommand)]
    Location(location::Command),
    /// Other instances, and hosts that hold copies
    #[command(subcommand)]
    Peer(peer::Command),
    /// Show what a policy would keep, without any configuration
    Simulate(simulate::Arguments),
    /// Say what keeps an archive, and when it would leave
    Why(why::Arguments),
    /// Make a token for the API
    #[command(subcommand)]
    Token(token::Command),
    /// Make a key pair for encrypted archives
    #[command(subcommand)]
    Identity(identity::Command),
    /// Try whether those who are told about failures hear it
    #[command(subcommand)]
    Notify(notify::Command),
    /// Take an archive that a peer sends by rsync, for the `command=` of its SSH key
    #[command(hide = true)]
    Receive(receive::Arguments),
    /// Bring back a burned server from a folder of archives
    Recover(recover::Arguments),
    /// Write a first configuration for this host
    Init(init::Arguments),
    /// Print the JSON schema of the configuration
    Schema(generate::SchemaArguments),
    /// Print completions for a shell
    Completions(generate::CompletionsArguments),
    /// Print the manual
    Man(generate::ManArguments),
    /// Compare archives with their recorded hash (the same as `archive verify`)
    #[command(hide = true)]
    Verify(archive::VerifyArguments),
}

impl Cli {
    /// What is logged.
    #[must_use]
    pub fn level(&self) -> LevelFilter {
        // A command tells by itself what came of it; a daemon has only its log.
        let is_daemon = matches!(self.command, Command::Daemon(_));
        match (self.global.quiet, self.global.verbose + u8::from(is_daemon)) {
            (true, _) if is_daemon => LevelFilter::ERROR,
            (true, _) | (false, 0) => LevelFilter::OFF,
            (false, 1) => LevelFilter::INFO,
            (false, 2) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        }
    }

    /// Whether messages are coloured.
    #[must_use]
    pub fn color_on_stderr(&self) -> bool {
        Context::new(&self.global).color_on_stderr
    }
}

/// Carries out a command and says with which code the process ends.
///
/// # Errors
/// Whatever could not be done; [`explain`] words it and [`exit_code`] numbers it.
pub async fn run(cli: &Cli) -> anyhow::Result<u8> {
    let context = Context::new(&cli.global);
    let context = &context;
    match &cli.command {
        Command::Check(arguments) => check::run(context, arguments),
        Command::Config(command) => config_show::run(context, command).await,
        Command::Plan(arguments) => plan::run(context, arguments).await,
        Command::Approve(arguments) => plan::approve(context, arguments).await,
        Command::Apply(arguments) => apply::run(context, arguments).await,
        Command::Daemon(arguments) => daemon::run(context, arguments).await,
        Command::Run(arguments) => run::run(context, arguments).await,
        Command::Drill(arguments) => drill::run(context, arguments).await,
        Command::Status(arguments) => status::run(context, arguments).await,
        Command::Coverage(arguments) => coverage::run(context, arguments).await,
        Command::Jobs(arguments) => jobs::run(context, arguments).await,
        Command::Runs(arguments) => runs::run(context, arguments).await,
        Command::Log(arguments) => runs::log(context, arguments).await,
        Command::Cancel(arguments) => runs::cancel(context, arguments).await,
        Command::Archive(command) => archive::run(context, command).await,
        Command::Restore(arguments) => restore::run(context, arguments).await,
        Command::RestoreUnit(arguments) => restore::unit(arguments).await,
        Command::Location(command) => location::run(context, command).await,
        Command::Peer(command) => peer::run(context, command).await,
        Command::Simulate(arguments) => simulate::run(context, arguments),
        Command::Why(arguments) => why::run(context, arguments).await,
        Command::Token(command) => token::run(context, command),
        Command::Identity(command) => identity::run(context, command),
        Command::Notify(command) => notify::run(context, command).await,
        Command::Receive(arguments) => receive::run(context, arguments).await,
        Command::Recover(arguments) => recover::run(context, arguments).await,
        Command::Init(arguments) => init::run(context, arguments),
        Command::Schema(arguments) => generate::schema(context, arguments),
        Command::Completions(arguments) => generate::completions(context, arguments),
        Command::Man(arguments) => generate::man(context, arguments),
        Command::Verify(arguments) => archive::verify(context, arguments).await,
    }
}
