//! The section *machine*.

use std::collections::BTreeMap;

use super::super::evidence::*;
use super::Case;
use super::cases::cases;
use crate::evidence::Observation;

const GIB: u64 = 1 << 30;

fn of<T>(observation: &mut Observation<T>) -> &mut T {
    observation.value_mut().expect("it is seen where all is ready")
}

fn engine(evidence: &mut PreflightEvidence) -> &mut Engine {
    match of(&mut evidence.machine.engine) {
        EngineAnswer::Answers(engine) => engine,
        other => panic!("{other:?}"),
    }
}

fn answer(evidence: &mut PreflightEvidence, answer: EngineAnswer) {
    evidence.machine.engine = Observation::seen(answer);
}

fn refuses(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::Refuses { words: "permission denied: docker.sock".into() });
}

fn silent(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::Silent { words: "Cannot connect to the Docker daemon".into() });
}

fn no_program(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::NoProgram);
}

fn hangs(evidence: &mut PreflightEvidence) {
    evidence.machine.engine = Observation::failed("`docker info` did not end within 5 s");
}

/// macOS: the engine has a kernel of its own.
fn in_a_virtual_machine(evidence: &mut PreflightEvidence) {
    engine(evidence).kernel = "6.6.12-linuxkit".into();
}

cases! { docker proves "machine::docker_usable":
    ready(|_| {}, Pass, "docker 28.2.2 answers");
    rootless(|e| engine(e).rootless = true, Pass, "without root");
    not_allowed(refuses, Fail, "sudo usermod -aG docker $USER");
    not_running(silent, Fail, "sudo systemctl start docker");
    not_installed(no_program, Fail, "docker is not installed");
    of_windows(|e| engine(e).os = "windows".into(), Fail, "no Linux containers");
    very_old(|e| engine(e).version = "19.03.1".into(), Fail, "too old");
    old_enough(|e| engine(e).version = "20.10.24+dfsg1".into(), Pass, "20.10.24");
    of_no_number(|e| engine(e).version = "dev".into(), Pass, "dev");
    hanging(hangs, Unjudged, "did not end within 5 s");
}

cases! { control_groups proves "machine::cgroups":
    unified(|_| {}, Pass, "version 2");
    older(|e| engine(e).cgroup_version = "1".into(), Pass, "version 1");
    older_without_root(|e| {
        engine(e).cgroup_version = "1".into();
        engine(e).rootless = true;
    }, Fail, "version 2");
    no_memory(|e| of(&mut e.machine.cgroups).controllers.retain(|it| it != "memory"), Fail, "cgroup_enable=memory");
    in_a_vm(|e| { in_a_virtual_machine(e); e.machine.cgroups = Observation::failed("macOS"); }, Pass, "own kernel");
    not_seen(|e| e.machine.cgroups = Observation::failed("no /sys"), Unjudged, "no /sys");
    no_engine(silent, Unjudged, "does not answer");
}

fn kernel(evidence: &mut PreflightEvidence) -> &mut Kernel {
    of(&mut evidence.machine.kernel)
}

fn refused(evidence: &mut PreflightEvidence, as_root: bool) {
    let kernel = kernel(evidence);
    kernel.as_root = as_root;
    kernel.tries = Observation::seen(vec![
        RuleTry { program: "iptables-nft-restore".into(), taken: false, words: "x".into() },
        RuleTry {
            program: "iptables-legacy-restore".into(),
            taken: false,
            words: "can't initialize iptables table `nat': Table does not exist".into(),
        },
    ]);
}

fn not_tried(evidence: &mut PreflightEvidence) {
    let kernel = kernel(evidence);
    kernel.as_root = false;
    kernel.tries = Observation::failed("unshare: Operation not permitted");
}

fn modules(evidence: &mut PreflightEvidence) -> &mut BTreeMap<String, Module> {
    of(&mut kernel(evidence).modules)
}

