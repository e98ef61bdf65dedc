//! Containers of real engines: what netscript says of them is what the engine and the kernel say.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use netscript::host::container::{Containers, EngineSockets, Query};
use netscript::script::docs::entry;
use serde_json::{Value, json};

use crate::program::{Ended, Folder, NETSCRIPT, run};
use crate::support::{Container, Engine, Image, Netns, Running, connect, needs, tool, until};

/// Busybox, doing nothing for the length of a test.
fn idle<'a>(engine: &'a Engine, name: &str, options: &[&str]) -> Container<'a> {
    // Whoever is the first process of a container is deaf to SIGTERM.
    engine.run(Image::Busybox, name, &[options, &["--stop-signal", "KILL"]].concat(), &["sleep", "1000"])
}

/// The rows that an expression gives on the host of an engine.
#[track_caller]
fn rows(engine: &Engine, expression: &str) -> Vec<Value> {
    let ended = engine.netscript(&Folder::new(), &["eval", "--json", "-q", expression]);
    assert_eq!(ended.code, Some(0), "{expression}: {ended:?}");
    parsed(&ended)
}

fn parsed(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one row that an expression gives.
#[track_caller]
fn row(engine: &Engine, expression: &str) -> Value {
    let rows = rows(engine, expression);
    assert_eq!(rows.len(), 1, "{expression}: {rows:?}");
    rows.into_iter().next().unwrap()
}

#[track_caller]
fn container(engine: &Engine, name: &str) -> Value {
    row(engine, &format!("containers(#{{ all: true }}).filter(|c| c.name == \"{name}\")"))
}

fn veths(engine: &Engine, name: &str) -> Vec<Value> {
    rows(engine, &format!("veth_for(\"{name}\")"))
}

fn interface(container: &Container<'_>, name: &str, file: &str) -> String {
    container.exec(&["cat", &format!("/sys/class/net/{name}/{file}")])
}

/// What `ip` says of an interface on the host of an engine.
fn link(engine: &Engine, name: &str) -> Value {
    let links: Value = serde_json::from_str(&engine.host.ip(&format!("-json -details link show dev {name}"))).unwrap();
    links[0].clone()
}

/// Every pair of a container, as the engine, the container and the host say themselves.
#[track_caller]
fn check_veths(engine: &Engine, container: &Container<'_>, networks: &[&str]) {
    let veths = veths(engine, &container.name);
    let found: Vec<&str> = veths.iter().filter_map(|veth| veth["network"].as_str()).collect();
    assert_eq!((found, veths.len()), (networks.to_vec(), networks.len()), "{veths:?}");
    for veth in &veths {
        let inside = veth["container_interface"].as_str().unwrap();
        let outside = link(engine, veth["host_interface"].as_str().unwrap());
        assert_eq!(veth["container"], container.name.as_str());
        assert_eq!(veth["index"].to_string(), interface(container, inside, "iflink"));
        assert_eq!(veth["container_index"].to_string(), interface(container, inside, "ifindex"));
        assert_eq!(veth["mac"].as_str().unwrap(), interface(container, inside, "address"));
        assert_eq!(veth["address"].as_str().unwrap(), container.address(veth["network"].as_str().unwrap()));
        assert_eq!((&veth["index"], &veth["bridge"]), (&outside["ifindex"], &outside["master"]));
        assert_eq!(outside["linkinfo"]["info_kind"], "veth");
        assert_eq!(veth["netns"], engine.host.name());
        let back = row(engine, &format!("container_for({})", veth["host_interface"]));
        assert_eq!(back["id"], container.id().as_str());
    }
}

fn containers_are_what_the_engine_says(engine: &Engine, runtime: &str) {
    let (_shop, _back) = (engine.network("shop"), engine.network("back"));
    let web = idle(engine, "web", &["--network", "shop"]);
    let suspect = idle(engine, "suspect", &["--network", "shop"]);
    engine.client(&["network", "connect", "back", "suspect"]);
    for (it, networks) in [(&web, vec!["shop"]), (&suspect, vec!["back", "shop"])] {
        let row = container(engine, &it.name);
        assert_eq!((&row["id"], &row["pid"]), (&json!(it.id()), &json!(it.pid())));
        assert_eq!(
            (&row["runtime"], &row["known_by"], &row["state"]),
            (&json!(runtime), &json!("engine"), &json!("running"))
        );
        assert_eq!((&row["networks"], &row["host_network"]), (&json!(networks), &json!(false)));
        assert!(row["image"].as_str().unwrap().contains("lab/busybox"), "{row}");
        let addresses: Vec<String> = networks.iter().map(|network| it.address(network)).collect();
        assert_eq!(row["addresses"], json!(addresses));
        let netns = std::fs::read_link(format!("/proc/{}/ns/net", it.pid())).unwrap();
        assert_eq!(row["netns"], netns.to_str().unwrap());
        // The beginning of the id will do.
        let veth = &rows(engine, &format!("veth_for(\"{}\")", &it.id()[..12]))[0];
        assert_eq!(veth["container"], it.name.as_str());
    }
    check_veths(engine, &web, &["shop"]);
    check_veths(engine, &suspect, &["shop", "back"]);
}

#[test]
fn containers_of_docker_are_what_it_says() {
    needs!("dockerd", "docker", "iptables", "busybox");
    containers_are_what_the_engine_says(&Engine::docker(), "docker");
}

#[test]
fn containers_of_podman_are_what_it_says() {
    needs!("podman", "docker", "iptables", "busybox");
    containers_are_what_the_engine_says(&Engine::podman(), "podman");
}

/// What is said aside when there are no pairs.
#[track_caller]
fn why_no_veth(engine: &Engine, name: &str) -> String {
    let ended = engine.netscript(&Folder::new(), &["eval", "--json", &format!("veth_for(\"{name}\")")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said: Vec<Value> = parsed(&ended);
    assert_eq!(said.len(), 1, "{said:?}");
    said[0]["text"].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned()
}

fn containers_without_a_pair_say_why(engine: &Engine) {
    let _host = idle(engine, "host-web", &["--network", "host"]);
    let _none = idle(engine, "lonely", &["--network", "none"]);
    let row = container(engine, "host-web");
    assert_eq!((&row["host_network"], &row["netns"]), (&json!(true), &json!(engine.host.name())));
    assert_eq!(
        why_no_veth(engine, "host-web"),
        "host-web uses the network of its host and has no interfaces of its own"
    );
    assert_eq!(container(engine, "lonely")["host_network"], false);
    assert_eq!(why_no_veth(engine, "lonely"), "lonely has no interface but loopback");
}

#[test]
fn containers_of_docker_without_a_pair_say_why() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    containers_without_a_pair_say_why(&engine);
    engine.client(&["network", "create", "--driver", "macvlan", "--opt", "parent=docker0", "mac"]);
    let _mac = idle(&engine, "mac-web", &["--network", "mac"]);
    assert_eq!(
        why_no_veth(&engine, "mac-web"),
        "mac-web has no veth pair that leads to its host; it has eth0 (macvlan)"
    );
}

#[test]
fn containers_of_podman_without_a_pair_say_why() {
    needs!("podman", "docker", "iptables", "busybox");
    containers_without_a_pair_say_why(&Engine::podman());
}

#[test]
fn containers_that_share_a_namespace_share_its_pairs_and_the_owner_answers_for_it() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = engine.network("shop");
    let owner = idle(&engine, "z-owner", &["--network", "shop"]);
    let _sidecar = idle(&engine, "a-sidecar", &["--network", "container:z-owner"]);
    let (of_owner, of_sidecar) = (veths(&engine, "z-owner"), veths(&engine, "a-sidecar"));
    assert_eq!((of_owner.len(), &of_owner[0]["host_interface"]), (1, &of_sidecar[0]["host_interface"]));
    assert_eq!((&of_sidecar[0]["network"], &of_sidecar[0]["bridge"]), (&json!("shop"), &json!(shop.bridge())));
    let back = row(&engine, &format!("container_for({})", of_owner[0]["host_interface"]));
    assert_eq!(back["id"], owner.id().as_str());
}

fn those_that_do_not_run_are_shown_only_if_asked_for(engine: &Engine) {
    let web = idle(engine, "web", &[]);
    engine.client(&["create", "--name", "fresh", "lab/busybox", "true"]);
    engine.client(&["stop", "web"]);
    let names = |expression: &str| -> Vec<Value> {
        let of_engine = "filter(|c| c.known_by == \"engine\").map(|c| [c.name, c.state, c.pid])";
        rows(engine, &format!("{expression}.{of_engine}")).into_iter().map(|mut row| row["value"].take()).collect()
    };
    assert_eq!(names("containers()"), Vec::<Value>::new());
    let all = [json!(["fresh", "created", null]), json!(["web", "exited", null])];
    assert_eq!(names("containers(#{ all: true })"), all);
    assert_eq!(why_no_veth(engine, "web"), "web does not run (exited)");
    let stopped = engine.netscript(&Folder::new(), &["eval", "listeners(#{ container: \"web\" })"]);
    let expected = "cannot look into the container web: it does not run (exited)";
    assert!(stopped.code == Some(3) && stopped.stderr.contains(expected), "{stopped:?}");
    engine.client(&["start", "web"]);
    engine.client(&["pause", "web"]);
    assert_eq!(names("containers()"), [json!(["web", "paused", web.pid()])]);
    engine.client(&["unpause", "web"]);
    engine.client(&["rm", "fresh"]);
}

#[test]
fn containers_of_docker_that_do_not_run_are_shown_only_if_asked_for() {
    needs!("dockerd", "docker", "iptables", "busybox");
    those_that_do_not_run_are_shown_only_if_asked_for(&Engine::docker());
}

#[test]
fn containers_of_podman_that_do_not_run_are_shown_only_if_asked_for() {
    needs!("podman", "docker", "iptables", "busybox");
    those_that_do_not_run_are_shown_only_if_asked_for(&Engine::podman());
}

/// Runs netscript where the socket of the engine is another one, or none.
fn with_engine_at(engine: &Engine, socket: Option<&Path>, expression: &str) -> Ended {
    let folder = Folder::new();
    let mut netscript = engine.host.netscript_command(&folder);
    if let Some(socket) = socket {
        netscript.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    }
    run(netscript.args(["eval", "--json", "-q", expression]))
}

fn without_its_api_control_groups_tell_of_a_container(engine: &Engine, runtime: &str) {
    let _shop = engine.network("shop");
    let web = idle(engine, "web", &["--network", "shop"]);
    let _host = idle(engine, "host-web", &["--network", "host"]);
    let short = web.id()[..12].to_owned();
    // Whoever looks into the namespace of a container does not make it that of the host.
    let _visitor = visit(engine, &web);
    let known = with_engine_at(engine, None, &format!("containers().filter(|c| c.id == \"{}\")", web.id()));
    let row = &parsed(&known)[0];
    assert_eq!((&row["name"], &row["runtime"], &row["known_by"]), (&json!(short), &json!(runtime), &json!("cgroup")));
    assert_eq!((&row["pid"], &row["networks"]), (&json!(web.pid()), &Value::Null));
    assert_eq!(row["host_network"], false);
    assert_eq!(row["addresses"], json!([web.address("shop")]));
    let pair = parsed(&with_engine_at(engine, None, &format!("veth_for(\"{short}\")")));
    let of_engine = &veths(engine, "web")[0];
    for field in ["container_interface", "host_interface", "index", "bridge", "address", "netns"] {
        assert_eq!(pair[0][field], of_engine[field], "{field}");
    }
    let host = with_engine_at(engine, None, "containers().filter(|c| c.host_network).map(|c| c.id)");
    let id = engine.client(&["inspect", "--format", "{{.Id}}", "host-web"]);
    assert!(parsed(&host).iter().any(|row| row["value"] == id.as_str()), "{host:?}");
    let unstoppable = with_engine_at(engine, None, "veth_for(\"web\")");
    assert_eq!(unstoppable.code, Some(2), "{unstoppable:?}");
}

#[test]
fn without_the_api_of_docker_control_groups_tell_of_a_container() {
    needs!("dockerd", "docker", "iptables", "busybox");
    without_its_api_control_groups_tell_of_a_container(&Engine::docker(), "docker");
}

#[test]
fn without_the_api_of_podman_control_groups_tell_of_a_container() {
    needs!("podman", "docker", "iptables", "busybox");
    without_its_api_control_groups_tell_of_a_container(&Engine::podman(), "podman");
}

#[test]
fn an_engine_that_answers_badly_or_never_is_said_and_not_waited_for() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let web = idle(&engine, "web", &[]);
    let folder = Folder::new();
    for (name, answer) in [("garbage.sock", Some("nonsense\r\n\r\n")), ("silent.sock", None)] {
        let socket = folder.path(name);
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes())),
                    // Until whoever asks hangs up.
                    None => drop(stream.read_to_end(&mut Vec::new())),
                }
            }
        });
        let begin = Instant::now();
        let ended = with_engine_at(&engine, Some(&socket), "containers()");
        assert!(begin.elapsed() < Duration::from_secs(6), "{name}: {:?}", begin.elapsed());
        // Control groups tell of it, but not its name: that cannot have been all.
        assert_eq!(ended.code, Some(3), "{name}: {ended:?}");
        assert!(parsed(&ended).iter().any(|row| row["id"] == web.id().as_str()), "{name}: {ended:?}");
        let ended = with_engine_at(&engine, Some(&socket), "veth_for(\"web\")");
        assert_eq!(ended.code, Some(3), "{name}: {ended:?}");
        assert!(ended.stderr.contains(&format!("the container engine at {}", socket.display())), "{ended:?}");
    }
}

