//! The section *cluster*.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::super::evidence::*;
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

pub(crate) mod server {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        answers(|_| {}, Pass);
        silent(no_answer, Fail);
        silent_behind_a_proxy(|e| { no_answer(e); e.cluster.seen.subject.context = "vm7".into(); of(&mut e.machine.proxies).variables.push("HTTPS_PROXY".into()); }, Fail);
        node_stopped(|e| of_kind(e, "exited"), Fail);
        node_gone(|e| { of_kind(e, "exited"); of(&mut e.machine.kind_nodes).clear(); }, Fail);
        node_runs(|e| of_kind(e, "running"), Fail);
        engine_unseen(|e| { of_kind(e, "exited"); e.machine.kind_nodes = Observation::failed("no"); }, Fail);
        refused(|e| { no_answer(e); e.cluster.credentials_refused = true; }, Fail);
        refused_by_kinds(|e| { no_answer(e); e.cluster.credentials_refused = true; e.cluster.seen.subject.context = "kind-class".into(); }, Fail);
        not_seen(|e| e.cluster.server = Observation::failed("interrupted"), Unjudged);
    }
}

fn apart(evidence: &mut PreflightEvidence, seconds: i64) {
    let server = of(&mut evidence.cluster.server);
    server.clock = Some(server.ours + SignedDuration::from_secs(seconds));
}

pub(crate) mod clocks {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        agree(|_| {}, Pass);
        nearly(|e| apart(e, -30), Pass);
        ahead(|e| apart(e, 121), Fail);
        behind(|e| apart(e, -4000), Fail);
        untold(|e| of(&mut e.cluster.server).clock = None, Unjudged);
        no_server(no_answer, Unjudged);
    }
}

pub(crate) mod version {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        supported(|_| {}, Pass);
        too_old(|e| e.cluster.seen.cluster.server_version = Observation::seen("v1.9.0".into()), Fail);
        not_seen(|e| e.cluster.seen.cluster.server_version = Observation::failed("timed out"), Unjudged);
    }
}

pub(crate) mod rights {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        all(|_| {}, Pass);
        one_missing(|e| of(&mut e.cluster.rights)[0].allowed = false, Fail);
        in_a_namespace(|e| of(&mut e.cluster.rights)[1].allowed = false, Fail);
        many(|e| {
            let right = Right { verb: "create".into(), resource: "secrets".into(), ..Right::default() };
            of(&mut e.cluster.rights).extend(std::iter::repeat_n(right, 6));
        }, Fail);
        none_asked(|e| of(&mut e.cluster.rights).clear(), Unjudged);
        not_seen(|e| e.cluster.rights = Observation::failed("forbidden"), Unjudged);
    }
}

pub(crate) mod nodes {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        ready(|_| {}, Pass);
        cordoned(|e| of(&mut e.cluster.seen.cluster.nodes)[0].unschedulable = true, Fail);
        no_room(|e| of(&mut e.cluster.seen.cluster.nodes)[0].allocatable.cpu_millis = 1000, Fail);
        not_seen(|e| e.cluster.seen.cluster.nodes = Observation::failed("forbidden"), Unjudged);
    }
}

fn platform(evidence: &mut PreflightEvidence) -> &mut Platform {
    &mut of(&mut evidence.cluster.platforms)[0]
}

pub(crate) mod platforms {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        amd64(|_| {}, Pass);
        arm64(|e| platform(e).architecture = "arm64".into(), Pass);
        arm(|e| platform(e).architecture = "arm".into(), Fail);
        windows(|e| platform(e).os = "windows".into(), Fail);
        mixed(|e| {
            let mut other = platform(e).clone();
            other.os = "windows".into();
            of(&mut e.cluster.platforms).insert(0, other);
        }, Pass);
        no_nodes(|e| of(&mut e.cluster.platforms).clear(), Fail);
        not_seen(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged);
    }
}

pub(crate) mod dns {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        runs(|_| {}, Pass);
        on_the_node(|e| {
            for pod in &mut of(&mut e.cluster.seen.cluster.dns).pods {
                pod.host_network = true;
            }
        }, Fail);
        not_seen(|e| e.cluster.seen.cluster.dns = Observation::failed("forbidden"), Unjudged);
    }
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

