//! The programs that run in the kernel: loaded, attached, and read.
//!
//! Links and maps are file descriptors of this process and nothing is pinned: when it ends, however it ends, they go too.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use aya::maps::{Array, MapData, RingBuf};
use aya::programs::{CgroupAttachMode, Program, ProgramError};
use aya::{Btf, Ebpf};

use super::event::Event;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/attribution.bpf.o"));

/// What kernels before 6.3 lack. Without them it is the process that listens that is known of a connection, and not one
/// that it gave the connection to.
const OPTIONAL: [&str; 2] = ["sock_send_length", "sock_recv_length"];

/// The first process namespace of a kernel, `PROC_PID_INIT_INO`.
const FIRST_PROCESS_NAMESPACE: &str = "pid:[4026531836]";

/// The programs, attached for as long as this lives.
pub(super) struct Hook {
    events: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    /// Holds the links.
    _programs: Ebpf,
}

/// Why there can be no hook.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("this process has a process namespace of its own")]
    ProcessNamespace,
    #[error("the kernel has no BTF ({0})")]
    Btf(aya::BtfError),
    #[error("no cgroup v2 file system is mounted")]
    Cgroup,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{}", innermost(.0))]
    Object(#[from] aya::EbpfError),
    #[error("{program}: {}", innermost(.cause))]
    Program { program: String, cause: ProgramError },
    #[error("{0}")]
    Map(#[from] aya::maps::MapError),
    #[error("the compiled program lacks {0}")]
    Missing(&'static str),
}

/// Errors of aya repeat what they are made of, or hide it.
fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map_or_else(String::new, ToString::to_string)
}

impl Hook {
    /// Loads and attaches.
    ///
    /// # Errors
    ///
    /// Why it cannot be; nothing is left attached then.
    pub(super) fn attach() -> Result<Self, HookError> {
        // The kernel tells process numbers of the first one.
        if std::fs::read_link("/proc/self/ns/pid")?.as_os_str() != FIRST_PROCESS_NAMESPACE {
            return Err(HookError::ProcessNamespace);
        }
        let cgroup = File::open(cgroup_root().ok_or(HookError::Cgroup)?)?;
        let btf = Btf::from_sys_fs().map_err(HookError::Btf)?;
        let mut programs = aya::EbpfLoader::new().btf(Some(&btf)).allow_unsupported_maps().load(OBJECT)?;
        for (name, program) in programs.programs_mut() {
            if let Err(cause) = attach(program, name, &btf, &cgroup)
                && !OPTIONAL.contains(&name)
            {
                return Err(HookError::Program { program: name.to_owned(), cause });
            }
        }
        let events = RingBuf::try_from(programs.take_map("events").ok_or(HookError::Missing("events"))?)?;
        let lost = Array::try_from(programs.take_map("lost").ok_or(HookError::Missing("lost"))?)?;
        Ok(Self { events, lost, _programs: programs })
    }

    /// Hands on what happened since the last time, without waiting.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Event)) {
        while let Some(bytes) = self.events.next() {
            // Whatever is in there was written by the program above.
            if let Some(event) = Event::parse(&bytes) {
                take(event);
            }
        }
    }

    /// How many events did not fit since it was attached.
    pub(super) fn lost(&self) -> u64 {
        self.lost.get(&0, 0).unwrap_or_default()
    }
}

fn attach(program: &mut Program, name: &str, btf: &Btf, cgroup: &File) -> Result<(), ProgramError> {
    // A link adds to what others have attached there, whatever the mode.
    let mode = CgroupAttachMode::Single;
    match program {
        Program::BtfTracePoint(program) => {
            program.load(name, btf)?;
            program.attach().map(drop)
        }
        Program::SockOps(program) => {
            program.load()?;
            program.attach(cgroup, mode).map(drop)
        }
        Program::CgroupSock(program) => {
            program.load()?;
            program.attach(cgroup, mode).map(drop)
        }
        Program::CgroupSockAddr(program) => {
            program.load()?;
            program.attach(cgroup, mode).map(drop)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Where the version 2 of cgroups is mounted: `/sys/fs/cgroup`, or below it beside version 1.
fn cgroup_root() -> Option<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo()).ok()?;
    mounts.into_iter().find(|mount| mount.fs_type == "cgroup2").map(|mount| mount.mount_point)
}
