//! What `/proc` tells of containers: the control group and the network namespace of each process.

use std::collections::HashMap;

use procfs::process::Process;

use super::Runtime;
use super::cgroup;
use crate::host::{HostError, Namespace, NamespaceId};

/// The processes of this host, as far as they tell of containers.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// The containers that control groups tell of, by the path of each.
    pub(super) groups: HashMap<String, Group>,
    /// The first process of each namespace that is in no container.
    pub(super) outside: HashMap<NamespaceId, First>,
    /// Namespaces of containers, each held open once: those of a pod share one.
    held: HashMap<NamespaceId, Namespace>,
}

/// The processes of one container.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) runtime: Runtime,
    pub(super) id: String,
    pub(super) first: First,
    /// Whether that seems to be the low-level runtime yet, which is counted to the container before it is in its namespace;
    /// `exe` is what it is called when it runs itself anew.
    pub(super) is_runtime: bool,
    /// None where this user may not look.
    pub(super) namespace: Option<Namespace>,
}

/// A process that began before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct First {
    /// When it began, in clock ticks since boot.
    start: u64,
    pub(super) pid: u32,
}

impl Processes {
    /// Looks at every process. Those that end meanwhile, and those of other users that may not be looked at, are left out.
    pub(super) fn read() -> Self {
        let mut all = Self::default();
        for process in procfs::process::all_processes().into_iter().flatten().flatten() {
            all.add(&process);
        }
        all
    }

    /// The containers by id, with the path of each. Whoever is inside of a container can name groups at will, also after other
    /// containers: of two with one id, the outer one is it.
    pub(super) fn by_id(&self) -> HashMap<&str, (&str, &Group)> {
        let mut by_id: HashMap<&str, (&str, &Group)> = HashMap::new();
        for (path, group) in &self.groups {
            let depth = |path: &str| cgroup::members(path).len();
            let known = by_id.entry(&group.id).or_insert((path, group));
            if depth(path) < depth(known.0) {
                *known = (path, group);
            }
        }
        by_id
    }

    /// Nothing if the process ends meanwhile.
    fn add(&mut self, process: &Process) -> Option<()> {
        let cgroups = process.cgroups().ok()?;
        let stat = process.stat().ok()?;
        let first = First { start: stat.starttime, pid: u32::try_from(process.pid()).ok()? };
        match cgroup::of_process(&cgroups.0).into_iter().next() {
            Some(member) => {
                if self.groups.get(member.path).is_none_or(|known| first < known.first) {
                    let namespace = self.namespace_of(process)?;
                    let is_runtime = matches!(stat.comm.split(':').next(), Some("runc" | "crun" | "exe"));
                    let (runtime, id) = (member.runtime, member.id.into_owned());
                    self.groups.insert(member.path.to_owned(), Group { runtime, id, first, is_runtime, namespace });
                }
            }
            None => {
                let namespace = NamespaceId::of_process(first.pid).ok()?;
                self.outside.entry(namespace).and_modify(|known| *known = first.min(*known)).or_insert(first);
            }
        }
        Some(())
    }

    /// The namespace of a process, which is none if it may not be looked at; nothing if the process ends meanwhile: its
    /// number may be another's by now.
    fn namespace_of(&mut self, process: &Process) -> Option<Option<Namespace>> {
        let pid = u32::try_from(process.pid()).ok()?;
        let known = NamespaceId::of_process(pid).ok().and_then(|id| self.held.get(&id).cloned());
        let namespace = known.map_or_else(|| Namespace::of_process(pid), Ok);
        let lives = process.is_alive();
        match namespace {
            _ if !lives => None,
            Ok(namespace) => {
                self.held.insert(namespace.id(), namespace.clone());
                Some(Some(namespace))
            }
            Err(HostError::Unknown { .. }) => None,
            Err(_) => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_names_a_group_after_another_one_does_not_become_it() {
        let (web, thief) = ("a".repeat(64), "b".repeat(64));
        let paths = [
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{web}.scope"),
            format!("/docker/{thief}/cri-containerd-{web}.scope"),
        ];
        let group = |pid| {
            let first = First { start: 1, pid };
            Group { runtime: Runtime::Containerd, id: web.clone(), first, is_runtime: false, namespace: None }
        };
        let groups = [(paths[0].clone(), group(1)), (paths[1].clone(), group(2))].into();
        let processes = Processes { groups, ..Processes::default() };
        assert_eq!(processes.by_id()[web.as_str()].0, paths[0]);
    }
}
