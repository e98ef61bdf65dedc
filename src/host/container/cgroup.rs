//! Which containers a control group belongs to: engines put the id of a container into the path.

use std::borrow::Cow;

use super::Runtime;

/// A container that a path of `/proc/PID/cgroup` leads through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member<'a> {
    pub(super) runtime: Runtime,
    /// The id where there is one, the name for runtimes that have names only.
    pub(super) id: Cow<'a, str>,
    /// The path as far as this container: what else begins so is inside of it.
    pub(super) path: &'a str,
}

/// The containers that a path leads through, the innermost first: an engine may run inside of a container.
pub(super) fn members(path: &str) -> Vec<Member<'_>> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let components: Vec<&str> = path.split('/').collect();
    let mut members = Vec::new();
    let mut end = 0;
    for (at, component) in components.iter().enumerate() {
        end += component.len() + usize::from(at > 0);
        let next = components.get(at + 1).copied();
        if let Some((runtime, id)) = member(&components[..at], component, next) {
            members.push(Member { runtime, id, path: &path[..end] });
        }
    }
    members.reverse();
    members
}

/// The identifier of the innermost container that a path of control groups leads through, if it leads through one.
pub(crate) fn id_in_group(path: &str) -> Option<String> {
    members(path).into_iter().next().map(|member| member.id.into_owned())
}

/// The control group of each hierarchy that a container is in, the innermost container first: of the text of
/// `/proc/PID/cgroup` as cgroups(7) describes it.
pub(super) fn of_process(cgroups: &[procfs::ProcessCGroup]) -> Vec<Member<'_>> {
    cgroups.iter().map(|cgroup| members(&cgroup.pathname)).find(|members| !members.is_empty()).unwrap_or_default()
}

fn member<'a>(before: &[&str], component: &'a str, next: Option<&str>) -> Option<(Runtime, Cow<'a, str>)> {
    let unit = component.strip_suffix(".scope").or(component.strip_suffix(".service")).unwrap_or(component);
    with_id(before, unit).or_else(|| with_name(before, component, unit, next))
}

/// Engines of the Open Container Initiative: an id of 64 hexadecimal digits, bare or behind a prefix.
fn with_id<'a>(before: &[&str], unit: &'a str) -> Option<(Runtime, Cow<'a, str>)> {
    const DIGITS: usize = 64;
    let (head, id) = unit.split_at_checked(unit.len().checked_sub(DIGITS)?)?;
    if !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    // containerd with the cgroupfs driver below systemd writes `kubepods-….slice:cri-containerd:ID`.
    let prefix = head.trim_end_matches(['-', ':']).rsplit(':').next().unwrap_or_default();
    let runtime = match prefix {
        "" => before.iter().rev().find_map(|parent| runtime_of_parent(parent)).unwrap_or(Runtime::Unknown),
        "docker" => Runtime::Docker,
        "libpod" | "libpod-payload" => Runtime::Podman,
        "cri-containerd" | "nerdctl" => Runtime::Containerd,
        "crio" => Runtime::CriO,
        // Monitors, such as `libpod-conmon-ID.scope`, run outside of the container that they watch.
        _ => return None,
    };
    Some((runtime, id.into()))
}

fn runtime_of_parent(parent: &str) -> Option<Runtime> {
    match parent {
        "docker" => Some(Runtime::Docker),
        "k8s.io" => Some(Runtime::Containerd),
        _ if parent.starts_with("libpod") => Some(Runtime::Podman),
        _ => None,
    }
}

/// LXC and systemd-nspawn: containers have a name only.
fn with_name<'a>(
    before: &[&str],
    component: &'a str,
    unit: &'a str,
    next: Option<&str>,
) -> Option<(Runtime, Cow<'a, str>)> {
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some((Runtime::Lxc, name.into()));
    }
    if matches!(before, ["", "lxc" | "lxc.payload"]) && !component.is_empty() {
        return Some((Runtime::Lxc, component.into()));
    }
    if let Some(name) = unit.strip_prefix("systemd-nspawn@").filter(|_| component.ends_with(".service")) {
        return (next != Some("supervisor")).then(|| (Runtime::Nspawn, unescaped(name)));
    }
    let name = unescaped(unit.strip_prefix("machine-").filter(|_| component.ends_with(".scope"))?);
    if name.starts_with("qemu-") {
        return None;
    }
    // libvirt: `machine-lxc\x2d2921\x2dNAME.scope`, with a number of its own before the name.
    if let Some((_number, name)) = name.strip_prefix("lxc-").and_then(|rest| rest.split_once('-')) {
        return Some((Runtime::Lxc, name.to_owned().into()));
    }
    Some((Runtime::Nspawn, name))
}

