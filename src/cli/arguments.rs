//! What can be said on the command line. `-r -w -c -f -n` mean what they mean to tcpdump and tshark.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::limits::ByteSize;
use crate::record::Duration;
use crate::report::Format;
use crate::script::Permission;

/// Ask a question of the network in a few lines of Rhai, and get an answer that is true.
#[derive(Debug, Parser)]
#[command(
    name = "netscript",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    override_usage = "netscript <COMMAND>\n       netscript -D",
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
pub(super) struct Arguments {
    /// List the interfaces that can be captured on, with states, addresses and containers
    #[arg(short = 'D', long)]
    pub(super) list_interfaces: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 nothing found, 1 at least one finding, 2 usage, script or input error, 3 could not observe.
Where nothing was found and a command was watched: its own exit code, or 128 and the number of the signal that ended it.

In GitHub Actions, run annotates the job with its findings and adds its report to the summary of the step.

Examples:
  netscript run expired-token-hunt -r incident.pcap -- --port=8000
  netscript eval -i any 'flows(\"tcp port 443\").table()'
  netscript eval -r incident.pcap 'http_requests().filter(|r| r.status >= 500).table()'
  netscript repl -r incident.pcap";

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a script: by its name in the library, or by its path
    Run(RunArguments),
    /// Run an expression and show what it gives
    Eval(EvalArguments),
    /// Ask questions line by line
    Repl(ReplArguments),
    /// List all scripts with their titles
    List(ListArguments),
    /// Explain a script, a function, a record or a field
    Help {
        /// A name, such as expired-token-hunt, count_by, flow or flow.state; without one, everything there is
        topic: Option<String>,
    },
    /// Check scripts without running them
    Check {
        /// Names or paths of scripts
        #[arg(required = true)]
        scripts: Vec<String>,
    },
    /// Write a stock script into the current folder for editing
    Eject {
        /// Its name
        name: String,
    },
    /// Look after proxies: what runs in this network namespace, and what was left behind
    Proxy {
        #[command(subcommand)]
        command: ProxyCommand,
    },
}

/// What to do about proxies.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(super) enum ProxyCommand {
    /// Tell whether a proxy runs in this network namespace, how it is, and what is pinned
    ///
    /// Exits with 0 if that could be seen, with 3 if not.
    Status {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove what proxies left behind that were killed
    ///
    /// Looks at /sys/fs/bpf/netscript, where each network namespace has a folder, and removes those of namespaces in which
    /// no proxy runs. What is not of a proxy is told and stays: exit code 2.
    Clean,
}

/// `run`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct RunArguments {
    /// Name or path of the script
    #[arg(required_unless_present = "help")]
    pub(super) script: Option<String>,
    #[command(flatten)]
    pub(super) source: SourceArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
    /// Show help: of the script, if one is named
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub(super) help: bool,
    /// Arguments of the script: --name=value, and behind them the command of a script that takes one. Giving a command
    /// grants that the script may start it
    #[arg(last = true, value_name = "SCRIPT ARGUMENTS")]
    pub(super) arguments: Vec<String>,
}

/// `eval`.
#[derive(Debug, Args)]
pub(super) struct EvalArguments {
    /// The expression
    pub(super) expression: String,
    #[command(flatten)]
    pub(super) source: SourceArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

/// `repl`.
#[derive(Debug, Args)]
pub(super) struct ReplArguments {
    #[command(flatten)]
    pub(super) source: SourceArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub(super) color: Color,
}

/// `list`.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// One JSON object for each script
    #[arg(long)]
    pub(super) json: bool,
}

/// Where packets come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(super) struct SourceArguments {
    /// Read a capture file: pcap or pcapng, plain or compressed with gzip or zstd; - for standard input
    #[arg(short = 'r', long = "read", value_name = "FILE", conflicts_with_all = ["interfaces", "containers", "netns", "pids"])]
    pub(super) read: Option<PathBuf>,
    /// Capture on an interface, or on any; may be given several times. netscript -D lists them
    #[arg(short = 'i', long = "interface", value_name = "INTERFACE")]
    pub(super) interfaces: Vec<String>,
    /// Capture inside the network of a container: name, id, or how its id begins
    #[arg(long = "container", value_name = "NAME")]
    pub(super) containers: Vec<String>,
    /// Capture inside a network namespace: name (ip netns) or path
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) netns: Vec<String>,
    /// Capture inside the network of a process
    #[arg(long = "pid", value_name = "PID")]
    pub(super) pids: Vec<u32>,
    /// Only packets that match, in tcpdump's filter language
    #[arg(short = 'f', long = "filter", value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// Live: do not put interfaces into promiscuous mode
    #[arg(short = 'p', long = "no-promiscuous-mode")]
    pub(super) not_promiscuous: bool,
    /// Live: bytes kept of each packet; 0 for all
    #[arg(
        short = 's',
        long = "snapshot-length",
        value_name = "BYTES",
        default_value = "262144",
        hide_default_value = true
    )]
    pub(super) snaplen: u32,
    /// Live: size of the kernel's ring for each interface, in KiB
    #[arg(short = 'B', long = "buffer-size", value_name = "KIB", default_value = "32768")]
    pub(super) buffer: u32,
    /// Live: capture the SSH connection that this runs in, too
    #[arg(long)]
    pub(super) remote_shell: bool,
    /// Do not resolve names; netscript never does unless asked
    #[arg(short = 'n', action = ArgAction::Count, hide = true)]
    pub(super) numeric: u8,
}

/// Where results go.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArguments {
    /// Write NDJSON to standard output: -o json
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// Output format: table, json, csv, md, html or junit
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    pub(super) format: Format,
    /// Write a report, too; the ending says in which format: .html, .md, .csv, .json, .xml (JUnit), .txt
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write the packets that were read, to a pcapng file (or a pcap file, if the name ends so)
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
    /// With -w: begin a new file when one is larger than so many million bytes
    #[arg(short = 'C', value_name = "MEGABYTES", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rotate_megabytes: Option<u64>,
    /// With -w: begin a new file after so many seconds; its name is then a pattern of strftime: %H%M%S.pcapng
    #[arg(short = 'G', value_name = "SECONDS", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rotate_seconds: Option<u32>,
    /// With -C: use so many files in turn; with -G: stop after so many
    #[arg(short = 'W', value_name = "FILES", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rotate_files: Option<u32>,
    /// Write the packets that show the findings
    #[arg(long, value_name = "FILE")]
    pub(super) evidence: Option<PathBuf>,
    /// No progress and no summary on standard error
    #[arg(short = 'q', long)]
    pub(super) quiet: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

/// How much is allowed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArguments {
    /// Stop after that time, or with forever only at Ctrl-C; a live capture lasts 10s if neither this nor -c is given
    #[arg(long, value_name = "TIME")]
    pub(super) duration: Option<Duration>,
    /// Stop after so many packets
    #[arg(short = 'c', long = "count", value_name = "PACKETS")]
    pub(super) count: Option<u64>,
    /// Memory for what is kept
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub(super) max_memory: ByteSize,
    /// Grant permissions: exec, act, serve, write
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
    pub(super) allow: Vec<Permission>,
    /// Show credentials instead of masking them
    #[arg(long)]
    pub(super) show_secrets: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// At a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
