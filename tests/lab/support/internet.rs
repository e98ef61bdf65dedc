//! A client, and an internet that it can reach: some of whom answer there, and some do not.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

use netscript::host::Namespace;

use super::running::Running;
use super::server::Server;
use super::{Netns, connect, tool};
use crate::program::{Folder, NETSCRIPT};

/// An internet behind a cable of its own, with addresses for documentation.
///
/// Every address of 203.0.113.0/24 and of 2001:db8:1::/64 is there, with a web server at port 80 and somebody who takes
/// datagrams at port 7, and says nothing. Other ports refuse. 203.0.113.3 drops everything. Nothing leads to 192.0.2.9 and
/// to 2001:db8:2::9. Private addresses are there as well: 10.1.0.0/16 and 192.168.7.0/24.
///
/// A name server at 203.0.113.53 knows `www.example`, an alias of `cdn.example`, as 203.0.113.1 and 2001:db8:1::1, and what
/// a test writes into [`hosts`](Self::hosts).
pub(crate) struct Internet {
    netns: Netns,
    folder: Folder,
    resolver: Running,
    _servers: [Server; 2],
    _sink: UdpSocket,
}

const RESOLVER: &str = "203.0.113.53";

impl Internet {
    /// One that this client can reach.
    pub(crate) fn new(client: &Netns) -> Self {
        let netns = Netns::new();
        connect((client, "eth0", "192.0.2.253/30"), (&netns, "eth0", "192.0.2.254/30"));
        client.ip("address add 2001:db8::1/64 dev eth0 nodad");
        netns.ip("address add 2001:db8::2/64 dev eth0 nodad");
        for network in ["203.0.113.0/24", "10.1.0.0/16", "192.168.7.0/24"] {
            client.ip(&format!("route add {network} via 192.0.2.254"));
            netns.ip(&format!("route add local {network} dev lo"));
        }
        client.ip("-6 route add 2001:db8:1::/64 via 2001:db8::2");
        netns.ip("-6 route add local 2001:db8:1::/64 dev lo");
        netns.ip(&format!("address add {RESOLVER}/32 dev lo"));
        let input = "chain input { type filter hook input priority 0; ip daddr 203.0.113.3 drop; };";
        netns.nft(&format!("table inet firewall {{ {input} }};"));

        let namespace = Namespace::named(netns.name()).unwrap();
        let listen = |port| namespace.enter(|| TcpListener::bind(("::", port))).unwrap().unwrap();
        let _servers = [Server::web(listen(80)), Server::new(listen(7), drop)];
        let _sink = namespace.enter(|| UdpSocket::bind("[::]:7")).unwrap().unwrap();
        let folder = Folder::with("resolv.conf", format!("nameserver {RESOLVER}\n"));
        folder.write("nsswitch.conf", "hosts: files dns\n");
        folder.write("hosts", "");
        let known = ["--host-record=cdn.example,203.0.113.1,2001:db8:1::1", "--cname=www.example,cdn.example"];
        let resolver = name_server(&netns, RESOLVER, &folder.path("hosts"), &known);
        Self { netns, folder, resolver, _servers, _sink }
    }

    /// A program to be run in the internet.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.netns.command(program)
    }

    /// netscript, to be run where the client is and looks names up here, with nothing of the environment.
    pub(crate) fn netscript_command(&self, client: &Netns, folder: &Folder) -> Command {
        let mut command = client.inside(folder.command(tool("nsenter")), &tool("unshare"));
        command.args(["--mount", "sh", "-c", RESOLVE, "sh"]).arg(self.folder.path("")).arg(NETSCRIPT);
        command
    }

    /// Lines of a hosts(5) file that the name server knows; it reads them again when it gets SIGHUP.
    pub(crate) fn hosts(&self) -> String {
        self.folder.path("hosts").into_os_string().into_string().unwrap()
    }

    /// The process of the name server.
    pub(crate) fn resolver(&self) -> u32 {
        self.resolver.pid()
    }
}

/// Uses the name server of the internet, and runs something.
const RESOLVE: &str = r#"
for file in resolv.conf nsswitch.conf; do mount --bind "$1/$file" "/etc/$file" || exit 9; done
shift
exec "$@"
"#;

/// A name server that knows no names but these, for a second each: lines of a hosts(5) file, which it reads again when it
/// gets SIGHUP.
pub(crate) fn name_server(netns: &Netns, address: &str, hosts: &Path, options: &[&str]) -> Running {
    let mut dnsmasq = netns.command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--log-facility=-"]);
    dnsmasq.args(["--local=/example/", "--no-resolv", "--no-hosts", "--bind-interfaces", "--local-ttl=1"]);
    dnsmasq.arg(format!("--listen-address={address}")).args(options).arg("--addn-hosts").arg(hosts);
    let mut server = Running::spawn(&mut dnsmasq);
    server.listens(53);
    server
}
