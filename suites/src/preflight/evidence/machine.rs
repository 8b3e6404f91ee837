//! The machine that creates a cluster, or on which its nodes run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::Observation;

/// This machine. Memory and disks are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineEvidence {
    /// The kernel's boot id: nodes with the same one run on this kernel.
    pub boot_id: Observation<String>,
    /// The answer of the container engine.
    pub engine: Observation<EngineAnswer>,
    /// The kernel and its netfilter.
    pub kernel: Observation<Kernel>,
    /// Memory.
    pub memory: Observation<Memory>,
    /// The disk on which the engine keeps its data, where that is a disk of this machine.
    pub engine_disk: Observation<Disk>,
    /// The disk of the cache.
    pub cache_disk: Observation<Disk>,
    /// The kernel's limits on watching files.
    pub inotify: Observation<Inotify>,
    /// Limits on open files.
    pub open_files: Observation<OpenFiles>,
    /// The control groups that the kernel offers.
    pub cgroups: Observation<Cgroups>,
    /// The engine's network `kind`; absent where it does not exist yet.
    pub network: Observation<KindNetwork>,
    /// The proxy variables of the environment.
    pub proxies: Observation<Proxies>,
    /// The nodes of all clusters of kind, running or not.
    pub kind_nodes: Observation<Vec<KindNode>>,
    /// The clusters of killed meshcheck runs.
    pub leftovers: Observation<Vec<String>>,
}

/// The answer of the container engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum EngineAnswer {
    /// It answers.
    Answers(Engine),
    /// It denies access to this user.
    Refuses {
        /// The message of `docker`.
        words: String,
    },
    /// It does not answer.
    Silent {
        /// The message of `docker`.
        words: String,
    },
    /// There is no program `docker`.
    NoProgram,
}

/// A container engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Its version: `28.2.2`.
    pub version: String,
    /// The kernel that it runs on.
    pub kernel: String,
    /// `linux`
    pub os: String,
    /// The number of its CPUs.
    pub cpus: u64,
    /// Its memory, which may be that of a virtual machine.
    pub memory_bytes: u64,
    /// `1` or `2`
    pub cgroup_version: String,
    /// Whether it runs without root.
    pub rootless: bool,
    /// The cgroup controllers that it lacks: of a rootless engine, those that systemd does not delegate to its user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks_controllers: Vec<String>,
    /// Its data directory.
    pub root_dir: String,
}

/// The kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `6.1.0-18-amd64`
    pub release: String,
    /// Whether this user has root's rights: only then the kernel itself refused a rule.
    pub as_root: bool,
    /// Rules like those of `istio-init`, tried in a temporary network namespace.
    pub tries: Observation<Vec<RuleTry>>,
    /// The state of the netfilter modules that the rules need, by name.
    pub modules: Observation<BTreeMap<String, Module>>,
}

/// One program with which the rules were tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTry {
    /// `iptables-nft-restore`
    pub program: String,
    /// Whether it accepted them.
    pub taken: bool,
    /// Its error, where it did not.
    pub words: String,
}

/// The state of a kernel module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// Built into the kernel.
    BuiltIn,
    /// Loaded.
    Loaded,
    /// Not loaded, but on disk: the kernel loads it when needed.
    Loadable,
    /// Not found.
    Missing,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The total.
    pub total: u64,
    /// What is available without swapping.
    pub available: u64,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The directory that was checked.
    pub path: String,
    /// Its device number: two directories may be on one device.
    pub device: u64,
    /// The free space, in bytes.
    pub free: u64,
}

/// The kernel's limits on watching files, for each user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inotify {
    /// `fs.inotify.max_user_instances`
    pub instances: u64,
    /// `fs.inotify.max_user_watches`
    pub watches: u64,
    /// The instances that root has now; only root can count them.
    pub used: Option<u64>,
}

/// Limits on open files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFiles {
    /// How many this program may open.
    pub ours: u64,
    /// How many files are open on the machine.
    pub open: u64,
    /// How many files may be open on the machine.
    pub all: u64,
}

/// Control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    /// The controllers of the unified hierarchy (version 2), or of the older ones.
    pub controllers: Vec<String>,
}

/// The docker network of all kind clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindNetwork {
    /// Its ranges.
    pub ranges: Vec<String>,
    /// The number of containers with an address in it.
    pub containers: usize,
}

/// The proxy variables of the environment. Their values are not kept: they may hold passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// The names of the variables that are set.
    pub variables: Vec<String>,
    /// The addresses that the tutorial uses, and whether requests to them go through a proxy.
    pub ways: Vec<Way>,
}

/// An address that the tutorial's `curl` uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The address.
    pub address: String,
    /// The entry for `NO_PROXY`: the address, or its range.
    pub exception: String,
    /// Whether requests to it go through a proxy.
    pub through_proxy: bool,
}

/// A node of a kind cluster, which is a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindNode {
    /// The container's name.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// `running`, `exited`, `paused`, …
    pub state: String,
    /// `Exited (137) 2 hours ago`
    pub words: String,
}
