//! Changes to healthy evidence that the cases of several claims of this section share.

use crate::evidence::{Container, Evidence, Pod};
use crate::judgement::Verdict::Pass;
use crate::testing::{demo_pod, of, prove};

/// Removes the sidecar and the init containers of a pod.
pub(super) fn remove_sidecar(pod: &mut Pod) {
    pod.containers.retain(|container| container.name != "istio-proxy");
    pod.init_containers.clear();
}

/// Makes the sidecars native ones, as newer versions have them.
pub(super) fn make_native(evidence: &mut Evidence) {
    for pods in [&mut evidence.demo.pods, &mut evidence.demo.pods_at_end] {
        for pod in of(pods) {
            let at = pod.containers.iter().position(|it| it.name == "istio-proxy").unwrap();
            let mut sidecar = pod.containers.remove(at);
            sidecar.restart_policy = Some("Always".into());
            pod.init_containers.push(sidecar);
        }
    }
}

/// The init container of the pod with this label `app`.
pub(super) fn init<'e>(evidence: &'e mut Evidence, app: &str) -> &'e mut Container {
    let init = &mut demo_pod(evidence, app).init_containers;
    init.iter_mut().find(|container| container.name == "istio-init").unwrap()
}

/// What real versions of Istio log: the tutorial's, and a newer one.
pub(super) const LOG_1_20: &str =
    include_str!("../../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
pub(super) const LOG_1_22: &str =
    include_str!("../../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log");

/// Replaces the log of every init container.
pub(super) fn replace_logs(evidence: &mut Evidence, log: &str) {
    evidence.mesh.init_logs.values_mut().for_each(|it| *of(it) = log.to_owned());
}

/// Changes the log of one pod's init container.
pub(super) fn change_log(evidence: &mut Evidence, change: impl Fn(&str) -> String) {
    let log = of(evidence.mesh.init_logs.values_mut().next().unwrap());
    *log = change(log);
}

/// The address of the pod whose log [`change_log`] changes.
pub(super) fn logged_ip(evidence: &mut Evidence) -> String {
    let name = evidence.mesh.init_logs.keys().next().unwrap().clone();
    of(&mut evidence.demo.pods).iter().find(|pod| pod.name == name).unwrap().ip.clone().unwrap()
}

/// Removes every line of the log that contains this text.
pub(super) fn remove_rules(evidence: &mut Evidence, containing: &str) {
    change_log(evidence, |log| {
        assert!(log.contains(containing), "{containing}");
        log.lines().filter(|line| !line.contains(containing)).collect::<Vec<_>>().join("\n")
    });
}

/// Inserts a rule before every rule of its chain.
pub(super) fn insert_rule(evidence: &mut Evidence, chain: &str, rule: &str) {
    change_log(evidence, |log| {
        let first = format!("\n-A {chain} ");
        assert!(log.contains(&first), "{chain}");
        log.replace(&first, &format!("\n-A {chain} {rule}{first}"))
    });
}

/// Adds a job that has ended, another workload with a sidecar, and a pod that is being deleted.
fn add_other_workloads(evidence: &mut Evidence) {
    for pods in [&mut evidence.demo.pods, &mut evidence.demo.pods_at_end] {
        let mut other = of(pods)[0].clone();
        other.name = "other-1".into();
        other.labels.insert("app".into(), "other".into());
        let mut done = other.clone();
        done.name = "job-1".into();
        done.phase = "Succeeded".into();
        done.ready = false;
        remove_sidecar(&mut done);
        let mut leaving = other.clone();
        leaving.name = "leaving-1".into();
        leaving.terminating = true;
        remove_sidecar(&mut leaving);
        of(pods).extend([other, done, leaving]);
    }
    for rules in [&mut evidence.mesh.init_logs, &mut evidence.mesh.live_rules] {
        let first = rules.values().next().unwrap().clone();
        rules.insert("other-1".into(), first);
    }
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        let mut proxy = of(&mut istiod.proxies)[0].clone();
        proxy.proxy = "other-1.client".into();
        of(&mut istiod.proxies).push(proxy);
    }
}

#[test]
fn other_workloads_of_the_namespace_are_no_failure() {
    for claim in super::CLAIMS {
        prove(claim.id, add_other_workloads, Pass);
    }
}