cases! { redirection proves "machine::kernel_redirects":
    taken(|_| {}, Pass, "iptables-nft-restore takes such rules");
    taken_by_one_of_two(|e| {
        refused(e, true);
        of(&mut kernel(e).tries)[1].taken = true;
    }, Pass, "iptables-legacy-restore takes");
    taken_whatever_the_modules(|e| kernel(e).modules = Observation::failed("none"), Pass, "takes such rules");
    refused_to_root(|e| refused(e, true), Fail, "Table does not exist");
    refused_to_others(|e| refused(e, false), Pass, "the match owner (loaded when needed)");
    loadable(not_tried, Pass, "the table nat (loaded when needed)");
    built_in(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::BuiltIn); }, Pass, "owner (built in)");
    loaded(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Loaded); }, Pass, "owner (loaded)");
    the_newer_tables_do(|e| { not_tried(e); modules(e).insert("iptable_nat".into(), Module::Missing); }, Pass, "the table nat");
    no_owner(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Missing); }, Fail, "the match owner (xt_owner)");
    no_nat(|e| {
        not_tried(e);
        modules(e).insert("iptable_nat".into(), Module::Missing);
        modules(e).insert("nft_chain_nat".into(), Module::Missing);
    }, Fail, "iptable_nat or nft_chain_nat");
    one_table_missing_the_other_unknown(|e| {
        not_tried(e);
        modules(e).insert("iptable_nat".into(), Module::Missing);
        modules(e).remove("nft_chain_nat");
    }, Unjudged, "the table nat");
    owner_unknown(|e| { not_tried(e); modules(e).remove("xt_owner"); }, Unjudged, "sudo meshcheck preflight");
    nothing_known(|e| { not_tried(e); kernel(e).modules = Observation::failed("no /lib/modules"); }, Unjudged, "no /lib/modules");
    nothing_known_says_what_was_tried(|e| { not_tried(e); kernel(e).modules = Observation::failed("no"); }, Unjudged, "Operation not permitted");
    refused_and_nothing_known(|e| { refused(e, false); kernel(e).modules = Observation::absent("no"); }, Unjudged, "Table does not exist");
    no_iptables_and_nothing_known(|e| {
        kernel(e).tries = Observation::seen(vec![]);
        kernel(e).modules = Observation::failed("no");
    }, Unjudged, "iptables is not installed");
    in_a_vm(in_a_virtual_machine, Unjudged, "6.6.12-linuxkit");
    not_seen(|e| e.machine.kernel = Observation::failed("macOS"), Unjudged, "macOS");
    without_an_engine(silent, Pass, "takes such rules");
}

cases! { processors proves "machine::cpus":
    four(|_| {}, Pass, "4 processors");
    two(|e| engine(e).cpus = 2, Pass, "2 processors; the tutorial is quicker");
    one(|e| engine(e).cpus = 1, Fail, "1 processor is too little");
    no_engine(refuses, Unjudged, "does not let this user ask");
    no_docker(no_program, Unjudged, "not installed");
    hanging(hangs, Unjudged, "did not end");
}

cases! { memory proves "machine::memory":
    enough(|_| {}, Pass, "12.0 GiB of 16.0 GiB are available");
    engine_too_small(|e| engine(e).memory_bytes = 2 * GIB, Fail, "2.0 GiB of memory are too little");
    vm_too_small(|e| { in_a_virtual_machine(e); engine(e).memory_bytes = 2 * GIB; }, Fail, "virtual");
    in_a_vm(|e| { in_a_virtual_machine(e); e.machine.memory = Observation::failed("macOS"); }, Pass, "the engine's machine has 16.0 GiB");
    taken_by_others(|e| of(&mut e.machine.memory).available = GIB, Fail, "only 1.0 GiB");
    just_enough(|e| { of(&mut e.machine.memory).available = GIB + GIB / 2; engine(e).memory_bytes = 3 * GIB; }, Pass, "1.5 GiB");
    not_seen(|e| e.machine.memory = Observation::failed("no /proc"), Unjudged, "no /proc");
    no_engine(silent, Unjudged, "does not answer");
}

fn to_download(evidence: &mut PreflightEvidence) {
    evidence.software.source =
        Observation::seen(Supply::WithinReach { places: "github.com".into() });
}

fn two_disks(evidence: &mut PreflightEvidence) {
    of(&mut evidence.machine.cache_disk).device = 2;
}

cases! { disks proves "machine::disk":
    enough(|_| {}, Pass, "40.0 GiB free where /var/lib/docker is");
    full(|e| of(&mut e.machine.engine_disk).free = 3 * GIB, Fail, "3.0 GiB are free where /var/lib/docker is");
    just_enough(|e| of(&mut e.machine.engine_disk).free = 4 * GIB, Pass, "4.0 GiB");
    both_on_one_disk(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 6 * GIB; }, Fail, "8.0 GiB");
    both_on_one_disk_fit(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 8 * GIB; }, Pass, "8.0 GiB");
    cache_full(|e| { to_download(e); two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Fail, "MESHCHECK_CACHE");
    cache_full_and_nothing_to_download(|e| { two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Pass, "free");
    of_another_machine(|e| e.machine.engine_disk = Observation::absent("not here"), Pass, "another machine's");
    of_another_machine_and_cache_full(|e| {
        e.machine.engine_disk = Observation::absent("not here");
        to_download(e);
        of(&mut e.machine.cache_disk).free = GIB;
    }, Fail, "MESHCHECK_CACHE");
    not_seen(|e| e.machine.engine_disk = Observation::failed("permission denied"), Unjudged, "permission denied");
    cache_not_seen(|e| e.machine.cache_disk = Observation::failed("no home"), Unjudged, "no home");
    no_engine(silent, Unjudged, "does not answer");
}

cases! { watching proves "machine::inotify":
    enough(|_| {}, Pass, "512 instances, 30 of them used; 524288 watches");
    the_default_of_linux(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: Some(10) }, Pass, "kind asks for 512");
    not_counted(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: None }, Pass, "128 instances, 65536 watches");
    used_up(|e| of(&mut e.machine.inotify).used = Some(500), Fail, "12 inotify instances are left");
    just_enough(|e| of(&mut e.machine.inotify).used = Some(472), Pass, "472 of them used");
    too_few(|e| *of(&mut e.machine.inotify) = Inotify { instances: 16, watches: 65_536, used: None }, Fail, "sysctl fs.inotify.max_user_instances=512");
    too_few_watches(|e| of(&mut e.machine.inotify).watches = 100, Fail, "100 inotify watches");
    not_seen(|e| e.machine.inotify = Observation::failed("macOS"), Unjudged, "macOS");
}