pub(crate) mod gives_addresses {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        tried(|_| {}, Pass);
        tried_and_others_hold(|e| services(e).push(service("kong", Some("172.18.255.252"))), Pass);
        metallb(not_tried, Pass);
        metallb_some_held(|e| { not_tried(e); services(e).push(service("kong", Some("172.18.255.252"))); }, Pass);
        metallb_others_hold_elsewhere(|e| { not_tried(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        metallb_used_up(|e| { one_address(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail);
        metallb_used_up_by_the_gateway(|e| {
            one_address(e);
            let gateway = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
            services(e).push(Service { load_balancer_addresses: vec!["172.18.255.251".into()], ..gateway });
        }, Pass);
        metallb_ipv6(|e| { not_tried(e); of(&mut e.cluster.pools)[0].addresses = vec!["fd00::1-fd00::9".into()]; }, Pass);
        metallb_without_a_pool(|e| { not_tried(e); of(&mut e.cluster.pools).clear(); }, Fail);
        metallb_of_which_nobody_knows_pools(|e| { not_tried(e); e.cluster.pools = Observation::absent("no such kind"); }, Fail);
        metallb_pool_by_name_only(|e| { not_tried(e); of(&mut e.cluster.pools)[0].auto_assign = false; }, Fail);
        metallb_speaker_not_ready(|e| { not_tried(e); of(&mut e.cluster.controllers)[1].ready = 0; }, Fail);
        metallb_pools_unseen(|e| { not_tried(e); e.cluster.pools = Observation::failed("forbidden"); }, Unjudged);
        metallb_services_unseen(|e| { not_tried(e); e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"); }, Unjudged);
        kube_vip(|e| called(e, "ghcr.io/kube-vip/kube-vip:v0.8"), Pass);
        kube_vip_not_ready(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].ready = 0; }, Fail);
        k3s(|e| { plain(e); platform(e).provider_id = "k3s://vm7".into(); }, Skipped);
        something_unknown(|e| { plain(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        plain_cluster(plain, Unjudged);
        plain_and_somebody_waits(|e| { plain(e); services(e).push(service("kong", None)); }, Fail);
        plain_and_tried(|e| { in_vain(e); of(&mut e.cluster.controllers).clear(); }, Fail);
        scaled_to_zero(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].wanted = 0; }, Unjudged);
        not_seen(|e| { not_tried(e); e.cluster.controllers = Observation::failed("forbidden"); }, Unjudged);
    }
}

pub(crate) mod free_address {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        got(|_| {}, Pass);
        none(in_vain, Fail);
        not_asked(not_tried, Skipped);
        not_possible(|e| e.cluster.seen.cluster.load_balancer_probe = Observation::failed("time-out"), Unjudged);
    }
}

pub(crate) mod competitor {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        none(|_| {}, Pass);
        one(|e| { in_vain(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail);
        not_seen(|e| e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
    }
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

pub(crate) mod earlier {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        nothing(|_| {}, Pass);
        the_same(installed, Pass);
        another_version(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail);
        another_version_may_stay(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail);
        by_its_image(|e| { installed(e); of(&mut e.cluster.seen.install.istiod).clear(); }, Pass);
        no_version(|e| {
            installed(e);
            of(&mut e.cluster.seen.install.istiod).clear();
            istiod(e).containers.clear();
        }, Unjudged);
        not_ready(|e| { installed(e); istiod(e).ready = false; }, Fail);
        webhook_left(without_istiod, Fail);
        validating_left(|e| {
            without_webhooks(e);
            of(&mut e.cluster.validating).push(ValidatingWebhook {
                configuration: "istio-validator".into(),
                service: "istiod".into(),
                namespace: "istio-system".into(),
            });
        }, Fail);
        validating_of_others(|e| of(&mut e.cluster.validating).push(ValidatingWebhook {
            configuration: "metallb".into(), service: "webhook".into(), namespace: "metallb-system".into(),
        }), Pass);
        deployments_left(|e| { without_webhooks(e); e.cluster.seen.install.deployments = healthy().install.deployments; }, Fail);
        services_left(|e| { without_webhooks(e); e.cluster.seen.install.services = healthy().install.services; }, Fail);
        objects_left(|e| {
            without_webhooks(e);
            of(&mut e.cluster.istio_objects).push(IstioObject {
                resource: "virtualservices.networking.istio.io".into(),
                namespace: "shop".into(),
                name: "cart".into(),
            });
        }, Fail);
        kinds_left(without_webhooks, Pass);
        one_kind_left(|e| { without_webhooks(e); of(&mut e.cluster.seen.install.crds).truncate(1); }, Pass);
        namespace_labelled(labelled, Pass);
        namespace_ending(|e| of(&mut e.cluster.terminating).push("istio-system".into()), Fail);
        demo_ending(|e| of(&mut e.cluster.terminating).push("client".into()), Fail);
        another_namespace_ending(|e| of(&mut e.cluster.terminating).push("shop".into()), Pass);
        pods_unseen(|e| e.cluster.seen.install.pods = Observation::failed("forbidden"), Unjudged);
        webhooks_unseen(|e| e.cluster.seen.install.webhooks = Observation::failed("forbidden"), Unjudged);
        objects_absent_with_their_kinds(|e| { without_webhooks(e); e.cluster.istio_objects = Observation::absent("404"); }, Unjudged);
        objects_unseen(|e| e.cluster.istio_objects = Observation::failed("forbidden"), Unjudged);
        webhook_left_whatever_else(|e| { without_istiod(e); e.cluster.seen.install.namespaces = Observation::failed("forbidden"); }, Fail);
        kinds_unseen(|e| e.cluster.seen.install.crds = Observation::<Vec<Crd>>::failed("forbidden"), Unjudged);
    }
}

fn fewer_images(evidence: &mut PreflightEvidence) {
    platform(evidence).images.truncate(1);
}

pub(crate) mod images {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        all(|_| {}, Pass);
        pulled(fewer_images, Pass);
        not_pulled(|e| {
            fewer_images(e);
            let pull = of(&mut e.cluster.pull);
            pull.came = false;
            pull.words = "ErrImagePull: dial tcp: lookup registry-1.docker.io: no such host".into();
        }, Fail);
        not_tried_where_some_lack(|e| { fewer_images(e); e.cluster.pull = Observation::not_asked("--active tries"); }, Skipped);
        could_not_be_tried(|e| { fewer_images(e); e.cluster.pull = Observation::failed("forbidden"); }, Unjudged);
        more_than_the_kubelet_names(|e| {
            fewer_images(e);
            platform(e).more_images = true;
            e.cluster.pull = Observation::not_asked("--active tries");
        }, Skipped);
        on_one_node_only(|e| {
            let mut other = platform(e).clone();
            other.node = "class-worker".into();
            other.images.clear();
            of(&mut e.cluster.platforms).push(other);
            e.cluster.pull = Observation::failed("forbidden");
        }, Unjudged);
        no_node(|e| of(&mut e.cluster.platforms).clear(), Unjudged);
        none_known(|e| e.software.images.clear(), Unjudged);
        not_seen(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged);
    }
}
