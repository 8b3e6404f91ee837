//! The machine that makes a cluster, or that the nodes of one run on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::Observation;

/// This machine. Memory and disks are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineEvidence {
    /// The number that the kernel draws when it starts: nodes that report the same one run on this kernel.
    pub boot_id: Observation<String>,
    /// What came of asking the container engine.
    pub engine: Observation<EngineAnswer>,
    /// The kernel, and what it can do to packets.
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
    /// The engine's network `kind`; absent where it is not made yet.
    pub network: Observation<KindNetwork>,
    /// Proxies of the environment.
    pub proxies: Observation<Proxies>,
    /// The nodes of all clusters of kind, running or not.
    pub kind_nodes: Observation<Vec<KindNode>>,
    /// The clusters of ours whose run was killed.
    pub leftovers: Observation<Vec<String>>,
}

/// What came of asking the container engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum EngineAnswer {
    /// It answers.
    Answers(Engine),
    /// It is there, but this user may not talk to it.
    Refuses {
        /// The program's words.
        words: String,
    },
    /// It does not answer.
    Silent {
        /// The program's words.
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
    /// The processors that it has.
    pub cpus: u64,
    /// The memory that it has, which may be that of a virtual machine.
    pub memory_bytes: u64,
    /// `1` or `2`
    pub cgroup_version: String,
    /// Whether it runs without root.
    pub rootless: bool,
    /// Where it keeps its data.
    pub root_dir: String,
}

/// The kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `6.1.0-18-amd64`
    pub release: String,
    /// Whether we may do as root does: only then is a refusal the kernel's own.
    pub as_root: bool,
    /// Rules such as `istio-init` makes, tried in a network namespace of our own.
    pub tries: Observation<Vec<RuleTry>>,
    /// Where the parts of netfilter are that the rules need, by the name of their module.
    pub modules: Observation<BTreeMap<String, Module>>,
}

/// One program that was given the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTry {
    /// `iptables-nft-restore`
    pub program: String,
    /// Whether it took them.
    pub taken: bool,
    /// Its words, where it did not.
    pub words: String,
}

/// Where a part of the kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// In the kernel itself.
    BuiltIn,
    /// Loaded.
    Loaded,
    /// On the disk: the kernel loads it when it is needed.
    Loadable,
    /// Nowhere.
    Missing,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What could be had without swapping.
    pub available: u64,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The directory that was asked for.
    pub path: String,
    /// Its device: two directories may share one.
    pub device: u64,
    /// What is free, in bytes.
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
    /// How many are open on the machine.
    pub open: u64,
    /// How many may be.
    pub all: u64,
}

/// Control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    /// The controllers of the unified hierarchy (version 2), or of the older ones.
    pub controllers: Vec<String>,
}

/// The network that all clusters of kind share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindNetwork {
    /// Its ranges.
    pub ranges: Vec<String>,
    /// How many containers have an address in it.
    pub containers: usize,
}

/// Proxies of the environment. Their values are not kept: they may hold passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// The variables that name one.
    pub variables: Vec<String>,
    /// What the tutorial asks for by address, and whether that would go through a proxy.
    pub ways: Vec<Way>,
}

/// Somewhere that the tutorial's `curl` goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The address.
    pub address: String,
    /// What would except it, for `NO_PROXY`: an address, or the range that it is of.
    pub exception: String,
    /// Whether a proxy is asked for it.
    pub through_proxy: bool,
}

/// A node of a cluster of kind: a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindNode {
    /// The container's name.
    pub name: String,
    /// The cluster's.
    pub cluster: String,
    /// `running`, `exited`, `paused`, …
    pub state: String,
    /// `Exited (137) 2 hours ago`
    pub words: String,
}
