//! Steps on the machine that runs the cluster: docker, the kernel, limits, the software.

use super::{Impact, Purpose, Step};
use crate::hint::{quote, quote_path};

/// Creates a step that changes the machine.
fn change(command: impl Into<String>, text: impl Into<String>) -> Step {
    Step::fix(Impact::Changes, command.into(), text)
}

/// Creates a step that only reads.
fn show(command: impl Into<String>, text: impl Into<String>) -> Step {
    Step::inspect(command.into(), text)
}

/// Adds this user to the group of the docker engine.
pub(crate) fn join_docker_group() -> Vec<Step> {
    vec![
        change(
            "sudo usermod -aG docker $USER",
            "Add yourself to the group docker, then log in again",
        ),
        change("newgrp docker", "Use the group at once, in this shell"),
    ]
}

/// Starts the docker engine.
pub(crate) fn start_docker() -> Vec<Step> {
    let start = "Start the docker engine (Docker Desktop: start the application)";
    let which = "Show the engine that is used where DOCKER_HOST is not set";
    vec![change("sudo systemctl start docker", start), show("docker context ls", which)]
}

/// Installs docker.
pub(crate) fn install_docker() -> Step {
    change(
        "sudo apt-get install docker.io",
        "Install docker on Debian or Ubuntu (other systems: https://docs.docker.com/engine/install/)",
    )
}

/// Switches Docker Desktop to Linux containers.
pub(crate) fn use_linux_containers() -> Step {
    let text =
        "Check that the engine's system is linux, or switch Docker Desktop to Linux containers";
    show("docker info --format '{{.OSType}}'", text)
}

/// Installs a newer docker.
pub(crate) fn upgrade_docker() -> Step {
    let text = "Upgrade docker to 20.10 or later";
    change("sudo apt-get install --only-upgrade docker.io", text)
}

/// Switches the kernel to control groups of version 2.
pub(crate) fn switch_to_cgroup_v2() -> Step {
    let option = "--args=systemd.unified_cgroup_hierarchy=1";
    let text = "Enable cgroup v2 for the next boot, or use an engine that runs as root";
    change(format!("sudo grubby --update-kernel=ALL {option}"), text)
}

/// Lets systemd delegate all controllers to the services of users, which a rootless engine needs.
/// Source: <https://kind.sigs.k8s.io/docs/user/rootless/>.
pub(crate) fn delegate_controllers() -> Step {
    let directory = "/etc/systemd/system/user@.service.d";
    let write =
        format!("printf '[Service]\\nDelegate=yes\\n' | sudo tee {directory}/delegate.conf");
    let command = format!("sudo mkdir -p {directory} && {write} && sudo systemctl daemon-reload");
    change(command, "Delegate all controllers to users, then log out and in again")
}

/// Checks the machine for an older Kubernetes.
pub(crate) fn choose_kubernetes(istio: &str, version: &str) -> Step {
    let (istio, version) = (quote(istio), quote(version));
    let command = format!("meshcheck preflight --istio {istio} --kubernetes {version}");
    let text = "Choose a Kubernetes that runs with cgroup v1, for `run` and `up` too";
    Step::fix(Impact::Reads, command, text)
}

/// Lists the versions that can be installed together.
pub(crate) fn list_versions() -> Step {
    show("meshcheck versions", "List the versions of Istio and Kubernetes that fit together")
}

/// Shows the control groups of the kernel.
pub(crate) fn show_cgroup_controllers() -> Step {
    show(
        "cat /sys/fs/cgroup/cgroup.controllers",
        "Show the control groups; a Raspberry Pi needs `cgroup_enable=memory` in its kernel's command line, and a reboot",
    )
}

/// Loads the kernel modules that istio-init's rules need. `more` is added to the text.
pub(crate) fn load_modules(more: &str) -> Step {
    let keep = "list them in /etc/modules-load.d/istio.conf, one a line, to load them at each boot";
    change(
        "sudo modprobe -a iptable_nat xt_REDIRECT xt_owner xt_conntrack",
        format!("Load the kernel modules, and {keep}{more}"),
    )
}

/// Shows how many processors the engine has.
pub(crate) fn show_engine_processors() -> Step {
    show(
        "docker info --format '{{.NCPU}}'",
        "Show the engine's processors; give its virtual machine at least 2 (Docker Desktop: Settings, Resources)",
    )
}

/// Shows how much memory the engine has.
pub(crate) fn show_engine_memory() -> Step {
    show(
        "docker info --format '{{.MemTotal}}'",
        "Show the engine's memory; give its virtual machine at least 4 GiB (Docker Desktop: Settings, Resources)",
    )
}

/// Lists the processes that use most memory.
pub(crate) fn show_memory_users() -> Step {
    show("ps aux --sort=-rss | head", "List the processes that use most memory")
}

/// Frees disk space of the engine, or moves the cache to another disk: the engine's images are not on the cache's disk.
pub(crate) fn free_disk(is_cache: bool) -> Vec<Step> {
    if is_cache {
        let other = "Set MESHCHECK_CACHE to a directory on another disk, or free space on this one";
        return vec![
            Step::advice(Purpose::Fix, other),
            show("df -h", "Show the free space of all disks"),
        ];
    }
    let prune = "docker image prune".into();
    vec![
        show("docker system df", "Show the disk usage of docker"),
        Step::fix(Impact::Deletes, prune, "Delete the images without a name"),
    ]
}

