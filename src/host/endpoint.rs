//! The rows of `listeners()` and `connections()`: sockets with their processes, users and containers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::privilege::sees_all_processes;
use super::{
    Container, Containers, HostError, Namespace, NamespaceId, Process, Snapshot, Socket, SocketOwners, SocketState,
    SocketTable, Users, Which, links,
};

/// A socket that waits for others to come.
#[derive(Debug, Clone)]
pub struct Listener(Endpoint);

/// A socket that has a peer.
#[derive(Debug, Clone)]
pub struct Connection(Endpoint);

/// A socket with what is known of whoever has it.
#[derive(Debug, Clone)]
struct Endpoint {
    socket: Socket,
    netns: Arc<str>,
    /// The interface that it is bound to.
    interface: Option<Arc<str>>,
    /// The processes that have it open, lowest number first.
    pids: Vec<u32>,
    /// The first of them.
    process: Option<Arc<Process>>,
    user: Arc<str>,
    container: Option<Arc<str>>,
    /// Why its process is not known.
    note: Option<&'static str>,
}

/// What waits for others in these namespaces, as `ss -lntup` shows it in each: TCP that listens, UDP without a peer.
///
/// # Errors
///
/// What the system refuses, if it refuses it in each of these namespaces.
pub fn listeners(
    namespaces: &[Namespace],
    containers: &Containers,
    show_secrets: bool,
) -> Result<Snapshot<Listener>, HostError> {
    Ok(endpoints(namespaces, containers, Which::Listening, show_secrets)?.map(Listener))
}

/// What has a peer in these namespaces, as `ss -antup state connected` shows it in each: TCP and UDP, also what is over
/// and waits for late packets.
///
/// # Errors
///
/// As of [`listeners`].
pub fn connections(
    namespaces: &[Namespace],
    containers: &Containers,
    show_secrets: bool,
) -> Result<Snapshot<Connection>, HostError> {
    Ok(endpoints(namespaces, containers, Which::Connected, show_secrets)?.map(Connection))
}

fn endpoints(
    namespaces: &[Namespace],
    containers: &Containers,
    which: Which,
    show_secrets: bool,
) -> Result<Snapshot<Endpoint>, HostError> {
    let SocketTable { sockets, missing } = SocketTable::read(namespaces, which);
    let owners = SocketOwners::read()
        .map_err(|cause| HostError::System { doing: "look at the processes in /proc".into(), cause })?;
    let nobody = match owners.unreadable() {
        0 => "no process that can be seen has it: the kernel itself, or one that has just ended",
        _ if sees_all_processes() => "no process that may be looked at has it",
        _ => HIDDEN,
    };
    let mut join = Join {
        nobody,
        namespaces: namespaces.iter().map(|namespace| (namespace.id(), namespace)).collect(),
        owners: &owners,
        users: Users::read(),
        containers,
        show_secrets,
        processes: HashMap::new(),
        interfaces: HashMap::new(),
        names: HashMap::new(),
        of_namespace: HashMap::new(),
    };
    let rows = sockets.into_iter().map(|socket| join.endpoint(socket)).collect();
    let mut snapshot = Snapshot::new(rows, namespaces.len(), missing)?;
    let hidden = snapshot.rows.iter().filter(|row| row.note == Some(HIDDEN)).count();
    if hidden > 0 {
        let doing = format!("see whose sockets {hidden} of {} are", snapshot.rows.len());
        snapshot.notes.push(HostError::permission(doing, "CAP_SYS_PTRACE").to_string());
    }
    Ok(snapshot)
}

/// What sockets are joined with; each thing is looked at once.
struct Join<'a> {
    namespaces: HashMap<NamespaceId, &'a Namespace>,
    owners: &'a SocketOwners,
    /// What to say of a socket that should have a process.
    nobody: &'static str,
    users: Users,
    containers: &'a Containers,
    show_secrets: bool,
    processes: HashMap<u32, Option<Member>>,
    interfaces: HashMap<NamespaceId, HashMap<u32, Arc<str>>>,
    names: HashMap<NamespaceId, Arc<str>>,
    of_namespace: HashMap<NamespaceId, Option<Arc<str>>>,
}

/// A process and the container that it runs in.
#[derive(Clone)]
struct Member {
    process: Arc<Process>,
    container: Option<Arc<str>>,
}

