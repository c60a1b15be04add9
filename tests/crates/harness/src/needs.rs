//! What a test needs of the machine it runs on, and whether that is there.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{env, fs};

/// Something that not every machine has. A test that needs it is ignored where it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// To run as root.
    Root,
    /// `strace`, and the right to trace.
    Strace,
    /// `host-local`, the reference IPAM plugin.
    HostLocal,
    /// containerd, the standard CNI plugins and whatever else `tests/runtime/setup` installs.
    Containerd,
    /// The Debian package ([`debian_package`]), a Debian to install it in, and whatever else `tests/package/setup` makes.
    DebianPackage,
    /// `valgrind`.
    Valgrind,
    /// The plugin as users get it: [`release_binary`].
    ReleaseBinary,
    /// The plugin without libraries: [`static_binary`].
    StaticBinary,
    /// What `tests/image/setup` installs.
    KubernetesSchemas,
    /// `buildah`, which makes images without a daemon.
    Buildah,
    /// To make network namespaces and to join them.
    NetworkNamespaces,
    /// `nft`, and a kernel that filters the frames of a link with it.
    Nftables,
    /// `ptp` and `portmap`, as Debian installs them.
    StandardPlugins,
    /// To mount something that one process alone sees.
    MountNamespaces,
    /// `promtool`, which checks and tests rules of Prometheus.
    Promtool,
    /// journald, to be run by the test, and `journalctl`.
    Journald,
    /// A kernel that makes `ipvlan` interfaces.
    Ipvlan,
    /// `mandoc` and `man`, which judge man pages.
    ManPages,
    /// `bash`.
    Bash,
    /// `zsh`.
    Zsh,
    /// `fish`.
    Fish,
    /// What no machine has.
    #[cfg(test)]
    Unicorn,
    /// Likewise, and nobody can install it.
    #[cfg(test)]
    UnicornInTheKernel,
}

/// Where Debian installs the standard CNI plugins.
pub const STANDARD_PLUGINS: &str = "/usr/lib/cni";

/// The reference IPAM plugin, as Debian installs it.
pub const HOST_LOCAL: &str = "/usr/lib/cni/host-local";

/// journald, as systemd installs it.
pub const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// The programs that `tests/runtime/setup` installs.
const RUNTIME_PROGRAMS: [&str; 7] = ["containerd", "ctr", "runc", "ip", "iptables", "unshare", "nsenter"];

impl Need {
    /// Whether it can be installed. What only the kernel has cannot be required of a machine.
    pub(crate) fn can_be_installed(self) -> bool {
        match self {
            Self::Ipvlan => false,
            Self::Root
            | Self::Strace
            | Self::HostLocal
            | Self::Containerd
            | Self::DebianPackage
            | Self::Valgrind
            | Self::ReleaseBinary
            | Self::StaticBinary
            | Self::KubernetesSchemas
            | Self::Buildah
            | Self::NetworkNamespaces
            | Self::Nftables
            | Self::StandardPlugins
            | Self::MountNamespaces
            | Self::Promtool
            | Self::ManPages
            | Self::Bash
            | Self::Zsh
            | Self::Fish
            | Self::Journald => true,
            #[cfg(test)]
            Self::Unicorn => true,
            #[cfg(test)]
            Self::UnicornInTheKernel => false,
        }
    }

