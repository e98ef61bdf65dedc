//! A host with a proxy, those who serve its apps, and those who ask.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use netscript::host::Namespace;
use serde_json::Value;

use crate::program::{Folder, NETSCRIPT};
use crate::support::{Netns, Running, Server, tool, traffic, until};

/// What does not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A host with a network and a BPF file system of its own, which asks a name server at 127.0.0.1.
pub(super) struct Host {
    pub(super) netns: Netns,
    pub(super) folder: Folder,
    /// Whoever lives in its mount namespace.
    keeper: Running,
}

const MOUNT: &str = r#"
mount -t bpf bpf /sys/fs/bpf || exit 9
for file in resolv.conf hosts; do mount --bind "$1/$file" "/etc/$file" || exit 9; done
echo mounted >&2
exec sleep 1000
"#;

impl Host {
    pub(super) fn new() -> Self {
        let (netns, folder) = (Netns::new(), Folder::with("resolv.conf", "nameserver 127.0.0.1\n"));
        folder.write("hosts", "");
        let mut keeper = netns.command("unshare");
        let mut keeper = Running::spawn(keeper.args(["--mount", "sh", "-c", MOUNT, "sh"]).arg(folder.path("")));
        keeper.says("mounted");
        Self { netns, folder, keeper }
    }

    /// netscript, to be run on this host.
    pub(super) fn netscript(&self) -> Command {
        self.command(NETSCRIPT)
    }

    /// A program, to be run on this host.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = self.folder.command(tool("nsenter"));
        command.arg(format!("--net={}", self.netns.path())).arg(format!("--target={}", self.keeper.pid()));
        command.args(["--mount", "--wd=/", "--", program]);
        command
    }

    /// Begins to serve these apps, which are an expression, and does so when this returns.
    pub(super) fn proxy(&self, apps: &str) -> Running {
        self.script(apps, r#"debug("ready"); apps.serve()"#)
    }

    /// Begins a script that knows the proxy of these apps as `apps`, up to where it says that it is ready.
    pub(super) fn script(&self, apps: &str, script: &str) -> Running {
        let options = format!(r#"#{{ log: "{}", metrics: "127.0.0.1:9100" }}"#, self.folder.path("log").display());
        let script = format!("let apps = proxy({apps}, {options}); apps.start(); {script}");
        let mut netscript = self.netscript();
        let mut proxy = Running::spawn(netscript.args(["eval", "--json", "--allow=serve,write", &script]));
        proxy.says("ready");
        proxy
    }

    /// A process that answers web requests with this name and the path.
    pub(super) fn target(&self, name: &str, address: &str) -> Running {
        let program = traffic::program().to_str().unwrap();
        let mut target = Running::spawn(self.netns.command(program).args(["name", address, name]));
        target.listens(address.rsplit_once(':').unwrap().1.parse().unwrap());
        target
    }

    /// Somebody who does this with each connection.
    pub(super) fn server(&self, address: &str, answer: impl Fn(TcpStream) + Send + 'static) -> Server {
        Server::new(self.inside(|| TcpListener::bind(address).unwrap()), answer)
    }

    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        Namespace::named(self.netns.name()).unwrap().enter(work).unwrap()
    }

    /// Who answers a request, and for what: `T1 /path`.
    pub(super) fn ask(&self, address: &str, path: &str) -> std::io::Result<String> {
        self.inside(|| ask(address, path))
    }

    /// Who answers so many requests, one after the other.
    pub(super) fn answers(&self, address: &str, requests: usize) -> Vec<String> {
        (0..requests).map(|_| self.ask(address, "/").unwrap().trim_end_matches(" /\n").to_owned()).collect()
    }

    /// The connections that have ended, when there are so many.
    pub(super) fn logged(&self, connections: usize) -> Vec<Value> {
        until("the log", || {
            let log = String::from_utf8(self.folder.read("log")).unwrap();
            let lines: Vec<_> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (log.ends_with('\n') && lines.len() >= connections).then_some(lines)
        })
    }

    /// A number that the proxy gives away, such as `netscript_proxy_connections{app="a"}`.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.inside(|| exchange("127.0.0.1:9100", "/metrics")).ok()?;
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

/// Asks a web server for a path, and gives what it answers.
pub(super) fn ask(address: &str, path: &str) -> std::io::Result<String> {
    let answer = exchange(address, path)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    Ok(body.to_owned())
}

fn exchange(address: &str, path: &str) -> std::io::Result<String> {
    let mut server = connect(address)?;
    server.write_all(format!("GET {path} HTTP/1.1\r\nHost: lab.example\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Connects, and waits for nothing without an end.
pub(super) fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
