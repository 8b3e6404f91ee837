//! The containers that injection adds to a pod.

use jiff::Timestamp;

use super::demo::is_pod_of;
use super::workload::{find_troubled_container, has_ended, is_in_restart_loop};
use crate::evidence::{Container, ContainerState, Evidence, Pod, ProxySync, Termination};

/// The container of the sidecar.
pub(crate) const SIDECAR: &str = "istio-proxy";
/// The init container that programs the redirection.
pub(crate) const INIT: &str = "istio-init";

/// The init container that only checks whether a CNI plug-in has set the rules.
pub(crate) const VALIDATION: &str = "istio-validation";

/// Whether a CNI plug-in sets the rules of a pod.
pub(crate) fn has_validation(pod: &Pod) -> bool {
    pod.init_containers.iter().any(|container| container.name == VALIDATION)
}

/// The init container that programs a pod's redirection.
pub(crate) fn init_container(pod: &Pod) -> Option<&Container> {
    pod.init_containers.iter().find(|container| container.name == INIT)
}

/// Whether a pod does not start because its network has no rules of Istio: the CNI plug-in has set none.
/// Source: `ValidationErrorCode` in `tools/istio-iptables/pkg/constants/constants.go` of Istio.
pub(crate) fn lacks_rules_of_plug_in(pod: &Pod) -> bool {
    const NO_RULES: i32 = 126;
    let ended_so = |end: &Termination| end.exit_code == NO_RULES;
    pod.init_containers.iter().filter(|it| it.name == VALIDATION).any(|it| match &it.state {
        ContainerState::Terminated(end) => ended_so(end),
        ContainerState::Waiting { .. } => it.last_termination.as_ref().is_some_and(ended_so),
        _ => false,
    })
}

/// Whether the rules of a pod are nftables rules (`values.global.nativeNftables`): `iptables-save` shows none of them.
/// Source: the injection template of Istio 1.27.
pub(crate) fn uses_nftables(pod: &Pod) -> bool {
    let sets_rules = |it: &&Container| [INIT, VALIDATION].contains(&it.name.as_str());
    let mut words = pod.init_containers.iter().filter(sets_rules).flat_map(|it| &it.args);
    words.any(|word| word == "--native-nftables" || word == "--native-nftables=true")
}

/// Returns a pod's application that has ended while the sidecar still runs, so that the pod does not end.
pub(crate) fn find_ended_application(pod: &Pod) -> Option<&Container> {
    let has_ended = |it: &Container| matches!(it.state, ContainerState::Terminated(_));
    // A pod of `kubectl run` has no owner.
    let is_job = pod.owner.as_deref().is_none_or(|owner| owner.starts_with("Job/"));
    let mut sidecars = pod.containers.iter().filter(|it| it.name == SIDECAR);
    let mut applications = pod.containers.iter().filter(|it| it.name != SIDECAR);
    let runs = |it: &Container| matches!(it.state, ContainerState::Running { .. });
    (is_job && sidecars.any(runs) && applications.clone().all(has_ended))
        .then(|| applications.next())
        .flatten()
}

/// Whether a pod's native sidecar runs, although the pod is Pending: its application waits until the sidecar has started.
pub(crate) fn runs_native_sidecar(pod: &Pod) -> bool {
    let runs = |it: &Container| matches!(it.state, ContainerState::Running { .. });
    !pod.terminating && pod.sidecar().is_some_and(|it| it.is_native_sidecar() && runs(it))
}

/// Returns the rows of a pod's proxy in the lists of all istiods.
fn sync_rows<'e>(evidence: &'e Evidence, pod: &Pod) -> impl Iterator<Item = &'e ProxySync> {
    let id = format!("{}.{}", pod.name, pod.namespace);
    let istiods = evidence.install.istiod.value().into_iter().flat_map(|all| all.values());
    let lists = istiods.filter_map(|it| it.proxies.value());
    lists.flatten().filter(move |it| it.proxy == id)
}

/// Whether the sidecars of a deployment's pods have started and do not get ready, and no istiod knows them: they do not
/// reach it. Some wait, some end by `holdApplicationUntilProxyStarts`.
pub(crate) fn is_cut_off(evidence: &Evidence, deployment: &str) -> bool {
    let waits = |it: &Container| {
        let runs = matches!(it.state, ContainerState::Running { .. });
        !it.ready && (runs || it.restarts > 0)
    };
    // A list that could not be read may have the proxy.
    let istiods = evidence.install.istiod.value();
    let are_read = istiods.is_some_and(|all| all.values().all(|it| it.proxies.value().is_some()));
    let is_unknown = |pod: &Pod| sync_rows(evidence, pod).next().is_none();
    let pods = evidence.demo.pods.value().into_iter().flatten();
    let mut pods = pods
        .filter(|pod| is_pod_of(evidence, pod, deployment) && !pod.terminating && !has_ended(pod))
        .peekable();
    are_read
        && pods.peek().is_some()
        && pods.all(|pod| pod.sidecar().is_some_and(waits) && is_unknown(pod))
}