#[test]
fn without_privileges_it_says_which_are_missing() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let web = idle(&engine, "web", &[]);
    let folder = Folder::new();
    folder.make_public();
    let unprivileged = |expression: &str| {
        let mut nobody = folder.command(tool("nsenter"));
        nobody.env("DOCKER_HOST", format!("unix://{}", engine.socket().display()));
        nobody.arg(format!("--net={}", engine.host.path())).args(["--setuid", "65534", "--setgid", "65534", "--"]);
        run(nobody.args([NETSCRIPT, "eval", "--json", "-q", expression]))
    };
    // The folder of the engine is root's: its socket cannot be reached.
    let seen = unprivileged("containers()");
    assert!(seen.code == Some(3) && seen.stderr.contains("cannot be reached: Permission denied"), "{seen:?}");
    assert!(parsed(&seen).iter().any(|row| row["id"] == web.id().as_str() && row["known_by"] == "cgroup"), "{seen:?}");
    // Its control group tells of it, and nothing tells of its interfaces.
    let refused = unprivileged(&format!("veth_for(\"{}\")", web.id()));
    let expected = "no permission to look into the container";
    assert!(refused.code == Some(3) && refused.stderr.contains(expected), "{refused:?}");
    assert!(refused.stderr.contains("setcap cap_sys_admin,cap_sys_ptrace+ep "), "{refused:?}");
}

