//! The section *machine*.

use std::collections::BTreeMap;

use super::super::evidence::*;
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

pub(crate) mod docker {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        ready(|_| {}, Pass);
        rootless(|e| engine(e).rootless = true, Pass);
        not_allowed(refuses, Fail);
        not_running(silent, Fail);
        not_installed(no_program, Fail);
        of_windows(|e| engine(e).os = "windows".into(), Fail);
        very_old(|e| engine(e).version = "19.03.1".into(), Fail);
        old_enough(|e| engine(e).version = "20.10.24+dfsg1".into(), Pass);
        of_no_number(|e| engine(e).version = "dev".into(), Pass);
        hanging(hangs, Unjudged);
    }
}

pub(crate) mod control_groups {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        unified(|_| {}, Pass);
        older(|e| engine(e).cgroup_version = "1".into(), Pass);
        older_without_root(|e| {
            engine(e).cgroup_version = "1".into();
            engine(e).rootless = true;
        }, Fail);
        no_memory(|e| of(&mut e.machine.cgroups).controllers.retain(|it| it != "memory"), Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.cgroups = Observation::failed("macOS"); }, Pass);
        not_seen(|e| e.machine.cgroups = Observation::failed("no /sys"), Unjudged);
        no_engine(silent, Unjudged);
    }
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

pub(crate) mod redirection {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        taken(|_| {}, Pass);
        taken_by_one_of_two(|e| {
            refused(e, true);
            of(&mut kernel(e).tries)[1].taken = true;
        }, Pass);
        taken_whatever_the_modules(|e| kernel(e).modules = Observation::failed("none"), Pass);
        refused_to_root(|e| refused(e, true), Fail);
        refused_to_others(|e| refused(e, false), Pass);
        loadable(not_tried, Pass);
        built_in(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::BuiltIn); }, Pass);
        loaded(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Loaded); }, Pass);
        the_newer_tables_do(|e| { not_tried(e); modules(e).insert("iptable_nat".into(), Module::Missing); }, Pass);
        no_owner(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Missing); }, Fail);
        no_nat(|e| {
            not_tried(e);
            modules(e).insert("iptable_nat".into(), Module::Missing);
            modules(e).insert("nft_chain_nat".into(), Module::Missing);
        }, Fail);
        one_table_missing_the_other_unknown(|e| {
            not_tried(e);
            modules(e).insert("iptable_nat".into(), Module::Missing);
            modules(e).remove("nft_chain_nat");
        }, Unjudged);
        owner_unknown(|e| { not_tried(e); modules(e).remove("xt_owner"); }, Unjudged);
        nothing_known(|e| { not_tried(e); kernel(e).modules = Observation::failed("no /lib/modules"); }, Unjudged);
        nothing_known_says_what_was_tried(|e| { not_tried(e); kernel(e).modules = Observation::failed("no"); }, Unjudged);
        refused_and_nothing_known(|e| { refused(e, false); kernel(e).modules = Observation::absent("no"); }, Unjudged);
        no_iptables_and_nothing_known(|e| {
            kernel(e).tries = Observation::seen(vec![]);
            kernel(e).modules = Observation::failed("no");
        }, Unjudged);
        in_a_vm(in_a_virtual_machine, Unjudged);
        not_seen(|e| e.machine.kernel = Observation::failed("macOS"), Unjudged);
        without_an_engine(silent, Pass);
    }
}

pub(crate) mod processors {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        four(|_| {}, Pass);
        two(|e| engine(e).cpus = 2, Pass);
        one(|e| engine(e).cpus = 1, Fail);
        no_engine(refuses, Unjudged);
        no_docker(no_program, Unjudged);
        hanging(hangs, Unjudged);
    }
}

pub(crate) mod memory {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        engine_too_small(|e| engine(e).memory_bytes = 2 * GIB, Fail);
        vm_too_small(|e| { in_a_virtual_machine(e); engine(e).memory_bytes = 2 * GIB; }, Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.memory = Observation::failed("macOS"); }, Pass);
        taken_by_others(|e| of(&mut e.machine.memory).available = GIB, Fail);
        just_enough(|e| { of(&mut e.machine.memory).available = GIB + GIB / 2; engine(e).memory_bytes = 3 * GIB; }, Pass);
        not_seen(|e| e.machine.memory = Observation::failed("no /proc"), Unjudged);
        no_engine(silent, Unjudged);
    }
}

fn to_download(evidence: &mut PreflightEvidence) {
    evidence.software.source =
        Observation::seen(Supply::WithinReach { places: "github.com".into() });
}

fn two_disks(evidence: &mut PreflightEvidence) {
    of(&mut evidence.machine.cache_disk).device = 2;
}

