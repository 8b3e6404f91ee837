//! The section *cluster*.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::super::evidence::*;
use super::Case;
use super::cases::cases;
use super::ready::controller;
use crate::evidence::{Crd, Observation, Pod, Service};
use crate::testing::healthy;

fn of<T>(observation: &mut Observation<T>) -> &mut T {
    observation.value_mut().expect("it is seen where all is ready")
}

fn no_answer(evidence: &mut PreflightEvidence) {
    let reason = "the API server `https://10.0.0.5:6443` does not answer: timed out";
    evidence.cluster.server = Observation::absent(reason);
}

fn of_kind(evidence: &mut PreflightEvidence, state: &str) {
    no_answer(evidence);
    evidence.cluster.seen.subject.context = "kind-class".into();
    of(&mut evidence.machine.kind_nodes)[0].state = state.into();
}

cases! { server proves "cluster::server_answers":
    answers(|_| {}, Pass, "answers in 12 ms");
    silent(no_answer, Fail, "timed out");
    silent_behind_a_proxy(|e| { no_answer(e); e.cluster.seen.subject.context = "vm7".into(); of(&mut e.machine.proxies).variables.push("HTTPS_PROXY".into()); }, Fail, "NO_PROXY may have to name the server");
    node_stopped(|e| of_kind(e, "exited"), Fail, "`docker start class-control-plane` starts its node again");
    node_gone(|e| { of_kind(e, "exited"); of(&mut e.machine.kind_nodes).clear(); }, Fail, "`kind get clusters`");
    node_runs(|e| of_kind(e, "running"), Fail, "cluster-info");
    engine_unseen(|e| { of_kind(e, "exited"); e.machine.kind_nodes = Observation::failed("no"); }, Fail, "cluster-info");
    refused(|e| { no_answer(e); e.cluster.credentials_refused = true; }, Fail, "get a new kubeconfig");
    refused_by_kinds(|e| { no_answer(e); e.cluster.credentials_refused = true; e.cluster.seen.subject.context = "kind-class".into(); }, Fail, "`kind export kubeconfig --name class` writes it");
    not_seen(|e| e.cluster.server = Observation::failed("interrupted"), Unjudged, "interrupted");
}

fn apart(evidence: &mut PreflightEvidence, seconds: i64) {
    let server = of(&mut evidence.cluster.server);
    server.clock = Some(server.ours + SignedDuration::from_secs(seconds));
}

cases! { clocks proves "cluster::clock":
    agree(|_| {}, Pass, "agree to the second");
    nearly(|e| apart(e, -30), Pass, "30 s apart");
    ahead(|e| apart(e, 121), Fail, "121 s apart");
    behind(|e| apart(e, -4000), Fail, "timedatectl");
    untold(|e| of(&mut e.cluster.server).clock = None, Unjudged, "does not tell the time");
    no_server(no_answer, Unjudged, "does not answer");
}

cases! { version proves "cluster::kubernetes_version_supported":
    supported(|_| {}, Pass, "supports Kubernetes");
    too_old(|e| e.cluster.seen.cluster.server_version = Observation::seen("v1.9.0".into()), Fail, "too old");
    not_seen(|e| e.cluster.seen.cluster.server_version = Observation::failed("timed out"), Unjudged, "timed out");
}

cases! { rights proves "cluster::rights":
    all(|_| {}, Pass, "all 2 that an install needs");
    one_missing(|e| of(&mut e.cluster.rights)[0].allowed = false, Fail, "may not create namespaces");
    in_a_namespace(|e| of(&mut e.cluster.rights)[1].allowed = false, Fail, "auth can-i create deployments.apps -n istio-system");
    many(|e| {
        let right = Right { verb: "create".into(), resource: "secrets".into(), ..Right::default() };
        of(&mut e.cluster.rights).extend(std::iter::repeat_n(right, 6));
    }, Fail, "2 more");
    none_asked(|e| of(&mut e.cluster.rights).clear(), Unjudged, "no right");
    not_seen(|e| e.cluster.rights = Observation::failed("forbidden"), Unjudged, "forbidden");
}

cases! { nodes proves "cluster::nodes_ready":
    ready(|_| {}, Pass, "with room for istiod");
    cordoned(|e| of(&mut e.cluster.seen.cluster.nodes)[0].unschedulable = true, Fail, "cordoned");
    no_room(|e| of(&mut e.cluster.seen.cluster.nodes)[0].allocatable.cpu_millis = 1000, Fail, "no room");
    not_seen(|e| e.cluster.seen.cluster.nodes = Observation::failed("forbidden"), Unjudged, "forbidden");
}