#[test]
fn names_and_prefixes_that_mean_nothing_or_several_are_refused() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let _web = idle(&engine, "http-sender4", &[]);
    for (expression, expected) in [
        ("veth_for(\"http-sender\")", "there is no container `http-sender`; did you mean `http-sender4`?"),
        ("veth_for(\"\")", "there is no container ``"),
        ("container_for(\"docker9\")", "there is no interface `docker9`; did you mean `docker0`?"),
        ("containers(#{ al: true })", "containers() has no option `al`; there is all; did you mean `all`?"),
        ("stop_container(\"http-sender4\")", "needs the permission `act`, which was not granted; add --allow act"),
    ] {
        let ended = engine.netscript(&Folder::new(), &["eval", expression]);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{expression}: {ended:?}");
    }
    let bridge = engine.netscript(&Folder::new(), &["eval", "--json", "container_for(\"docker0\") == ()"]);
    assert!(bridge.stdout.contains("true"), "{bridge:?}");
}

#[test]
fn a_namespace_made_by_ip_netns_counts_as_a_container() {
    needs!("busybox");
    let (one, other) = (Netns::new(), Netns::new());
    connect((&one, "va", "192.0.2.1/24"), (&other, "vb", "192.0.2.2/24"));
    let mut shell = one.command("busybox");
    let shell = Running::spawn(shell.args(["sleep", "1000"]));
    let folder = Folder::new();
    let eval = |expression: String| parsed(&folder.netscript(["eval", "--json", "-q", &expression]));
    let row = eval(format!("containers().find(|c| c.name == \"{}\")", one.name())).remove(0);
    assert_eq!(
        (&row["runtime"], &row["pid"], &row["netns"]),
        (&json!("netns"), &json!(shell.pid()), &json!(one.name()))
    );
    assert_eq!(row["addresses"], json!(["192.0.2.1"]));
    let veth = eval(format!("veth_for(\"{}\")", one.name())).remove(0);
    assert_eq!((&veth["container_interface"], &veth["host_interface"]), (&json!("va"), &json!("vb")));
    assert_eq!(veth["netns"], other.name());
    // From inside the other one, the interface leads to this one.
    let inside = other.netscript(&folder, &["eval", "--json", "-q", "container_for(\"vb\").name"]);
    assert!(inside.stdout.contains(one.name()), "{inside:?}");
}

