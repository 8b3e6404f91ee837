//! Steps on the machine that runs the cluster: docker, the kernel, its limits, the software.

use super::{Impact, Purpose, Step};
use crate::evidence::{Evidence, Provider, Subject};
use crate::hint::quote;

/// A command that changes the machine.
fn change(command: impl Into<String>, text: impl Into<String>) -> Step {
    Step::fix(Impact::Changes, command.into(), text)
}

/// A command that only shows something of the machine.
fn show(command: impl Into<String>, text: impl Into<String>) -> Step {
    Step::inspect(command.into(), text)
}

/// Lets this user use the docker engine.
pub(crate) fn join_docker_group() -> Vec<Step> {
    vec![
        change("sudo usermod -aG docker $USER", "lets you, once you have logged in again"),
        change("newgrp docker", "then lets you in one shell at once"),
    ]
}

/// Starts the docker engine.
pub(crate) fn start_docker() -> Vec<Step> {
    let start = "starts it (Docker Desktop: start the application)";
    let which = "shows which engine is asked, unless DOCKER_HOST names it";
    vec![change("sudo systemctl start docker", start), show("docker context ls", which)]
}

/// Installs docker.
pub(crate) fn install_docker() -> Step {
    change(
        "sudo apt-get install docker.io",
        "installs it on Debian and Ubuntu; elsewhere see https://docs.docker.com/engine/install/",
    )
}

/// Makes Docker Desktop run Linux containers.
pub(crate) fn use_linux_containers() -> Step {
    let text = "must say linux: switch Docker Desktop to Linux containers";
    show("docker info --format '{{.OSType}}'", text)
}

/// Installs a newer docker.
pub(crate) fn upgrade_docker() -> Step {
    let text = "brings a newer one: 20.10 is the oldest that is known to do";
    change("sudo apt-get install --only-upgrade docker.io", text)
}

/// Switches the kernel to control groups of version 2.
pub(crate) fn switch_to_cgroup_v2() -> Step {
    let option = "--args=systemd.unified_cgroup_hierarchy=1";
    let text = "brings version 2 with the next reboot; or use an engine that runs as root";
    change(format!("sudo grubby --update-kernel=ALL {option}"), text)
}

/// Shows which control groups the kernel offers.
pub(crate) fn show_cgroup_controllers() -> Step {
    show(
        "cat /sys/fs/cgroup/cgroup.controllers",
        "shows them; a Raspberry Pi, say, needs `cgroup_enable=memory` in its kernel's command line, and a reboot",
    )
}

/// Loads the kernel modules that istio-init's rules need. `more` is added to the text.
pub(crate) fn load_modules(more: &str) -> Step {
    let keep = "the same names in /etc/modules-load.d/istio.conf, one a line, keep it so";
    change(
        "sudo modprobe -a iptable_nat xt_REDIRECT xt_owner xt_conntrack",
        format!("loads what is needed; {keep}{more}"),
    )
}

/// Shows how many processors the engine has.
pub(crate) fn show_engine_processors() -> Step {
    show(
        "docker info --format '{{.NCPU}}'",
        "shows what the engine has: give its virtual machine at least 2 (Docker Desktop: Settings, Resources)",
    )
}

/// Shows how much memory the engine has.
pub(crate) fn show_engine_memory() -> Step {
    show(
        "docker info --format '{{.MemTotal}}'",
        "shows what the engine has: give its virtual machine at least 4 GiB (Docker Desktop: Settings, Resources)",
    )
}

/// Shows who takes this machine's memory.
pub(crate) fn show_memory_users() -> Step {
    show("ps aux --sort=-rss | head", "shows who takes it")
}

/// Frees room on a disk; that of the cache can also be another one.
pub(crate) fn free_disk(is_cache: bool) -> Vec<Step> {
    let other = Step::advice(Purpose::Fix, "MESHCHECK_CACHE names another place");
    let mut steps: Vec<_> = is_cache.then_some(other).into_iter().collect();
    steps.push(show("docker system df", "shows what docker keeps"));
    steps.push(change("docker image prune", "removes the images that have no name any more"));
    steps
}

/// Raises the limits on watching files.
pub(crate) fn raise_inotify_limits() -> Step {
    change(
        "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288",
        "raises them; the same two lines in /etc/sysctl.d/kind.conf keep it so",
    )
}