impl Join<'_> {
    fn endpoint(&mut self, socket: Socket) -> Endpoint {
        let pids: Vec<u32> = if socket.inode == 0 { Vec::new() } else { self.owners.of(socket.inode).collect() };
        let member = pids.iter().find_map(|pid| self.member(*pid));
        let (process, container) = member.map(|Member { process, container }| (process, container)).unzip();
        // A process of the host may have a socket in the network of a container.
        let container = container.flatten().or_else(|| self.only_container(socket.namespace));
        Endpoint {
            netns: self.netns(socket.namespace),
            interface: socket.interface.and_then(|index| self.interface(socket.namespace, index)),
            user: self.users.name(process.as_ref().map_or(socket.uid, |process| process.uid)).into(),
            note: process.is_none().then(|| note(&socket, self.nobody)),
            container,
            process,
            pids,
            socket,
        }
    }

    fn member(&mut self, pid: u32) -> Option<Member> {
        let Self { processes, containers, show_secrets, .. } = self;
        let look = || {
            let process = Arc::new(Process::read(pid, *show_secrets)?);
            Some(Member { process, container: containers.of_process(pid).map(name) })
        };
        processes.entry(pid).or_insert_with(look).clone()
    }

    /// The container of a namespace that no other container is in.
    fn only_container(&mut self, namespace: NamespaceId) -> Option<Arc<str>> {
        let containers = self.containers;
        let only = || match containers.of_namespace(namespace)[..] {
            [container] => Some(name(container)),
            _ => None,
        };
        self.of_namespace.entry(namespace).or_insert_with(only).clone()
    }

    fn netns(&mut self, id: NamespaceId) -> Arc<str> {
        let text = || self.namespaces.get(&id).map_or_else(|| id.to_string(), ToString::to_string).into();
        self.names.entry(id).or_insert_with(text).clone()
    }

    fn interface(&mut self, namespace: NamespaceId, index: u32) -> Option<Arc<str>> {
        let namespaces = &self.namespaces;
        let names = self.interfaces.entry(namespace).or_insert_with(|| {
            let links = namespaces.get(&namespace).and_then(|namespace| links(namespace, &[]).ok());
            links.unwrap_or_default().into_iter().map(|link| (link.index, link.name.into())).collect()
        });
        names.get(&index).cloned()
    }
}

fn name(container: &Container) -> Arc<str> {
    container.name.as_str().into()
}

/// Why the process of a socket is not known that another user's process may have.
const HIDDEN: &str = "no process that this user may look at has it: CAP_SYS_PTRACE is missing";

/// Why the process of a socket is not known; `nobody` where one should have it.
const fn note(socket: &Socket, nobody: &'static str) -> &'static str {
    match socket.state {
        SocketState::TimeWait => "the connection is over, and no process has it any more",
        SocketState::SynReceived => "the connection is being made, and no process has it yet",
        SocketState::Established | SocketState::CloseWait if socket.inode == 0 => "no process has accepted it yet",
        _ if socket.inode == 0 => "its process has closed it",
        _ => nobody,
    }
}

impl Endpoint {
    const fn protocol(&self) -> &'static str {
        if self.socket.protocol == 6 { "tcp" } else { "udp" }
    }

    fn remote(&self) -> Option<(IpAddr, u16)> {
        self.socket.remote.map(|remote| (remote.ip(), remote.port()))
    }
}

crate::record! {
    /// A socket that waits for others: TCP that listens, UDP that is bound and has no peer.
    impl Record for Listener as "listener" {
        /// `tcp` or `udp`.
        protocol: Text, main => |row| row.0.protocol();
        /// The address that it takes packets for; `0.0.0.0` and `::` are all addresses. `::` takes IPv4, too, unless
        /// `ipv6_only`.
        address: Address, main => |row| row.0.socket.local.ip();
        /// Its port.
        port: Integer, main => |row| row.0.socket.local.port();
        /// `listening` (TCP) or `unconnected` (UDP): the names that `ss state …` takes.
        state: Text => |row| row.0.socket.state.name();
        /// The process that has it open; of several, that with the lowest number. None if it is not known: `note` says why.
        pid: Integer, main => |row| row.0.process.as_ref().map(|process| process.pid);
        /// The name of that process (`comm`).
        process: Text, main => |row| row.0.process.as_ref().map(|process| process.name.as_str());
        /// The command line of that process, its secrets masked.
        command: Text => |row| row.0.process.as_ref().map(|process| process.command.as_str());
        /// Every process that has it open.
        pids: List => |row| row.0.pids.clone();
        /// Whose rights that process has; where it is not known, the user who made the socket. The name in this host's
        /// `/etc/passwd`, or the number.
        user: Text, main => |row| &*row.0.user;
        /// The container that the process runs in, by name; where it runs in none or is not known, the one that this
        /// namespace belongs to. None on the host itself.
        container: Text, main => |row| row.0.container.as_deref();
        /// Its network namespace: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text, main => |row| &*row.0.netns;
        /// The interface that it is bound to, if it is bound to one.
        interface: Text => |row| row.0.interface.as_deref();
        /// Whether `::` takes no IPv4 here.
        ipv6_only: Bool => |row| row.0.socket.ipv6_only;
        /// TCP: connections that the process has not accepted yet. UDP: bytes that it has not read yet.
        recv_queue: Integer => |row| row.0.socket.recv_queue;
        /// TCP: how many connections may wait to be accepted (the backlog). UDP: bytes that are not sent yet.
        send_queue: Integer => |row| row.0.socket.send_queue;
        /// Why the process is not known.
        note: Text => |row| row.0.note;
    }
}