fn a_container_is_stopped_by_its_engine(engine: &Engine) {
    let web = idle(engine, "web", &[]);
    let brief = ["--rm", "--name", "brief", "--stop-signal", "KILL", "lab/busybox", "sleep", "1000"];
    engine.client(&[&["run", "--detach"], &brief[..]].concat());
    let stop = |name: &str| {
        let expression = format!("stop_container(\"{name}\")");
        let ended = engine.netscript(&Folder::new(), &["eval", "--json", "-q", "--allow", "act", &expression]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        parsed(&ended).remove(0)
    };
    let stopped = stop("web");
    assert_eq!((&stopped["name"], &stopped["state"], &stopped["pid"]), (&json!("web"), &json!("exited"), &Value::Null));
    assert_eq!(web.inspect("{{.State.Running}}"), "false");
    // It is what was asked for, and no error.
    assert_eq!(stop("web")["state"], "exited");
    let gone = stop("brief");
    assert!(["removed", "exited", "removing"].contains(&gone["state"].as_str().unwrap()), "{gone}");
}

#[test]
fn a_container_is_stopped_by_docker() {
    needs!("dockerd", "docker", "iptables", "busybox");
    a_container_is_stopped_by_its_engine(&Engine::docker());
}

#[test]
fn a_container_is_stopped_by_podman() {
    needs!("podman", "docker", "iptables", "busybox");
    a_container_is_stopped_by_its_engine(&Engine::podman());
}

#[test]
fn a_container_that_ends_while_it_is_looked_at_is_gone_or_left_out() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let victim = idle(&engine, "victim", &[]);
    let id = victim.id();
    let rounds = 12;
    let gone = ["the container `victim` went away meanwhile", "it begins or ends just now"];
    let is_right = |said: &Value| match said["text"].as_str() {
        Some(reason) => reason.starts_with("victim does not run (") && !reason.contains("running"),
        None => said["container"] == "victim" && said["bridge"] == "docker0",
    };
    thread::scope(|scope| {
        let restarts = scope.spawn(|| {
            for _ in 0..rounds {
                engine.client(&["kill", "victim"]);
                engine.client(&["start", "victim"]);
            }
        });
        let mut answers = 0;
        while !restarts.is_finished() {
            let ended = engine.netscript(&Folder::new(), &["eval", "--json", "-q", "veth_for(\"victim\")"]);
            match ended.code {
                // One pair, or none since it does not run.
                Some(0) => assert!(parsed(&ended).iter().all(is_right), "{ended:?}"),
                Some(3) => assert!(gone.iter().any(|said| ended.stderr.contains(said)), "{ended:?}"),
                _ => panic!("{ended:?}"),
            }
            let known = rows(&engine, "containers()");
            let shown = with_engine_at(&engine, None, "containers()");
            for row in known.iter().chain(&parsed(&shown)).filter(|row| row["id"] == id.as_str()) {
                let name = if row["known_by"] == "engine" { "victim" } else { &id[..12] };
                assert_eq!((&row["name"], &row["runtime"]), (&json!(name), &json!("docker")), "{row}");
                assert!(row["netns"] != engine.host.name() && row["host_network"] == false, "{row}");
            }
            answers += 1;
        }
        restarts.join().unwrap();
        assert!(answers > 5, "{answers}");
    });
    // Index and process are those of now.
    check_veths(&engine, &victim, &["bridge"]);
}