/// Raises the limit on open files of this shell.
pub(crate) fn raise_open_files_of_shell() -> Step {
    change("ulimit -n 1024", "raises it in this shell")
}

/// Raises the limit on open files of the machine.
pub(crate) fn raise_open_files(limit: u64) -> Step {
    change(format!("sudo sysctl fs.file-max={limit}"), "raises it")
}

/// Makes kind's network anew, or larger.
pub(crate) fn renew_kind_network() -> Vec<Step> {
    let remove = "removes it where no cluster uses it, and kind makes a new one";
    let larger = "docker network create kind --subnet 172.30.0.0/16";
    vec![
        Step::fix(Impact::Deletes, "docker network rm kind".into(), remove),
        change(larger, "makes a larger one"),
    ]
}

/// Excepts addresses from the proxy in this shell.
pub(crate) fn except_from_proxy(addresses: &[String]) -> Step {
    let addresses = quote(&addresses.join(","));
    let add = |name: &str| format!("{name}=\"${{{name}:+${name},}}\"{addresses}");
    change(format!("export {} {}", add("NO_PROXY"), add("no_proxy")), "excepts it")
}

/// Starts the stopped nodes of a kind cluster, or removes the cluster.
pub(crate) fn wake_kind_cluster(cluster: &str, nodes: &[&str], paused: bool) -> Vec<Step> {
    let nodes: Vec<_> = nodes.iter().map(|node| quote(node)).collect();
    let verb = if paused { "unpause" } else { "start" };
    let delete = format!("kind delete cluster --name {}", quote(cluster));
    vec![
        change(format!("docker {verb} {}", nodes.join(" ")), "wakes it up"),
        Step::fix(Impact::Deletes, delete, "removes it instead"),
    ]
}

/// Starts the stopped nodes of the kind cluster that was named.
pub(crate) fn start_nodes(nodes: &[String]) -> Step {
    let nodes: Vec<_> = nodes.iter().map(|node| quote(node)).collect();
    change(format!("docker start {}", nodes.join(" ")), "starts its node again")
}

/// Shows which kind clusters are on this machine.
pub(crate) fn list_kind_clusters(cluster: &str) -> Step {
    let cluster = quote(cluster);
    show(
        "kind get clusters",
        format!(
            "shows that {cluster} is not on this machine's docker engine: it was removed, or is another machine's"
        ),
    )
}

/// Removes a cluster that a killed run left.
pub(crate) fn remove_leftover(cluster: &str) -> Step {
    let command = format!("meshcheck down --name {}", quote(cluster));
    Step::fix(Impact::Deletes, command, "removes it, and so does the next run")
}

/// Gets the software; `more` is advice of its source.
pub(crate) fn get_bundle(text: &str, more: &str) -> Vec<Step> {
    let mut steps = vec![change("meshcheck bundle", text)];
    if !more.is_empty() {
        steps.push(Step::advice(Purpose::Fix, more));
    }
    steps
}

/// Gets programs that run on this machine, or shows why they do not.
pub(crate) fn get_programs() -> Vec<Step> {
    let noexec = "in the bundle's directory shows whether its disk is mounted noexec";
    vec![
        change("meshcheck bundle", "gets programs for this machine"),
        show("findmnt -o TARGET,OPTIONS --target .", noexec),
    ]
}

/// Has the clocks kept right.
pub(crate) fn keep_time() -> Vec<Step> {
    let keep = "has it kept: certificates and tokens fail otherwise";
    vec![
        show("timedatectl", "shows on each machine whether its clock is kept right"),
        change("sudo timedatectl set-ntp true", keep),
    ]
}

/// Checks from where the cluster's network can be reached.
pub(crate) fn check_there(evidence: &Evidence) -> Step {
    let Subject { active, provider, .. } = evidence.subject;
    let is_asked = active && provider == Provider::Existing;
    let active: &[&str] = if is_asked { &["--active"] } else { &[] };
    show(
        evidence.meshcheck("check", active),
        "on the machine that runs the cluster, or in its network, asks the address from there",
    )
}

/// Looks up a name in DNS.
pub(crate) fn look_up(name: &str, text: &str) -> Step {
    show(format!("dig +short {}", quote(name)), text)
}