    /// Why this is missing here; `None` where it is not. It is looked for once per process.
    ///
    /// # Panics
    /// When another thread has panicked while it looked.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn missing(self) -> Option<String> {
        static FOUND: Mutex<Option<HashMap<Need, Option<String>>>> = Mutex::new(None);
        let mut found = FOUND.lock().expect("nobody has panicked while looking");
        found.get_or_insert_default().entry(self).or_insert_with(|| self.look()).clone()
    }

    fn look(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "needs root".to_owned()),
            Self::Strace => why_no_strace(),
            Self::HostLocal => absent([HOST_LOCAL.into()], "Debian: containernetworking-plugins"),
            Self::Containerd => {
                let files = [python(), libcni(), pause_image(), Path::new(STANDARD_PLUGINS).join("ptp")];
                let programs = RUNTIME_PROGRAMS.map(find_program);
                absent(files.into_iter().chain(programs), "tests/runtime/setup installs it")
            }
            Self::DebianPackage => {
                let Some(package) = debian_package() else {
                    return Some("needs the Debian package: name it in DEBIAN_PACKAGE".to_owned());
                };
                absent([debian(), package, find_program("lintian")], "tests/package/setup makes it")
            }
            Self::Valgrind => why_no_valgrind(),
            Self::ReleaseBinary => why_no_release_binary(),
            Self::StaticBinary => why_no_static_binary(),
            Self::KubernetesSchemas => absent([kubernetes_validate()], "tests/image/setup installs it"),
            Self::Buildah => absent([find_program("buildah")], "Debian: buildah"),
            Self::NetworkNamespaces => why_no_namespaces(),
            Self::Nftables => why_no_nftables(),
            Self::StandardPlugins => {
                let plugins = ["ptp", "portmap"].map(|name| Path::new(STANDARD_PLUGINS).join(name));
                let iptables = find_program("iptables");
                absent(plugins.into_iter().chain([iptables]), "Debian: containernetworking-plugins, iptables")
            }
            Self::MountNamespaces => why_no_mounts(),
            Self::Promtool => absent([find_program("promtool")], "Debian: prometheus"),
            Self::Journald => absent([JOURNALD.into(), find_program("journalctl")], "Debian: systemd"),
            Self::Ipvlan => why_no_link("ipvlan"),
            Self::ManPages => absent(["mandoc", "man"].map(find_program), "Debian: mandoc, man-db"),
            Self::Bash => absent([find_program("bash")], "Debian: bash"),
            Self::Zsh => absent([find_program("zsh")], "Debian: zsh"),
            Self::Fish => absent([find_program("fish")], "Debian: fish"),
            #[cfg(test)]
            Self::Unicorn | Self::UnicornInTheKernel => Some("needs a unicorn".to_owned()),
        }
    }
}

