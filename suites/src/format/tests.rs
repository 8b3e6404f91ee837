//! Tests on the texts of states, and on restart loops.

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::*;
use crate::evidence::Observation;
use crate::facts::workload::{is_in_restart_loop, owner_workload};
use crate::steps::{Purpose, Step};

fn container(state: ContainerState, ready: bool) -> Container {
    Container { name: "app".into(), state, ready, ..Container::default() }
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.into(), message: message.into() }
}

fn end(exit_code: i32, reason: &str) -> Termination {
    Termination { exit_code, reason: reason.into(), finished_at: None }
}

#[rstest]
#[case(ContainerState::Running { since: None }, true, None, 0, "running")]
#[case(ContainerState::Running { since: None }, false, None, 0, "running, not ready")]
#[case(ContainerState::Running { since: None }, true, Some(end(1, "Error")), 1, "running (exit 1, restarted once)")]
#[case(
    waiting("CrashLoopBackOff", "back-off"),
    false,
    Some(end(1, "Error")),
    7,
    "CrashLoopBackOff (exit 1, restarted 7 times)"
)]
#[case(
    waiting("CrashLoopBackOff", ""),
    false,
    Some(end(137, "OOMKilled")),
    7,
    "CrashLoopBackOff (OOMKilled, exit 137, restarted 7 times)"
)]
#[case(
    waiting("ImagePullBackOff", "no such\nimage"),
    false,
    None,
    0,
    "ImagePullBackOff (no such image)"
)]
#[case(waiting("", ""), false, None, 0, "waiting")]
#[case(ContainerState::Terminated(end(0, "Completed")), false, None, 0, "Completed (exit 0)")]
#[case(ContainerState::Unknown, false, None, 0, "in an unknown state")]
fn container_state_names_reason_exit_code_and_restarts(
    #[case] state: ContainerState,
    #[case] ready: bool,
    #[case] last_termination: Option<Termination>,
    #[case] restarts: u32,
    #[case] expected: &str,
) {
    let container = Container { restarts, last_termination, ..container(state, ready) };
    assert_eq!(format_container_state(&container), expected);
}

#[test]
fn pod_state_names_the_container_that_is_not_ready() {
    let running = || ContainerState::Running { since: None };
    let mut pod = Pod {
        phase: "Running".into(),
        containers: vec![container(running(), true), container(running(), false)],
        ..Pod::default()
    };
    pod.containers[1].name = "istio-proxy".into();
    assert_eq!(
        format_pod_state(&pod),
        "Running, READY 1/2: container istio-proxy running, not ready"
    );
    let native = Container {
        name: "native".into(),
        restart_policy: Some("Always".into()),
        ..container(running(), true)
    };
    pod.init_containers.push(native);
    assert_eq!(format_ready_containers(&pod), "2/3");
    let mut init = container(waiting("CrashLoopBackOff", ""), false);
    init.name = "istio-init".into();
    pod.init_containers.push(init);
    pod.containers[1].state = waiting("PodInitializing", "");
    pod.phase = "Pending".into();
    assert_eq!(format_pod_state(&pod), "Pending, READY 2/3: container istio-init CrashLoopBackOff");
    let unscheduled = Pod {
        phase: "Pending".into(),
        reason: Some("Unschedulable: no room".into()),
        ..Pod::default()
    };
    assert_eq!(format_pod_state(&unscheduled), "Pending, READY 0/0: Unschedulable: no room");
    let leaving = Pod { terminating: true, ..Pod::default() };
    assert_eq!(format_pod_state(&leaving), "Terminating, READY 0/0");
}

#[test]
fn pod_state_names_the_native_sidecar_that_is_not_ready() {
    let running = || ContainerState::Running { since: None };
    let native = |ready| Container {
        name: "native".into(),
        restart_policy: Some("Always".into()),
        ..container(running(), ready)
    };
    let pod = |ready| Pod {
        phase: "Running".into(),
        containers: vec![container(running(), true)],
        init_containers: vec![native(ready)],
        ..Pod::default()
    };
    assert_eq!(
        format_pod_state(&pod(false)),
        "Running, READY 1/2: container native running, not ready"
    );
    assert_eq!(format_pod_state(&pod(true)), "Running, READY 2/2: condition Ready is not True");
}

#[rstest]
#[case(3, Some(9), true)]
#[case(3, Some(10), false)]
#[case(2, Some(1), false)]
#[case(3, Some(-5), true)]
#[case(9, None, false)]
fn many_restarts_with_a_recent_one_are_a_loop(
    #[case] restarts: u32,
    #[case] minutes_ago: Option<i64>,
    #[case] looping: bool,
) {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let finished_at = minutes_ago.map(|minutes| now - SignedDuration::from_mins(minutes));
    let mut container = container(ContainerState::Running { since: None }, true);
    container.restarts = restarts;
    container.last_termination = Some(Termination { finished_at, ..end(1, "Error") });
    assert_eq!(is_in_restart_loop(&container, now), looping);
}

