//! What the child gives up before it opens the model.
//!
//! Called once, in the child, on its only thread; threads started later inherit all of it. Each
//! step that the kernel lacks is reported and not fatal: the report says what held.
//!
//! | step | what it takes away |
//! |---|---|
//! | parent death signal | living on when the gate has died |
//! | no new privileges | set-uid binaries |
//! | resource limits | core files, written files, memory, file handles |
//! | landlock | every file but the model and what the processor library reads; TCP |
//! | seccomp | sockets, new processes and programs, signals to others, changing files, tracing, namespaces |

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use super::Device;

/// Files that the processor and memory libraries may read while a model runs.
const READABLE: [&str; 6] = [
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/status",
    "/proc/self/maps",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
];
/// Open files that the child may have; it needs about ten.
const OPEN_FILES_MAX: u64 = 64;
/// The same with a GPU, whose driver opens its devices many times.
const OPEN_FILES_GPU_MAX: u64 = 4096;

/// Which protections hold in the child.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    pub protections: Vec<Protection>,
}

/// One protection and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    pub name: String,
    pub active: bool,
    /// What it covers, or why it does not hold.
    pub detail: String,
}

impl SandboxReport {
    /// Tells whether every protection holds; false for an empty report.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.protections.is_empty() && self.protections.iter().all(|item| item.active)
    }

    /// Returns the names of the protections that do not hold.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.protections
            .iter()
            .filter(|item| !item.active)
            .map(|item| item.name.as_str())
    }

    fn note<E: std::fmt::Display>(&mut self, name: &str, result: Result<String, E>) {
        let (active, detail) = match result {
            Ok(detail) => (true, detail),
            Err(error) => (false, error.to_string()),
        };
        self.protections.push(Protection {
            name: name.to_owned(),
            active,
            detail,
        });
    }
}

/// Makes the child die with the thread that started it.
///
/// # Errors
/// What the kernel says.
pub fn die_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Restricts the calling thread and all that it will start; cannot be undone.
///
/// For a GPU the driver must have been set up before. It keeps the libraries that are mapped by
/// then readable with their folders, and the device's own files; its memory is not limited, for a
/// driver reserves far more than a model takes.
pub fn restrict(
    model: BorrowedFd<'_>,
    memory_limit_bytes: Option<u64>,
    device: Device,
) -> SandboxReport {
    let on_gpu = device != Device::Cpu;
    let mut report = SandboxReport::default();
    report.note(
        "parent_death_signal",
        die_with_parent().map(|()| "killed with the gate".into()),
    );
    report.note(
        "no_new_privileges",
        rustix::thread::set_no_new_privs(true).map(|()| "set-uid programs gain nothing".into()),
    );
    report.note(
        "resource_limits",
        limit_resources(memory_limit_bytes, on_gpu),
    );
    report.note("landlock", restrict_files(model, on_gpu));
    report.note("seccomp", restrict_system_calls());
    report
}

fn limit_resources(memory_limit_bytes: Option<u64>, on_gpu: bool) -> rustix::io::Result<String> {
    let exactly = |value| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    rustix::process::setrlimit(Resource::Core, exactly(0))?;
    rustix::process::setrlimit(Resource::Fsize, exactly(0))?;
    rustix::process::setrlimit(
        Resource::Nofile,
        exactly(if on_gpu {
            OPEN_FILES_GPU_MAX
        } else {
            OPEN_FILES_MAX
        }),
    )?;
    let Some(bytes) = memory_limit_bytes.filter(|_| !on_gpu) else {
        return Ok("no core, no written bytes, few files; memory unlimited".into());
    };
    // RLIMIT_DATA counts private writable pages, which is what a model takes; RLIMIT_AS would
    // count libtorch's own mapped code and the address space that allocators merely reserve.
    rustix::process::setrlimit(Resource::Data, exactly(bytes))?;
    Ok(format!(
        "no core, no written bytes, 64 files, {} MiB of memory",
        bytes / (1 << 20)
    ))
}