/// Whether a pod's proxy runs and is in sync with istiod, but is not ready: the kubelet's readiness probe fails.
pub(crate) fn only_probe_fails(evidence: &Evidence, pod: &Pod) -> bool {
    let is_synced = |row: &ProxySync| {
        [&row.clusters, &row.listeners].iter().all(|it| !it.sent.is_empty() && it.sent == it.acked)
    };
    waits_for_its_proxy(pod) && sync_rows(evidence, pod).any(is_synced)
}

/// Whether the error of istio-init shows that the node's kernel lacks a module of iptables.
pub(crate) fn lacks_kernel_module(error: &str) -> bool {
    let texts = [
        "initialize table",
        "missing kernel module",
        "need to insmod",
        "No chain/target/match by that name",
        "Couldn't load match",
        "Couldn't load target",
    ];
    texts.iter().any(|it| error.contains(it))
}

/// Whether the message names a container that injection adds, or the place of an init container: `initContainers[0]`,
/// `initContainers/0`. Neither the demo's pods nor the dry run's have init containers. The text of a rule has
/// `initContainers[*]` for any pod.
pub(crate) fn names_injected_container(text: &str) -> bool {
    let is_place = |rest: &str| {
        rest.strip_prefix(['[', '/']).is_some_and(|at| at.starts_with(|c: char| c.is_ascii_digit()))
    };
    [INIT, SIDECAR].iter().any(|name| text.contains(name))
        || text.split("initContainers").skip(1).any(is_place)
}

/// The last error that istio-init wrote before it ended.
pub(crate) fn find_init_error(log: &str) -> Option<&str> {
    let error = |line: &str| line.contains("\terror\t") || line.starts_with("Error: ");
    let mut errors = log.lines().filter(|line| error(line));
    let first = errors.next()?;
    let words = first.rsplit('\t').next().unwrap_or(first);
    Some(words.trim_start_matches("Command error output: ").trim())
}

/// Whether the init container runs again and fails beside running containers: its rules exist already.
pub(crate) fn init_runs_again(pod: &Pod) -> bool {
    let failed = |end: &Termination| end.exit_code != 0;
    init_container(pod).is_some_and(|init| {
        init.restarts > 0
            && !init.ready
            && init.last_termination.as_ref().is_some_and(failed)
            && pod.containers.iter().any(|it| matches!(it.state, ContainerState::Running { .. }))
    })
}

/// Whether a pod's traffic is redirected to a sidecar that does not run.
pub(crate) fn redirects_to_stopped_sidecar(pod: &Pod, now: Timestamp) -> bool {
    init_container(pod).is_some()
        && pod.sidecar().filter(|sidecar| !sidecar.ready).is_some_and(|sidecar| {
            let ended = matches!(
                sidecar.state,
                ContainerState::Waiting { .. } | ContainerState::Terminated(_)
            );
            ended || is_in_restart_loop(sidecar, now)
        })
}