pub(crate) mod disks {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        full(|e| of(&mut e.machine.engine_disk).free = 3 * GIB, Fail);
        just_enough(|e| of(&mut e.machine.engine_disk).free = 4 * GIB, Pass);
        both_on_one_disk(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 6 * GIB; }, Fail);
        both_on_one_disk_fit(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 8 * GIB; }, Pass);
        cache_full(|e| { to_download(e); two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Fail);
        cache_full_and_nothing_to_download(|e| { two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Pass);
        of_another_machine(|e| e.machine.engine_disk = Observation::absent("not here"), Pass);
        of_another_machine_and_cache_full(|e| {
            e.machine.engine_disk = Observation::absent("not here");
            to_download(e);
            of(&mut e.machine.cache_disk).free = GIB;
        }, Fail);
        not_seen(|e| e.machine.engine_disk = Observation::failed("permission denied"), Unjudged);
        cache_not_seen(|e| e.machine.cache_disk = Observation::failed("no home"), Unjudged);
        no_engine(silent, Unjudged);
    }
}

pub(crate) mod watching {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        the_default_of_linux(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: Some(10) }, Pass);
        not_counted(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: None }, Pass);
        used_up(|e| of(&mut e.machine.inotify).used = Some(500), Fail);
        just_enough(|e| of(&mut e.machine.inotify).used = Some(472), Pass);
        too_few(|e| *of(&mut e.machine.inotify) = Inotify { instances: 16, watches: 65_536, used: None }, Fail);
        too_few_watches(|e| of(&mut e.machine.inotify).watches = 100, Fail);
        not_seen(|e| e.machine.inotify = Observation::failed("macOS"), Unjudged);
    }
}

pub(crate) mod files {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        shell(|e| of(&mut e.machine.open_files).ours = 64, Fail);
        machine(|e| of(&mut e.machine.open_files).all = 4000, Fail);
        not_seen(|e| e.machine.open_files = Observation::failed("no /proc"), Unjudged);
    }
}

pub(crate) mod network {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        room(|_| {}, Pass);
        none_yet(|e| e.machine.network = Observation::absent("no network kind"), Pass);
        tiny(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/28".into()], Fail);
        small(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/27".into()], Pass);
        full(|e| {
            let network = of(&mut e.machine.network);
            network.ranges = vec!["192.168.8.0/24".into()];
            network.containers = 40;
        }, Fail);
        ipv6_only(|e| of(&mut e.machine.network).ranges = vec!["fc00::/64".into()], Fail);
        no_range(|e| of(&mut e.machine.network).ranges.clear(), Fail);
        not_seen(|e| e.machine.network = Observation::failed("time-out"), Unjudged);
        no_engine(silent, Unjudged);
    }
}

fn proxy(evidence: &mut PreflightEvidence, through_proxy: bool) {
    let way =
        Way { address: "172.18.255.251".into(), exception: "172.18.0.0/16".into(), through_proxy };
    *of(&mut evidence.machine.proxies) =
        Proxies { variables: vec!["HTTP_PROXY".into()], ways: vec![way.clone(), way] };
}

pub(crate) mod proxies {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        none(|_| {}, Pass);
        excepted(|e| proxy(e, false), Pass);
        in_between(|e| proxy(e, true), Fail);
        nowhere_to_go(|e| { proxy(e, true); of(&mut e.machine.proxies).ways.clear(); }, Pass);
        not_seen(|e| e.machine.proxies = Observation::failed("no environment"), Unjudged);
    }
}

fn node(evidence: &mut PreflightEvidence) -> &mut KindNode {
    &mut of(&mut evidence.machine.kind_nodes)[0]
}

fn stopped(evidence: &mut PreflightEvidence) {
    let node = node(evidence);
    node.state = "exited".into();
    node.words = "Exited (137) 9 hours ago".into();
}

pub(crate) mod kind_nodes {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        running(|_| {}, Pass);
        none(|e| of(&mut e.machine.kind_nodes).clear(), Pass);
        after_a_reboot(stopped, Fail);
        says_since_when(stopped, Fail);
        paused(|e| node(e).state = "paused".into(), Fail);
        two_of_one_cluster(|e| {
            stopped(e);
            let mut worker = node(e).clone();
            worker.name = "class-worker".into();
            of(&mut e.machine.kind_nodes).push(worker);
        }, Fail);
        left_by_us(|e| { stopped(e); e.machine.leftovers = Observation::seen(vec!["class".into()]); }, Pass);
        not_seen(|e| e.machine.kind_nodes = Observation::failed("time-out"), Unjudged);
        no_engine(silent, Unjudged);
    }
}

pub(crate) mod leftovers {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        none(|_| {}, Pass);
        one(|e| of(&mut e.machine.leftovers).push("meshcheck-1".into()), Fail);
        two(|e| of(&mut e.machine.leftovers).extend(["meshcheck-1".into(), "meshcheck-2".into()]), Fail);
        not_seen(|e| e.machine.leftovers = Observation::failed("permission denied"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