/// The containers of an engine, as whoever embeds netscript sees them.
fn seen(engine: &Engine) -> Containers {
    let named = vec![engine.socket().into()];
    Containers::read(&Query { all: false, sockets: EngineSockets { named, ..EngineSockets::default() } })
}

#[test]
fn a_process_belongs_to_the_container_that_it_runs_in() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let (web, other) = (idle(&engine, "web", &[]), idle(&engine, "other", &[]));
    let on_host = idle(&engine, "on-host", &["--network", "host"]);
    web.exec(&["sh", "-c", "sleep 1000 </dev/null >/dev/null 2>&1 &"]);
    let started = until("a process", || in_cgroup(&web));
    // Whoever runs a container with privileges may name control groups as it likes, also after others.
    let disguise = cgroup(&web).join(format!("docker-{}.scope", other.id()));
    std::fs::create_dir(&disguise).unwrap();
    let visitor = visit(&engine, &web);
    std::fs::write(disguise.join("cgroup.procs"), started.to_string()).unwrap();

    let containers = seen(&engine);
    let of = |pid: u32| containers.of_process(pid).map(|container| container.name.clone());
    assert_eq!((of(web.pid()), of(other.pid())), (Some("web".into()), Some("other".into())));
    assert_eq!(of(started), Some("web".into()), "whatever it calls its control group");
    assert_eq!(of(on_host.pid()), Some("on-host".into()));
    assert_eq!(of(visitor.pid()), Some("web".into()), "who has its network speaks with its address");
    assert_eq!((of(std::process::id()), of(1), of(u32::MAX)), (None, None, None));
    let find = |name: &str| containers.find(name).unwrap();
    assert!(!find("web").host_network && find("on-host").host_network);
    // The namespace of the host is nobody's but its own.
    let host = find("on-host").namespace.as_ref().unwrap();
    let of_host: Vec<&str> = containers.of_namespace(host.id()).iter().map(|it| it.name.as_str()).collect();
    assert_eq!(of_host, [engine.host.name()]);
}