/// Raises the limits on watching files.
pub(crate) fn raise_inotify_limits() -> Step {
    change(
        "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288",
        "Raise the limits, and write them to /etc/sysctl.d/kind.conf to keep them after a reboot",
    )
}

/// Raises the limit on open files of this shell.
pub(crate) fn raise_open_files_of_shell() -> Step {
    change("ulimit -n 1024", "Raise the limit in this shell")
}

/// Raises the limit on open files of the machine.
pub(crate) fn raise_open_files(limit: u64) -> Step {
    change(format!("sudo sysctl fs.file-max={limit}"), "Raise the limit")
}

/// Deletes kind's network, and creates a larger one.
pub(crate) fn replace_kind_network() -> Vec<Step> {
    let remove = "Delete the network, if no cluster uses it; kind creates a new one";
    let larger = "docker network create kind --subnet 172.30.0.0/16";
    vec![
        Step::fix(Impact::Deletes, "docker network rm kind".into(), remove),
        change(larger, "Create a larger network"),
    ]
}

/// Excludes addresses from the proxy in this shell.
pub(crate) fn except_from_proxy(addresses: &[String]) -> Step {
    let addresses = quote(&addresses.join(","));
    let add = |name: &str| format!("{name}=\"${{{name}:+${name},}}\"{addresses}");
    change(
        format!("export {} {}", add("NO_PROXY"), add("no_proxy")),
        "Exclude the addresses from the proxy, in this shell",
    )
}

/// Starts the stopped nodes of a kind cluster, or deletes the cluster.
pub(crate) fn wake_kind_cluster(cluster: &str, nodes: &[&str], paused: bool) -> Vec<Step> {
    let nodes: Vec<_> = nodes.iter().map(|node| quote(node)).collect();
    let verb = if paused { "unpause" } else { "start" };
    let delete = format!("kind delete cluster --name {}", quote(cluster));
    vec![
        change(format!("docker {verb} {}", nodes.join(" ")), "Start the nodes of the cluster"),
        Step::fix(Impact::Deletes, delete, "Delete the cluster instead"),
    ]
}

/// Starts the stopped nodes of the kind cluster that was named.
pub(crate) fn start_nodes(nodes: &[String]) -> Step {
    let nodes: Vec<_> = nodes.iter().map(|node| quote(node)).collect();
    change(format!("docker start {}", nodes.join(" ")), "Start the nodes of the cluster")
}

/// Lists the kind clusters on this machine.
pub(crate) fn list_kind_clusters(cluster: &str) -> Step {
    let cluster = quote(cluster);
    show(
        "kind get clusters",
        format!(
            "List the kind clusters of this machine: {cluster} was deleted, or is on another machine"
        ),
    )
}

/// Lists the kind clusters on this machine, which share one network.
pub(crate) fn list_neighbour_clusters() -> Step {
    let text = "List the kind clusters of this machine: two of them must not have the same pool";
    show("kind get clusters", text)
}

/// Deletes the clusters that killed runs left.
pub(crate) fn remove_leftovers(clusters: &[String]) -> Step {
    let (command, text) = match clusters {
        [cluster] => {
            let command = format!("meshcheck down --name {}", quote(cluster));
            (command, "Delete the cluster, as the next run does")
        }
        _ => ("meshcheck down --leftovers".to_owned(), "Delete the clusters, as the next run does"),
    };
    Step::fix(Impact::Deletes, command, text)
}

/// Downloads the software; `more` is advice of its source.
pub(crate) fn get_bundle(text: &str, more: &str) -> Vec<Step> {
    let mut steps = vec![change("meshcheck bundle", text)];
    if !more.is_empty() {
        steps.push(Step::advice(Purpose::Fix, more));
    }
    steps
}

/// Checks the machine with a bundle in the cache instead of the expected release.
pub(crate) fn use_bundle(istio: &str, directory: &str) -> Step {
    show(
        format!("meshcheck preflight --bundle {}", quote_path(directory)),
        format!("Check with the cache's bundle of Istio {istio}, which needs no network"),
    )
}

/// Downloads programs for this machine, or shows why they do not run.
pub(crate) fn get_programs() -> Vec<Step> {
    let noexec = "Check, in the bundle's directory, that its disk is not mounted noexec";
    vec![
        change("meshcheck bundle", "Download the programs for this machine"),
        show("findmnt -o TARGET,OPTIONS --target .", noexec),
    ]
}

/// Enables the synchronisation of the clocks.
pub(crate) fn keep_time() -> Vec<Step> {
    let keep = "Enable clock synchronisation, which certificates and tokens need";
    vec![
        show("timedatectl", "Show, on each machine, whether its clock is synchronised"),
        change("sudo timedatectl set-ntp true", keep),
    ]
}

/// Looks up a name in DNS.
pub(crate) fn look_up(name: &str, text: &str) -> Step {
    show(format!("dig +short {}", quote(name)), text)
}