/// Returns the folders of all mapped libraries, and the driver's own, which it reads while it
/// works.
fn readable_of_gpu() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let libraries = maps.lines().filter_map(|line| {
        let path = Path::new(line.get(line.find('/')?..)?);
        let name = path.file_name()?.to_str()?;
        name.contains(".so")
            .then(|| path.parent().map(Path::to_path_buf))?
    });
    let mut folders: Vec<PathBuf> = libraries
        .chain(["/proc/self", "/proc/driver/nvidia"].map(PathBuf::from))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Returns the device files of the NVIDIA driver.
fn devices_of_gpu() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("nvidia"))
        })
        .collect()
}

fn restrict_files(model: BorrowedFd<'_>, on_gpu: bool) -> Result<String, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus, Scope,
    };
    let build = || -> Result<_, landlock::RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .add_rule(PathBeneath::new(model.as_fd(), AccessFs::ReadFile))?;
        for path in READABLE {
            let access = if Path::new(path).is_dir() {
                AccessFs::ReadFile | AccessFs::ReadDir
            } else {
                AccessFs::ReadFile.into()
            };
            if let Ok(path) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, access))?;
            }
        }
        if on_gpu {
            let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
            for path in readable_of_gpu() {
                if let Ok(path) = PathFd::new(path) {
                    ruleset = ruleset.add_rule(PathBeneath::new(path, read))?;
                }
            }
            let use_device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
            for path in devices_of_gpu() {
                let is_file = !path.is_dir();
                if let (true, Ok(path)) = (is_file, PathFd::new(path)) {
                    ruleset = ruleset.add_rule(PathBeneath::new(path, use_device))?;
                }
            }
        }
        ruleset.restrict_self()
    };
    let status = build().map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => {
            Ok("reads the model alone, writes nothing, no TCP, no signals to others".into())
        }
        RulesetStatus::PartiallyEnforced => Ok(
            "reads the model alone, writes nothing; an older kernel leaves the rest to seccomp"
                .into(),
        ),
        RulesetStatus::NotEnforced => Err("the kernel has no landlock".into()),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn restrict_system_calls() -> Result<String, String> {
    Err("not supported on this processor".into())
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn restrict_system_calls() -> Result<String, String> {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule,
    };

    const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;
    let not_a_thread = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(CLONE_THREAD),
        0,
    )
    .and_then(|condition| SeccompRule::new(vec![condition]))
    .map_err(|error| error.to_string())?;

    // A thread may signal its own process, as `abort` does, and no other. Landlock says the same
    // on kernels from 6.12 on.
    let own = u64::from(std::process::id());
    let to_another = |position| {
        SeccompCondition::new(position, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| error.to_string())
    };
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_clone, vec![not_a_thread]);
    for call in [
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ] {
        refused.insert(call, vec![to_another(0)?]);
    }
    // clone3 passes its flags in memory, out of a filter's sight; "no such call" makes the C
    // library fall back to clone.
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    install(absent, SeccompAction::Errno(libc::ENOSYS as u32))?;
    install(refused, SeccompAction::Errno(libc::EPERM as u32))?;
    Ok("no sockets, no processes, no programs, no signals to others, no changes to files, no tracing".into())
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn install(
    rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>>,
    action: seccompiler::SeccompAction,
) -> Result<(), String> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let architecture = std::env::consts::ARCH
        .try_into()
        .map_err(|error: seccompiler::BackendError| error.to_string())?;
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// System calls that answer "not permitted"; clone is refused too, except for threads.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const REFUSED: &[i64] = &[
    // sockets; the one to the gate is open already and used by plain read and write
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // processes and programs
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    // changes to files that landlock does not cover
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
    libc::SYS_lsetxattr,
    libc::SYS_mknodat,
    libc::SYS_memfd_create,
    // the machine
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_reboot,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_personality,
];