crate::record! {
    /// A socket that has a peer: one end of a conversation.
    impl Record for Connection as "connection" {
        /// `tcp` or `udp`.
        protocol: Text, main => |row| row.0.protocol();
        /// Its own address. IPv4 on an IPv6 socket (`::ffff:192.0.2.1`) is shown as packets have it: `192.0.2.1`.
        address: Address, main => |row| row.0.socket.local.ip();
        /// Its own port.
        port: Integer, main => |row| row.0.socket.local.port();
        /// The address of its peer.
        remote_address: Address, main => |row| row.0.remote().map(|(address, _)| address);
        /// The port of its peer.
        remote_port: Integer, main => |row| row.0.remote().map(|(_, port)| port);
        /// `established`, `syn-sent`, `syn-recv`, `fin-wait-1`, `fin-wait-2`, `time-wait`, `close-wait`, `last-ack` or
        /// `closing`: the names that `ss state …` takes.
        state: Text, main => |row| row.0.socket.state.name();
        /// The process that has it open; of several, that with the lowest number. None if it is not known: `note` says why.
        pid: Integer, main => |row| row.0.process.as_ref().map(|process| process.pid);
        /// The name of that process (`comm`).
        process: Text, main => |row| row.0.process.as_ref().map(|process| process.name.as_str());
        /// The command line of that process, its secrets masked.
        command: Text => |row| row.0.process.as_ref().map(|process| process.command.as_str());
        /// Every process that has it open.
        pids: List => |row| row.0.pids.clone();
        /// Whose rights that process has; where it is not known, the user who made the socket. The name in this host's
        /// `/etc/passwd`, or the number.
        user: Text => |row| &*row.0.user;
        /// The container that the process runs in, by name; where it runs in none or is not known, the one that this
        /// namespace belongs to. None on the host itself.
        container: Text, main => |row| row.0.container.as_deref();
        /// Its network namespace: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text => |row| &*row.0.netns;
        /// The interface that it is bound to, if it is bound to one.
        interface: Text => |row| row.0.interface.as_deref();
        /// Bytes that the process has not read yet.
        recv_queue: Integer in "bytes" => |row| row.0.socket.recv_queue;
        /// Bytes that the peer has not acknowledged yet.
        send_queue: Integer in "bytes" => |row| row.0.socket.send_queue;
        /// TCP's smoothed round-trip time (RFC 6298).
        rtt: Duration => |row| row.0.socket.rtt;
        /// Why the process is not known.
        note: Text => |row| row.0.note;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::record::Record;

    fn here() -> [Namespace; 1] {
        [Namespace::current().unwrap()]
    }

    /// The row of a port in JSON.
    fn row<T: Record>(snapshot: &Snapshot<T>, port: u16) -> serde_json::Value {
        let mut rows = snapshot.rows.iter().map(|row| serde_json::to_value(row as &dyn Record).unwrap());
        rows.find(|row| row["port"] == port).unwrap()
    }

    #[test]
    fn a_listener_has_the_process_that_has_it_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let row = row(&listeners(&here(), &Containers::default(), true).unwrap(), port);
        let own = Process::read(std::process::id(), true).unwrap();
        assert_eq!(
            (&row["protocol"], &row["address"], &row["state"]),
            (&"tcp".into(), &"127.0.0.1".into(), &"listening".into())
        );
        assert_eq!((&row["pid"], &row["process"]), (&own.pid.into(), &own.name.into()));
        assert_eq!((&row["command"], &row["user"]), (&own.command.into(), &Users::read().name(own.uid).into()));
        assert!(row["container"].is_null() && row["note"].is_null());
        assert_eq!(row["netns"], here()[0].to_string());
    }

    #[test]
    fn a_connection_that_nobody_has_accepted_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connections = connections(&here(), &Containers::default(), true).unwrap();
        let theirs = row(&connections, port);
        assert_eq!(
            (&theirs["pid"], &theirs["note"]),
            (&serde_json::Value::Null, &"no process has accepted it yet".into())
        );
        let ours = row(&connections, client.local_addr().unwrap().port());
        assert_eq!((&ours["pid"], &ours["remote_port"]), (&std::process::id().into(), &port.into()));
    }
}