/// A process of the host in the network namespace of a container.
fn visit(engine: &Engine, container: &Container<'_>) -> Running {
    let netns = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let path = format!("--net=/proc/{}/ns/net", container.pid());
    let visitor = Running::spawn(engine.host.command("nsenter").args([&path, "sleep", "1000"]));
    until("the visitor", || (netns(visitor.pid()) == netns(container.pid())).then_some(()));
    visitor
}

/// The control group of a container in the hierarchy that `/proc` names first.
fn cgroup(container: &Container<'_>) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    let line = text.lines().find(|line| line.contains(&container.id())).unwrap();
    let [_, hierarchy, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let mount = match hierarchy.trim_start_matches("name=") {
        "" if Path::new("/sys/fs/cgroup/unified").exists() => "unified",
        controllers => controllers,
    };
    Path::new("/sys/fs/cgroup").join(mount).join(path.trim_start_matches('/'))
}

/// A process of a container that is not its first.
fn in_cgroup(container: &Container<'_>) -> Option<u32> {
    let processes = std::fs::read_to_string(cgroup(container).join("cgroup.procs")).unwrap();
    processes.lines().filter_map(|pid| pid.parse().ok()).find(|pid| *pid != container.pid())
}

#[test]
fn the_examples_of_what_is_about_containers_run() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let _web = idle(&engine, "web", &[]);
    let shown =
        [("containers", "web "), ("veth_for", "docker0"), ("container_for", "web"), ("stop_container", "exited")];
    for (name, shown) in shown {
        let example = entry(name).unwrap().example;
        let ended = engine.netscript(&Folder::new(), &["eval", "-q", "--allow", "act", example]);
        assert!(ended.code == Some(0) && ended.stdout.contains(shown), "{example}: {ended:?}");
    }
}