#[rstest]
#[case(Some("ReplicaSet/echo-deployment-5b9"), Some("deployment/echo-deployment"))]
#[case(Some("DaemonSet/speaker"), Some("daemonset/speaker"))]
#[case(Some("Job/once"), None)]
#[case(None, None)]
fn owner_names_the_workload(#[case] owner: Option<&str>, #[case] name: Option<&str>) {
    let pod = Pod { owner: owner.map(Into::into), ..Pod::default() };
    assert_eq!(owner_workload(&pod).as_deref(), name);
}

#[rstest]
#[case(&[], "none")]
#[case(&["a"], "a")]
#[case(&["a", "b", "c"], "a, b and c")]
fn list_joins_its_items(#[case] items: &[&str], #[case] expected: &str) {
    assert_eq!(list(items), expected);
}

/// A rollout keeps the old pod while the new one crashes.
#[rstest]
#[case::old_pod_is_ready(|_: &mut Pod| {}, true)]
#[case::old_pod_is_not_ready(|old: &mut Pod| old.ready = false, false)]
#[case::old_pod_is_terminating(|old: &mut Pod| old.terminating = true, false)]
#[case::same_template(|old: &mut Pod| old.owner = Some("ReplicaSet/istiod-2".into()), false)]
#[case::another_deployment(|old: &mut Pod| old.owner = Some("ReplicaSet/kiali-1".into()), false)]
#[case::the_younger_one(|old: &mut Pod| old.created_at = "2026-01-03T00:00:00Z".parse().ok(), false)]
#[case::of_the_same_time(|old: &mut Pod| old.created_at = "2026-01-02T00:00:00Z".parse().ok(), false)]
#[case::elsewhere(|old: &mut Pod| old.namespace = "default".into(), false)]
#[case::another_image(|old: &mut Pod| old.containers = vec![Container { image: "pilot:1.19.0".into(), ..Container::default() }], false)]
fn failed_rollout_is_undone_where_the_old_pod_is_ready(
    #[case] change: fn(&mut Pod),
    #[case] expected: bool,
) {
    let mut evidence = crate::testing::healthy();
    let pod = |owner: &str, day: &str| Pod {
        name: format!("{owner}-x"),
        namespace: "istio-system".into(),
        phase: "Running".into(),
        ready: true,
        owner: Some(format!("ReplicaSet/{owner}")),
        created_at: format!("2026-01-{day}T00:00:00Z").parse().ok(),
        ..Pod::default()
    };
    let mut old = pod("istiod-1", "01");
    change(&mut old);
    let mut new = pod("istiod-2", "02");
    new.ready = false;
    evidence.install.pods = Observation::seen(vec![old, new.clone()]);
    let steps = crate::steps::pods::diagnose(&evidence, &new);
    let undoes = |step: &Step| {
        step.command.as_ref().is_some_and(|it| it.ends_with("rollout undo deployment/istiod"))
    };
    assert_eq!(steps.iter().any(undoes), expected, "{steps:?}");
    assert_eq!(steps[0].purpose, Purpose::Inspect, "{steps:?}");
}

#[rstest]
#[case::plug_in("istio-validation", "CrashLoopBackOff", true)]
#[case::no_plug_in("istio-init", "CrashLoopBackOff", false)]
#[case::no_image("istio-validation", "ImagePullBackOff", false)]
fn init_container_before_the_proxy_gets_a_fix_with_the_plug_in(
    #[case] first: &str,
    #[case] reason: &str,
    #[case] expected: bool,
) {
    let container = |name: &str| Container { name: name.into(), ..Container::default() };
    let mut pod = Pod { phase: "Pending".into(), ..Pod::default() };
    pod.containers = vec![container("echo"), container("istio-proxy")];
    let (reason, message) = (reason.to_owned(), String::new());
    let state = ContainerState::Waiting { reason, message };
    pod.init_containers = vec![container(first), Container { state, ..container("migrate") }];
    let steps = crate::steps::pods::diagnose(&crate::testing::healthy(), &pod);
    assert_eq!(steps.iter().any(|it| it.text.contains("user 1337")), expected, "{steps:?}");
}

#[test]
fn long_excerpt_keeps_its_beginning_and_its_end() {
    let text = format!("{}{}", "a".repeat(300), "z".repeat(500));
    let expected = format!("{} [...] {}", "a".repeat(200), "z".repeat(400));
    assert_eq!(excerpt(&text), expected);
    assert_eq!(excerpt(&"a".repeat(600)), "a".repeat(600));
}