/// Whether a pod is not ready because its running proxy is not: it has no configuration yet.
pub(crate) fn waits_for_its_proxy(pod: &Pod) -> bool {
    find_troubled_container(pod)
        .is_some_and(|it| it.name == SIDECAR && matches!(it.state, ContainerState::Running { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{demo_pod, forget_proxy, healthy, of};
    use rstest::rstest;

    fn waiting() -> ContainerState {
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }
    }

    #[test]
    fn init_container_runs_again_beside_living_containers() {
        let mut evidence = healthy();
        let pod = demo_pod(&mut evidence, "client");
        assert!(!init_runs_again(pod) && !has_validation(pod));
        let init = &mut pod.init_containers[0];
        (init.restarts, init.ready) = (1, false);
        init.last_termination = Some(Termination { exit_code: 1, ..Termination::default() });
        assert!(init_runs_again(pod));
        for change in [
            (|it| it.restarts = 0) as fn(&mut Container),
            |it| it.ready = true,
            |it| it.last_termination = None,
            |it| it.last_termination = Some(Termination::default()),
        ] {
            let mut other = pod.clone();
            change(&mut other.init_containers[0]);
            assert!(!init_runs_again(&other), "{other:#?}");
        }
        // A pod that has never started waits for it.
        pod.containers.iter_mut().for_each(|it| it.state = waiting());
        assert!(!init_runs_again(pod));
        pod.init_containers[0].name = VALIDATION.into();
        assert!(has_validation(pod) && init_container(pod).is_none());
    }

    #[rstest]
    #[case(VALIDATION, 126, true)]
    #[case(VALIDATION, 1, false)]
    #[case(INIT, 126, false)]
    fn validation_ends_with_its_code_where_the_plug_in_set_no_rules(
        #[case] container: &str,
        #[case] exit_code: i32,
        #[case] lacks: bool,
    ) {
        let mut evidence = healthy();
        let pod = demo_pod(&mut evidence, "client");
        assert!(!lacks_rules_of_plug_in(pod));
        let end = Termination { exit_code, ..Termination::default() };
        let init = &mut pod.init_containers[0];
        init.name = container.into();
        init.state = ContainerState::Terminated(end.clone());
        assert_eq!(lacks_rules_of_plug_in(pod), lacks);
        let init = &mut pod.init_containers[0];
        (init.state, init.last_termination) = (waiting(), Some(end));
        assert_eq!(lacks_rules_of_plug_in(pod), lacks);
        pod.init_containers[0].state = ContainerState::Running { since: None };
        assert!(!lacks_rules_of_plug_in(pod));
    }

    #[rstest]
    #[case(INIT, "--native-nftables", true)]
    #[case(VALIDATION, "--native-nftables=true", true)]
    #[case(INIT, "--native-nftables=false", false)]
    #[case("somebody-elses", "--native-nftables", false)]
    fn option_of_the_init_container_sets_nftables_rules(
        #[case] container: &str,
        #[case] word: &str,
        #[case] expected: bool,
    ) {
        let mut evidence = healthy();
        let pod = demo_pod(&mut evidence, "client");
        assert!(!uses_nftables(pod));
        pod.init_containers[0].name = container.into();
        pod.init_containers[0].args.push(word.into());
        assert_eq!(uses_nftables(pod), expected);
    }

    #[rstest]
    #[case::runs(ContainerState::Running { since: None }, true, true, false)]
    #[case::starts(ContainerState::Running { since: None }, false, true, false)]
    #[case::waits(waiting(), false, true, true)]
    #[case::ended(ContainerState::Terminated(Termination::default()), false, true, true)]
    #[case::waits_without_rules(waiting(), false, false, false)]
    fn sidecar_stopped_behind_the_rules_takes_the_traffic(
        #[case] state: ContainerState,
        #[case] ready: bool,
        #[case] redirects: bool,
        #[case] stopped: bool,
    ) {
        let mut evidence = healthy();
        let now = evidence.moment();
        let pod = demo_pod(&mut evidence, "client");
        assert!(init_container(pod).is_some());
        if !redirects {
            pod.init_containers.clear();
            assert!(init_container(pod).is_none());
        }
        let sidecar = pod.containers.iter_mut().find(|it| it.name == SIDECAR).unwrap();
        (sidecar.state, sidecar.ready) = (state, ready);
        assert_eq!(redirects_to_stopped_sidecar(pod, now), stopped);
        pod.containers.retain(|it| it.name != SIDECAR);
        assert!(!redirects_to_stopped_sidecar(pod, now), "there is no sidecar");
    }

    #[rstest]
    #[case::name("container <istio-init> has a disallowed capability", true)]
    #[case::index(".initContainers[0].capabilities.add: Invalid value", true)]
    #[case::path("rule a failed at path /spec/initContainers/0/securityContext/", true)]
    #[case::own(".containers[0].capabilities.add: Invalid value", false)]
    #[case::text_of_a_rule("spec.initContainers[*].securityContext must be set", false)]
    fn message_names_an_injected_container(#[case] text: &str, #[case] names_it: bool) {
        assert_eq!(names_injected_container(text), names_it);
    }

    /// Running, not ready, and unknown to istiod: without one of these, the sidecar is not cut off.
    #[test]
    fn sidecar_is_cut_off_where_it_waits_and_no_istiod_knows_it() {
        let cut_off = |change: fn(&mut Evidence)| {
            let mut evidence = healthy();
            forget_proxy(&mut evidence, "client");
            let pod = demo_pod(&mut evidence, "client");
            let sidecar = pod.containers.iter_mut().find(|it| it.name == SIDECAR).unwrap();
            sidecar.ready = false;
            change(&mut evidence);
            is_cut_off(&evidence, "client-deployment")
        };
        assert!(cut_off(|_| {}));
        assert!(!cut_off(|it| it.install.istiod = healthy().install.istiod));
        assert!(!cut_off(|it| {
            let pod = demo_pod(it, "client");
            pod.containers.iter_mut().for_each(|it| it.ready = true);
        }));
        assert!(!cut_off(|it| {
            let pod = demo_pod(it, "client");
            pod.containers.iter_mut().for_each(|it| it.state = waiting());
        }));
        assert!(cut_off(|it| {
            let pod = demo_pod(it, "client");
            pod.containers.iter_mut().for_each(|it| (it.state, it.restarts) = (waiting(), 3));
        }));
        assert!(cut_off(|it| {
            let pod = demo_pod(it, "client");
            pod.phase = "Pending".into();
        }));
        assert!(!cut_off(|it| of(&mut it.demo.pods).clear()));
        assert!(!cut_off(|it| {
            for istiod in of(&mut it.install.istiod).values_mut() {
                istiod.proxies = Observation::failed("no answer");
            }
        }));
    }
}