fn platform(evidence: &mut PreflightEvidence) -> &mut Platform {
    &mut of(&mut evidence.cluster.platforms)[0]
}

cases! { platforms proves "cluster::platforms":
    amd64(|_| {}, Pass, "Debian GNU/Linux 12 (bookworm) (amd64), containerd://2.1.1, kernel 6.1.0-18-amd64");
    arm64(|e| platform(e).architecture = "arm64".into(), Pass, "arm64");
    arm(|e| platform(e).architecture = "arm".into(), Fail, "linux on arm");
    windows(|e| platform(e).os = "windows".into(), Fail, "no images for any of the nodes");
    mixed(|e| {
        let mut other = platform(e).clone();
        other.os = "windows".into();
        of(&mut e.cluster.platforms).insert(0, other);
    }, Pass, "1 other node that Istio has no images for");
    no_nodes(|e| of(&mut e.cluster.platforms).clear(), Fail, "no images for any");
    not_seen(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged, "forbidden");
}

cases! { dns proves "cluster::dns_on_pod_network":
    runs(|_| {}, Pass, "pod ranges");
    on_the_node(|e| {
        for pod in &mut of(&mut e.cluster.seen.cluster.dns).pods {
            pod.host_network = true;
        }
    }, Fail, "node's network");
    not_seen(|e| e.cluster.seen.cluster.dns = Observation::failed("forbidden"), Unjudged, "forbidden");
}

fn service(namespace: &str, address: Option<&str>) -> Service {
    let mut service = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
    service.namespace = namespace.into();
    service.name = format!("{namespace}-proxy");
    service.load_balancer_addresses = address.map(str::to_owned).into_iter().collect();
    service
}

fn services(evidence: &mut PreflightEvidence) -> &mut Vec<Service> {
    of(&mut evidence.cluster.seen.cluster.load_balancer_services)
}

fn not_tried(evidence: &mut PreflightEvidence) {
    evidence.cluster.seen.cluster.load_balancer_probe =
        Observation::not_asked("--active asks for one");
}

fn in_vain(evidence: &mut PreflightEvidence) {
    of(&mut evidence.cluster.seen.cluster.load_balancer_probe).address = None;
}

/// A plain cluster: nothing gives addresses.
fn plain(evidence: &mut PreflightEvidence) {
    not_tried(evidence);
    of(&mut evidence.cluster.controllers).clear();
    evidence.cluster.pools = Observation::absent("the cluster knows no pools");
}

fn called(evidence: &mut PreflightEvidence, image: &str) {
    plain(evidence);
    of(&mut evidence.cluster.controllers).push(controller("daemonset", "lb", image));
}

/// MetalLB's pool holds one address.
fn one_address(evidence: &mut PreflightEvidence) {
    not_tried(evidence);
    of(&mut evidence.cluster.pools)[0].addresses = vec!["172.18.255.251/32".into()];
}