/// What of `paths` is missing, and where it comes from.
fn absent(paths: impl IntoIterator<Item = PathBuf>, source: &str) -> Option<String> {
    let absent = paths.into_iter().filter(|path| !path.exists());
    let short = |path: PathBuf| path.strip_prefix(repository()).unwrap_or(&path).display().to_string();
    let absent: Vec<_> = absent.map(short).collect();
    (!absent.is_empty()).then(|| format!("needs {}; {source}", absent.join(", ")))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Tries all that the tests do with `strace`.
fn why_no_strace() -> Option<String> {
    let arguments = ["-f", "--seccomp-bpf", "-e", "trace=none", "-e", "inject=getppid:error=EIO", "true"];
    let mut command = Command::new("strace");
    match command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
            Some(format!("needs to trace processes: {why}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Some("needs strace; Debian: strace".to_owned()),
        Err(error) => Some(format!("needs strace: {error}")),
    }
}

/// Runs a program under it, because it does not know every processor and every C library.
fn why_no_valgrind() -> Option<String> {
    let mut command = Command::new("valgrind");
    match command
        .args(["--quiet", "--tool=none", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
    {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
            Some(format!("needs valgrind to work: {why}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Some("needs valgrind; Debian: valgrind".to_owned())
        }
        Err(error) => Some(format!("needs valgrind: {error}")),
    }
}

fn why_no_release_binary() -> Option<String> {
    match release_binary() {
        Some(path) if path.is_file() => None,
        Some(path) => {
            Some(format!("needs a release binary; BUDGETS_BINARY names {}, which is no file", path.display()))
        }
        None => Some("needs a release binary; BUDGETS_BINARY has its path".to_owned()),
    }
}

fn why_no_static_binary() -> Option<String> {
    match static_binary() {
        Some(path) if path.is_file() => None,
        Some(path) => {
            Some(format!("needs a static binary; IMAGE_BINARY names {}, which is no file", path.display()))
        }
        None => Some("needs a static binary; IMAGE_BINARY has its path".to_owned()),
    }
}

/// Tries to join one with another.
fn why_no_namespaces() -> Option<String> {
    let script =
        "ip link add one type veth peer name other netns $PPID && nsenter --net=/proc/self/ns/net true";
    let mut command = Command::new("unshare");
    command.args(["--net", "unshare", "--net", "--fork", "sh", "-c", script]);
    let possible = command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    (!possible).then(|| "needs root, unshare, nsenter and ip, to make network namespaces".to_owned())
}

/// Tries to drop what comes in by one link.
fn why_no_nftables() -> Option<String> {
    let script = "ip link add one type veth peer name other && \
                  nft 'table netdev t { chain c { type filter hook ingress device one priority 0; drop; }; }'";
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
    let possible = command.status().is_ok_and(|status| status.success());
    (!possible).then(|| "needs root, nft and its netdev family; Debian: nftables".to_owned())
}

/// Tries to hide a file of the kernel behind another.
fn why_no_mounts() -> Option<String> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "mount", "--bind", "/dev/null", "/proc/uptime"]);
    let possible = command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    (!possible).then(|| "needs root, unshare and mount, to mount files over the kernel's".to_owned())
}

/// Tries to make such an interface, on top of another one.
fn why_no_link(kind: &str) -> Option<String> {
    let script = format!("ip link add eth0 type veth && ip link add link eth0 name eth1 type {kind}");
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null());
    let possible = command.status().is_ok_and(|status| status.success());
    (!possible).then(|| format!("needs a kernel that makes {kind} interfaces"))
}

/// The program's path, or its bare name where PATH does not have it.
fn find_program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    let this = Path::new(env!("CARGO_MANIFEST_DIR"));
    this.ancestors().nth(3).unwrap_or(this)
}

/// Python of the virtual environment that `tests/runtime/setup` makes; `RUNTIME_VENV` names one elsewhere.
#[must_use]
pub fn python() -> PathBuf {
    let default = || repository().join("target/runtime-venv");
    env::var_os("RUNTIME_VENV").map_or_else(default, PathBuf::from).join("bin/python3")
}

/// The file that a variable names, by its path from the repository or from the root.
pub(crate) fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(|path| repository().join(path))
}

/// The plugin's release binary: its path is in `BUDGETS_BINARY`.
#[must_use]
pub fn release_binary() -> Option<PathBuf> {
    named_by("BUDGETS_BINARY")
}

/// The plugin built for a musl target, which needs no libraries: its path is in `IMAGE_BINARY`.
#[must_use]
pub fn static_binary() -> Option<PathBuf> {
    named_by("IMAGE_BINARY")
}

/// What judges Kubernetes manifests, in the virtual environment that `tests/image/setup` makes.
#[must_use]
pub fn kubernetes_validate() -> PathBuf {
    repository().join("target/image-venv/bin/kubernetes-validate")
}

/// The caller of libcni that `tests/runtime/setup` builds.
#[must_use]
pub fn libcni() -> PathBuf {
    repository().join("target/runtime/libcni")
}

/// The Debian that `tests/package/setup` makes.
#[must_use]
pub fn debian() -> PathBuf {
    repository().join("target/chroot/debian.tar")
}

/// The Debian package for this machine: its path is in `DEBIAN_PACKAGE`.
#[must_use]
pub fn debian_package() -> Option<PathBuf> {
    named_by("DEBIAN_PACKAGE")
}

/// The container image that `tests/runtime/setup` builds.
#[must_use]
pub fn pause_image() -> PathBuf {
    repository().join("target/runtime/pause.tar")
}