cases! { files proves "machine::open_files":
    enough(|_| {}, Pass, "1024 for this program, 3000 open");
    shell(|e| of(&mut e.machine.open_files).ours = 64, Fail, "ulimit -n 1024");
    machine(|e| of(&mut e.machine.open_files).all = 4000, Fail, "1000 more files");
    not_seen(|e| e.machine.open_files = Observation::failed("no /proc"), Unjudged, "no /proc");
}

cases! { network proves "machine::network_kind":
    room(|_| {}, Pass, "1 container in it");
    none_yet(|e| e.machine.network = Observation::absent("no network kind"), Pass, "there is none yet");
    tiny(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/28".into()], Fail, "16 in all");
    small(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/27".into()], Pass, "172.18.0.0/27");
    full(|e| {
        let network = of(&mut e.machine.network);
        network.ranges = vec!["192.168.8.0/24".into()];
        network.containers = 40;
    }, Fail, "no addresses left");
    ipv6_only(|e| of(&mut e.machine.network).ranges = vec!["fc00::/64".into()], Fail, "no range of IPv4");
    no_range(|e| of(&mut e.machine.network).ranges.clear(), Fail, "no range of IPv4");
    not_seen(|e| e.machine.network = Observation::failed("time-out"), Unjudged, "time-out");
    no_engine(silent, Unjudged, "does not answer");
}

fn proxy(evidence: &mut PreflightEvidence, through_proxy: bool) {
    let way =
        Way { address: "172.18.255.251".into(), exception: "172.18.0.0/16".into(), through_proxy };
    *of(&mut evidence.machine.proxies) =
        Proxies { variables: vec!["HTTP_PROXY".into()], ways: vec![way.clone(), way] };
}

cases! { proxies proves "machine::no_proxy":
    none(|_| {}, Pass, "no proxy");
    excepted(|e| proxy(e, false), Pass, "NO_PROXY excepts");
    in_between(|e| proxy(e, true), Fail, "export NO_PROXY=\\\"${NO_PROXY:+$NO_PROXY,}\\\"172.18.0.0/16 no_proxy");
    nowhere_to_go(|e| { proxy(e, true); of(&mut e.machine.proxies).ways.clear(); }, Pass, "no address of a cluster is known");
    not_seen(|e| e.machine.proxies = Observation::failed("no environment"), Unjudged, "no environment");
}

fn node(evidence: &mut PreflightEvidence) -> &mut KindNode {
    &mut of(&mut evidence.machine.kind_nodes)[0]
}

fn stopped(evidence: &mut PreflightEvidence) {
    let node = node(evidence);
    node.state = "exited".into();
    node.words = "Exited (137) 9 hours ago".into();
}

cases! { kind_nodes proves "machine::kind_nodes_run":
    running(|_| {}, Pass, "1 node of kind, running");
    none(|e| of(&mut e.machine.kind_nodes).clear(), Pass, "no cluster of kind");
    after_a_reboot(stopped, Fail, "docker start class-control-plane` wakes it up");
    says_since_when(stopped, Fail, "9 hours ago");
    paused(|e| node(e).state = "paused".into(), Fail, "docker unpause class-control-plane");
    two_of_one_cluster(|e| {
        stopped(e);
        let mut worker = node(e).clone();
        worker.name = "class-worker".into();
        of(&mut e.machine.kind_nodes).push(worker);
    }, Fail, "docker start class-control-plane class-worker");
    left_by_us(|e| { stopped(e); e.machine.leftovers = Observation::seen(vec!["class".into()]); }, Pass, "1 node");
    not_seen(|e| e.machine.kind_nodes = Observation::failed("time-out"), Unjudged, "time-out");
    no_engine(silent, Unjudged, "does not answer");
}

cases! { leftovers proves "machine::no_leftovers":
    none(|_| {}, Pass, "nothing is left");
    one(|e| of(&mut e.machine.leftovers).push("meshcheck-1".into()), Fail, "`meshcheck down --name meshcheck-1`");
    two(|e| of(&mut e.machine.leftovers).extend(["meshcheck-1".into(), "meshcheck-2".into()]), Fail, "2 clusters were left by runs");
    not_seen(|e| e.machine.leftovers = Observation::failed("permission denied"), Unjudged, "permission denied");
    no_engine(silent, Unjudged, "does not answer");
}

pub(super) const TABLES: &[&[Case]] = &[
    docker::table::CASES,
    control_groups::table::CASES,
    redirection::table::CASES,
    processors::table::CASES,
    memory::table::CASES,
    disks::table::CASES,
    watching::table::CASES,
    files::table::CASES,
    network::table::CASES,
    proxies::table::CASES,
    kind_nodes::table::CASES,
    leftovers::table::CASES,
];