cases! { gives_addresses proves "cluster::load_balancer":
    tried(|_| {}, Pass, "a service of our own got 172.18.255.251");
    tried_and_others_hold(|e| services(e).push(service("kong", Some("172.18.255.252"))), Pass, "kong/kong-proxy holds 172.18.255.252");
    metallb(not_tried, Pass, "with the pool 172.18.255.251-172.18.255.254, 4 of 4 free");
    metallb_some_held(|e| { not_tried(e); services(e).push(service("kong", Some("172.18.255.252"))); }, Pass, "3 of 4 free; kong/kong-proxy holds 172.18.255.252");
    metallb_others_hold_elsewhere(|e| { not_tried(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass, "4 of 4 free");
    metallb_used_up(|e| { one_address(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail, "-n kong patch svc kong-proxy");
    metallb_used_up_by_the_gateway(|e| {
        one_address(e);
        let gateway = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
        services(e).push(Service { load_balancer_addresses: vec!["172.18.255.251".into()], ..gateway });
    }, Pass, "istio-ingressgateway holds");
    metallb_ipv6(|e| { not_tried(e); of(&mut e.cluster.pools)[0].addresses = vec!["fd00::1-fd00::9".into()]; }, Pass, "fd00::1");
    metallb_without_a_pool(|e| { not_tried(e); of(&mut e.cluster.pools).clear(); }, Fail, "no pool");
    metallb_of_which_nobody_knows_pools(|e| { not_tried(e); e.cluster.pools = Observation::absent("no such kind"); }, Fail, "no pool");
    metallb_pool_by_name_only(|e| { not_tried(e); of(&mut e.cluster.pools)[0].auto_assign = false; }, Fail, "autoAssign");
    metallb_speaker_not_ready(|e| { not_tried(e); of(&mut e.cluster.controllers)[1].ready = 0; }, Fail, "describe daemonset/speaker");
    metallb_pools_unseen(|e| { not_tried(e); e.cluster.pools = Observation::failed("forbidden"); }, Unjudged, "forbidden");
    metallb_services_unseen(|e| { not_tried(e); e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"); }, Unjudged, "forbidden");
    kube_vip(|e| called(e, "ghcr.io/kube-vip/kube-vip:v0.8"), Pass, "kube-vip runs");
    kube_vip_not_ready(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].ready = 0; }, Fail, "is not ready");
    k3s(|e| { plain(e); platform(e).provider_id = "k3s://vm7".into(); }, Skipped, "--active");
    something_unknown(|e| { plain(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass, "something gives them");
    plain_cluster(plain, Unjudged, "--active asks for one");
    plain_and_somebody_waits(|e| { plain(e); services(e).push(service("kong", None)); }, Fail, "kong/kong-proxy waits for one");
    plain_and_tried(|e| { in_vain(e); of(&mut e.cluster.controllers).clear(); }, Fail, "a service of our own got none");
    scaled_to_zero(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].wanted = 0; }, Unjudged, "--active");
    not_seen(|e| { not_tried(e); e.cluster.controllers = Observation::failed("forbidden"); }, Unjudged, "forbidden");
}

cases! { free_address proves "cluster::load_balancer_address_free":
    got(|_| {}, Pass, "a service of our own");
    none(in_vain, Fail, "gets no load balancer address");
    not_asked(not_tried, Skipped, "--active");
    not_possible(|e| e.cluster.seen.cluster.load_balancer_probe = Observation::failed("time-out"), Unjudged, "time-out");
}

cases! { competitor proves "cluster::no_competing_load_balancer":
    none(|_| {}, Pass, "no service holds");
    one(|e| { in_vain(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail, "kong/kong-proxy");
    not_seen(|e| e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged, "forbidden");
}

/// The mesh of the recorded evidence, healthy.
fn installed(evidence: &mut PreflightEvidence) {
    evidence.cluster.seen.install = healthy().install;
}

fn istiod(evidence: &mut PreflightEvidence) -> &mut Pod {
    let pods = of(&mut evidence.cluster.seen.install.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|it| it == "istiod")).unwrap()
}

/// What the recorded mesh leaves where its pods are gone.
fn without_istiod(evidence: &mut PreflightEvidence) {
    installed(evidence);
    of(&mut evidence.cluster.seen.install.pods).clear();
    of(&mut evidence.cluster.seen.install.deployments).clear();
    of(&mut evidence.cluster.seen.install.services).clear();
    evidence.cluster.istio_objects = Observation::seen(vec![]);
}

fn without_webhooks(evidence: &mut PreflightEvidence) {
    without_istiod(evidence);
    of(&mut evidence.cluster.seen.install.webhooks).clear();
}

fn labelled(evidence: &mut PreflightEvidence) {
    of(&mut evidence.cluster.seen.install.namespaces)
        .insert("shop".into(), BTreeMap::from([("istio-injection".into(), "enabled".into())]));
}

cases! { earlier proves "cluster::no_earlier_istio":
    nothing(|_| {}, Pass, "no trace of Istio");
    the_same(installed, Pass, "is installed already");
    another_version(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail, "uninstall --purge");
    another_version_may_stay(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail, "`meshcheck check --");
    by_its_image(|e| { installed(e); of(&mut e.cluster.seen.install.istiod).clear(); }, Pass, "is installed already");
    no_version(|e| {
        installed(e);
        of(&mut e.cluster.seen.install.istiod).clear();
        istiod(e).containers.clear();
    }, Unjudged, "does not tell its version");
    not_ready(|e| { installed(e); istiod(e).ready = false; }, Fail, "describe pod istiod");
    webhook_left(without_istiod, Fail, "uninstall --purge -y && kubectl");
    validating_left(|e| {
        without_webhooks(e);
        of(&mut e.cluster.validating).push(ValidatingWebhook {
            configuration: "istio-validator".into(),
            service: "istiod".into(),
            namespace: "istio-system".into(),
        });
    }, Fail, "the webhook istio-validator of an earlier Istio");
    validating_of_others(|e| of(&mut e.cluster.validating).push(ValidatingWebhook {
        configuration: "metallb".into(), service: "webhook".into(), namespace: "metallb-system".into(),
    }), Pass, "no trace");
    deployments_left(|e| { without_webhooks(e); e.cluster.seen.install.deployments = healthy().install.deployments; }, Fail, "delete namespace istio-system");
    services_left(|e| { without_webhooks(e); e.cluster.seen.install.services = healthy().install.services; }, Fail, "istio-ingressgateway");
    objects_left(|e| {
        without_webhooks(e);
        of(&mut e.cluster.istio_objects).push(IstioObject {
            resource: "virtualservices.networking.istio.io".into(),
            namespace: "shop".into(),
            name: "cart".into(),
        });
    }, Fail, "-n shop delete virtualservices.networking.istio.io cart");
    kinds_left(without_webhooks, Pass, "kinds of objects are left");
    one_kind_left(|e| { without_webhooks(e); of(&mut e.cluster.seen.install.crds).truncate(1); }, Pass, "1 kind of objects is left");
    namespace_labelled(labelled, Pass, "a namespace is labelled for injection already: shop");
    namespace_ending(|e| of(&mut e.cluster.terminating).push("istio-system".into()), Fail, "Terminating");
    demo_ending(|e| of(&mut e.cluster.terminating).push("client".into()), Fail, "namespace client");
    another_namespace_ending(|e| of(&mut e.cluster.terminating).push("shop".into()), Pass, "no trace");
    pods_unseen(|e| e.cluster.seen.install.pods = Observation::failed("forbidden"), Unjudged, "forbidden");
    webhooks_unseen(|e| e.cluster.seen.install.webhooks = Observation::failed("forbidden"), Unjudged, "forbidden");
    objects_absent_with_their_kinds(|e| { without_webhooks(e); e.cluster.istio_objects = Observation::absent("404"); }, Unjudged, "404");
    objects_unseen(|e| e.cluster.istio_objects = Observation::failed("forbidden"), Unjudged, "forbidden");
    webhook_left_whatever_else(|e| { without_istiod(e); e.cluster.seen.install.namespaces = Observation::failed("forbidden"); }, Fail, "webhook");
    kinds_unseen(|e| e.cluster.seen.install.crds = Observation::<Vec<Crd>>::failed("forbidden"), Unjudged, "forbidden");
}

fn fewer_images(evidence: &mut PreflightEvidence) {
    platform(evidence).images.truncate(1);
}

cases! { images proves "cluster::images":
    all(|_| {}, Pass, "all 2 are on the node");
    pulled(fewer_images, Pass, "was pulled in 900 ms");
    not_pulled(|e| {
        fewer_images(e);
        let pull = of(&mut e.cluster.pull);
        pull.came = false;
        pull.words = "ErrImagePull: dial tcp: lookup registry-1.docker.io: no such host".into();
    }, Fail, "no such host");
    not_tried_where_some_lack(|e| { fewer_images(e); e.cluster.pull = Observation::not_asked("--active tries"); }, Skipped, "1 of 2 images are on node class-control-plane");
    could_not_be_tried(|e| { fewer_images(e); e.cluster.pull = Observation::failed("forbidden"); }, Unjudged, "forbidden");
    more_than_the_kubelet_names(|e| {
        fewer_images(e);
        platform(e).more_images = true;
        e.cluster.pull = Observation::not_asked("--active tries");
    }, Skipped, "fifty images");
    on_one_node_only(|e| {
        let mut other = platform(e).clone();
        other.node = "class-worker".into();
        other.images.clear();
        of(&mut e.cluster.platforms).push(other);
        e.cluster.pull = Observation::failed("forbidden");
    }, Unjudged, "0 of 2 images are on node class-worker");
    no_node(|e| of(&mut e.cluster.platforms).clear(), Unjudged, "no node");
    none_known(|e| e.software.images.clear(), Unjudged, "not known here");
    not_seen(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged, "forbidden");
}

pub(super) const TABLES: &[&[Case]] = &[
    server::table::CASES,
    clocks::table::CASES,
    version::table::CASES,
    rights::table::CASES,
    nodes::table::CASES,
    platforms::table::CASES,
    dns::table::CASES,
    gives_addresses::table::CASES,
    free_address::table::CASES,
    competitor::table::CASES,
    earlier::table::CASES,
    images::table::CASES,
];
