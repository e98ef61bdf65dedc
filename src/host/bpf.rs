//! Programs that run in the kernel: loaded and attached.
//!
//! Links and maps are file descriptors of this process: when it ends, however it ends, they go too, unless whoever has
//! them pins them.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError, SkLookup};
use aya::{Btf, Ebpf};

/// The first process namespace of a kernel, `PROC_PID_INIT_INO`.
const FIRST_PROCESS_NAMESPACE: &str = "pid:[4026531836]";

/// Why there can be no programs in the kernel.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The kernel tells process numbers of the first namespace.
    #[error("this process has a process namespace of its own")]
    ProcessNamespace,
    /// Where the fields of its structures are is not known.
    #[error("the kernel has no BTF ({0})")]
    Btf(aya::BtfError),
    /// Programs for sockets are attached there.
    #[error("no cgroup v2 file system is mounted")]
    Cgroup,
    /// `/proc` or `/sys` cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The object cannot be loaded.
    #[error("{}", innermost(.0))]
    Object(#[from] aya::EbpfError),
    /// A program cannot be loaded or attached.
    #[error("{program}: {}", innermost(.cause))]
    Program {
        /// Its name.
        program: String,
        /// Why not.
        cause: ProgramError,
    },
    /// A map cannot be used.
    #[error("{0}")]
    Map(#[from] aya::maps::MapError),
    /// The object is not the one that was expected.
    #[error("the compiled program lacks {0}")]
    Missing(&'static str),
}

/// Whether this process is in the first process namespace, in which every process has a number.
pub(crate) fn sees_all_process_numbers() -> io::Result<bool> {
    Ok(std::fs::read_link("/proc/self/ns/pid")?.as_os_str() == FIRST_PROCESS_NAMESPACE)
}

/// Errors of aya repeat what they are made of, or hide it.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map_or_else(String::new, ToString::to_string)
}

/// Loads the programs of an object and attaches all of them, those for sockets at the root of control groups. `optional`
/// names those that some kernels lack.
///
/// # Errors
///
/// Why it cannot be; nothing is left attached then.
pub(crate) fn attach(object: &[u8], optional: &[&str]) -> Result<Ebpf, BpfError> {
    if !sees_all_process_numbers()? {
        return Err(BpfError::ProcessNamespace);
    }
    let cgroup = File::open(cgroup_root().ok_or(BpfError::Cgroup)?)?;
    let btf = Btf::from_sys_fs().map_err(BpfError::Btf)?;
    let mut programs = aya::EbpfLoader::new().btf(Some(&btf)).allow_unsupported_maps().load(object)?;
    for (name, program) in programs.programs_mut() {
        if let Err(cause) = attach_one(program, name, &btf, &cgroup)
            && !optional.contains(&name)
        {
            return Err(BpfError::Program { program: name.to_owned(), cause });
        }
    }
    Ok(programs)
}

fn attach_one(program: &mut Program, name: &str, btf: &Btf, cgroup: &File) -> Result<(), ProgramError> {
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
        Program::CgroupSkb(program) => {
            let direction =
                if name == "packet_in" { CgroupSkbAttachType::Ingress } else { CgroupSkbAttachType::Egress };
            program.load()?;
            program.attach(cgroup, direction, mode).map(drop)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// A program that chooses the sockets of a network namespace, attached for as long as its link is open or pinned.
pub(crate) struct Lookup {
    pub(crate) programs: Ebpf,
    pub(crate) link: FdLink,
}

/// Loads an object with one program, which chooses sockets (`sk_lookup`), and attaches it to a network namespace.
///
/// # Errors
///
/// Why it cannot be; nothing is left attached then.
pub(crate) fn attach_lookup(object: &[u8], name: &'static str, netns: impl AsFd) -> Result<Lookup, BpfError> {
    let failed = |cause| BpfError::Program { program: name.to_owned(), cause };
    // It reads nothing of the kernel's own structures, so that no BTF of the kernel is needed.
    let mut programs = aya::EbpfLoader::new().btf(None).load(object)?;
    let program = programs.program_mut(name).ok_or(BpfError::Missing(name))?;
    let program: &mut SkLookup = program.try_into().map_err(failed)?;
    program.load().map_err(failed)?;
    let link = program.attach(netns).and_then(|id| program.take_link(id)).map_err(failed)?;
    Ok(Lookup { programs, link: link.into() })
}

/// Where the version 2 of cgroups is mounted: `/sys/fs/cgroup`, or below it beside version 1.
fn cgroup_root() -> Option<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo()).ok()?;
    mounts.into_iter().find(|mount| mount.fs_type == "cgroup2").map(|mount| mount.mount_point)
}

/// The rest of a structure that such a program wrote, in the byte order of this machine.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }
}

/// `AF_INET6` of Linux.
const INTERNET_6: u8 = 10;

/// An address as such a program writes it: IPv4 in the first four bytes.
pub(crate) fn address(family: u8, bytes: [u8; 16]) -> IpAddr {
    match bytes {
        bytes if family == INTERNET_6 => IpAddr::from(bytes).to_canonical(),
        [a, b, c, d, ..] => [a, b, c, d].into(),
    }
}