/// What systemd.unit(5) calls unescaping: `\x2d` is a byte of its own.
fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return name.into();
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|digits| digits.split_first_chunk::<2>());
        let value = escaped.and_then(|(digits, _)| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (value, escaped) {
            (Some(value), Some((_, behind))) => {
                bytes.push(value);
                rest = behind;
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";
    const B: &str = "ffeeddccbbaa99887766554433221100f9e8d7c6b5a493827160f5e4d3c2b1a0";

    /// Paths as they are seen in the wild, `A` and `B` standing for ids.
    const PATHS: &[(&str, &[(Runtime, &str)])] = &[
        // Docker: cgroupfs, systemd, rootless, a slice of one's own, a parent of one's own.
        ("/docker/A", &[(Runtime::Docker, A)]),
        ("/system.slice/docker-A.scope", &[(Runtime::Docker, A)]),
        ("/system.slice/docker-A.scope/init.scope", &[(Runtime::Docker, A)]),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope", &[(Runtime::Docker, A)]),
        ("/batch.slice/docker-A.scope", &[(Runtime::Docker, A)]),
        ("/batch/A", &[(Runtime::Unknown, A)]),
        ("/../../docker-A.scope", &[(Runtime::Docker, A)]),
        ("/docker/A (deleted)", &[(Runtime::Docker, A)]),
        // Podman: cgroupfs, systemd, rootless, split; and its monitor, which is outside.
        ("/libpod_parent/libpod-A", &[(Runtime::Podman, A)]),
        ("/machine.slice/libpod-A.scope/container", &[(Runtime::Podman, A)]),
        ("/user.slice/user-0.slice/user@0.service/user.slice/libpod-A.scope/container", &[(Runtime::Podman, A)]),
        ("/system.slice/web.service/libpod-payload-A", &[(Runtime::Podman, A)]),
        ("/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope", &[(Runtime::Podman, A)]),
        ("/machine.slice/libpod-conmon-A.scope", &[]),
        ("/libpod_parent/conmon", &[]),
        // Kubernetes.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-A.scope",
            &[(Runtime::Containerd, A)],
        ),
        ("/kubepods.slice/kubepods-pod1.slice/crio-A.scope", &[(Runtime::CriO, A)]),
        ("/kubepods.slice/kubepods-pod1.slice/crio-conmon-A.scope", &[]),
        ("/kubepods.slice/kubepods-pod1.slice/docker-A.scope", &[(Runtime::Docker, A)]),
        ("/kubepods/besteffort/pod6d3f9f6b-0001/A", &[(Runtime::Unknown, A)]),
        (
            "/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:A",
            &[(Runtime::Containerd, A)],
        ),
        ("/k8s.io/A", &[(Runtime::Containerd, A)]),
        ("/system.slice/nerdctl-A.scope", &[(Runtime::Containerd, A)]),
        ("/ecs/0123abcd/A", &[(Runtime::Unknown, A)]),
        // An engine inside of a container: the innermost comes first.
        ("/docker/A/docker/B", &[(Runtime::Docker, B), (Runtime::Docker, A)]),
        (
            "/system.slice/docker-A.scope/kubelet.slice/kubepods.slice/cri-containerd-B.scope",
            &[(Runtime::Containerd, B), (Runtime::Docker, A)],
        ),
        // LXC, LXD, Proxmox, libvirt.
        ("/lxc.payload.web", &[(Runtime::Lxc, "web")]),
        ("/lxc.payload.web/system.slice/ssh.service", &[(Runtime::Lxc, "web")]),
        ("/lxc.monitor.web", &[]),
        ("/lxc/101/ns/init.scope", &[(Runtime::Lxc, "101")]),
        ("/machine.slice/machine-lxc\\x2d2921\\x2dweb\\x2dserver.scope", &[(Runtime::Lxc, "web-server")]),
        // systemd-nspawn; and a virtual machine, which is none.
        ("/machine.slice/systemd-nspawn@web.service/payload/init.scope", &[(Runtime::Nspawn, "web")]),
        ("/machine.slice/systemd-nspawn@web\\x2dserver.service", &[(Runtime::Nspawn, "web-server")]),
        ("/machine.slice/systemd-nspawn@web.service/supervisor", &[]),
        ("/machine.slice/machine-web\\x2dserver.scope", &[(Runtime::Nspawn, "web-server")]),
        ("/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", &[]),
        // No container.
        ("/", &[]),
        ("", &[]),
        ("/init.scope", &[]),
        ("/system.slice/docker.service", &[]),
        ("/user.slice/user-1000.slice/session-3.scope", &[]),
        ("/docker/0a1b2c3d4e5f", &[]),
        ("/docker/Ag", &[]),
        // Nonsense.
        ("/machine-\\x2.scope/machine-\\xzz.scope/\\", &[(Runtime::Nspawn, "\\xzz"), (Runtime::Nspawn, "\\x2")]),
        ("/docker/\u{e9}A", &[]),
    ];

    #[test]
    fn every_engine_and_cgroup_driver_is_recognised_by_its_paths() {
        for (path, expected) in PATHS {
            let path = path.replace('A', A).replace('B', B);
            let found = members(&path);
            let short: Vec<(Runtime, &str)> = found.iter().map(|member| (member.runtime, member.id.as_ref())).collect();
            assert_eq!(short, *expected, "{path}");
            assert!(found.iter().all(|member| path.starts_with(member.path)), "{path}");
        }
    }

    #[test]
    fn the_path_of_a_container_ends_with_it() {
        let path = format!("/docker/{A}/docker/{B}/init.scope");
        let found: Vec<String> = members(&path).iter().map(|member| member.path.to_owned()).collect();
        assert_eq!(found, [format!("/docker/{A}/docker/{B}"), format!("/docker/{A}")]);
    }
}
