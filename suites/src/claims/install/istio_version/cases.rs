//! The cases of the claim.

use crate::entry::cases;
use crate::evidence::{Container, Evidence, Istiod, Observation, Pod, Provider};
use crate::testing::{demo_pod, gateway, installed, istiod, of, scale_to_zero};

fn proxy(pod: &mut Pod) -> &mut Container {
    let mut all = pod.containers.iter_mut().chain(&mut pod.init_containers);
    all.find(|container| container.name == "istio-proxy").unwrap()
}

fn reports(evidence: &mut Evidence) -> &mut Istiod {
    of(&mut evidence.install.istiod).values_mut().next().unwrap()
}

/// Gives every image of Istio a tag with the expected version.
fn tag(evidence: &mut Evidence, pattern: &str) {
    let tag = pattern.replace("{}", &evidence.expectations.istio_version);
    let pods = of(&mut evidence.install.pods).iter_mut().chain(of(&mut evidence.demo.pods));
    for pod in pods {
        for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
            if container.name == "discovery" || container.name.starts_with("istio-") {
                container.image = format!("mirror.example:5000/istio/any{tag}");
            }
        }
    }
}

/// Gives the whole mesh a vendor's version, where 1.20.3 is expected.
fn build_by_vendor(evidence: &mut Evidence, version: &str) {
    evidence.expectations.istio_version = "1.20.3".into();
    evidence.install.istioctl_version = Observation::not_asked("not used");
    tag(evidence, &format!(":{version}"));
    installed(evidence, "istiod").containers[0].image = format!("gcr.io/asm/pilot:{version}");
    reports(evidence).version = Observation::seen(version.into());
    for row in of(&mut reports(evidence).proxies) {
        row.istio_version = version.into();
    }
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    distroless(|e| tag(e, ":{}-distroless"), Pass);
    digest(|e| tag(e, "@sha256:0123"), Pass);
    moving_tag(|e| tag(e, ":latest"), Pass);
    no_istioctl(|e| e.install.istioctl_version = Observation::not_asked("not used"), Pass);
    istioctl_missing(|e| e.install.istioctl_version = Observation::absent("no istioctl"), Pass);
    old_proxy_terminating(|e| { let pod = demo_pod(e, "echo"); pod.terminating = true; proxy(pod).image = "istio/proxyv2:1.1.0".into(); }, Pass);
    completed_job(|e| {
        let mut job = demo_pod(e, "echo").clone();
        job.name = "job".into();
        job.phase = "Succeeded".into();
        of(&mut e.demo.pods).push(job);
    }, Pass);
    old_proxy_ended(|e| {
        for phase in ["Succeeded", "Failed"] {
            let mut old = demo_pod(e, "echo").clone();
            old.name = phase.to_lowercase();
            old.phase = phase.into();
            proxy(&mut old).image = "docker.io/istio/proxyv2:1.19.7".into();
            of(&mut e.demo.pods).push(old);
        }
    }, Pass);
    vendor_build(|e| build_by_vendor(e, "1.20.3-asm.4"), Changed);
    vendor_build_of_another(|e| build_by_vendor(e, "1.19.7-asm.4"), Fail);
    another_version_expected(|e| e.expectations.istio_version = "1.99.0".into(), Fail);
    half_of_another_version(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(); }, Fail);
    another_version_and_proxies_unread(|e| { e.expectations.istio_version = "1.99.0".into(); reports(e).proxies = Observation::failed("time-out"); }, Fail);
    unused_revision_of_another_version(|e| {
        let mut old = istiod(e).clone();
        old.name = "istiod-1-19-7".into();
        old.labels.insert("istio.io/rev".into(), "1-19-7".into());
        old.containers[0].image = "docker.io/istio/pilot:1.19.7".into();
        of(&mut e.install.pods).push(old);
        let report = Istiod { version: Observation::seen("1.19.7".into()), proxies: Observation::seen(Vec::new()) };
        of(&mut e.install.istiod).insert("istiod-1-19-7".into(), report);
    }, Fail);
    only_istiod_has_another_version_and_no_proxies(|e| {
        istiod(e).labels.insert("istio.io/rev".into(), "1-19-7".into());
        istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into();
        reports(e).version = Observation::seen("1.19.7".into());
        reports(e).proxies = Observation::seen(Vec::new());
    }, Fail);
    longer_version(|e| tag(e, ":{}1"), Fail);
    istiod_image(|e| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail);
    another_version_but_for_an_image(|e| { e.expectations.istio_version = "1.99.0".into(); proxy(gateway(e)).image = "istio/proxyv2:1.19.7".into(); }, Fail);
    another_version_and_a_proxy_without_version(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[0].istio_version.clear(); }, Fail);
    another_version_on_an_existing_cluster(|e| { e.expectations.istio_version = "1.99.0".into(); e.subject.provider = Provider::Existing; e.subject.active = true; }, Fail);
    istiod_report(|e| reports(e).version = Observation::seen("1.19.7".into()), Fail);
    gateway_image(|e| proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
    sidecar_image(|e| proxy(demo_pod(e, "echo")).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
    image_set_by_annotation(|e| {
        let pod = demo_pod(e, "echo");
        pod.annotations.insert("sidecar.istio.io/proxyImage".into(), "istio/proxyv2:1.19.7".into());
        proxy(pod).image = "istio/proxyv2:1.19.7".into();
    }, Fail);
    not_installed(|e| {
        of(&mut e.install.pods).clear();
        of(&mut e.install.deployments).clear();
    }, Fail);
    init_image(|e| demo_pod(e, "client").init_containers[0].image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
    old_proxy_of_a_known_pod(|e| {
        let echo = format!("{}.client", demo_pod(e, "echo").name);
        let row = of(&mut reports(e).proxies).iter_mut().find(|row| row.proxy == echo).unwrap();
        row.istio_version = "1.19.7".into();
    }, Fail);
    sidecar_report(|e| of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(), Fail);
    other_proxy(|e| {
        let mut other = of(&mut reports(e).proxies)[0].clone();
        other.proxy = "pod.elsewhere".into();
        other.istio_version = "1.19.7".into();
        of(&mut reports(e).proxies).push(other);
    }, Fail);
    istioctl(|e| e.install.istioctl_version = Observation::seen("1.19.7".into()), Fail);
    no_istiod(|e| of(&mut e.install.pods).retain(|pod| pod.labels.get("istio").is_none_or(|v| v != "pilot")), Fail);
    istiod_scaled_to_zero(|e| {
        scale_to_zero(installed(e, "istiod"));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
    }, Fail);
    istiod_pending(|e| istiod(e).phase = "Pending".into(), Fail);
    no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail);
    istiod_version_unread(|e| reports(e).version = Observation::failed("time-out"), Unjudged);
    istiod_without_report(|e| of(&mut e.install.istiod).clear(), Unjudged);
    proxies_unread(|e| reports(e).proxies = Observation::failed("time-out"), Unjudged);
    proxy_not_listed(|e| { of(&mut reports(e).proxies).remove(0); }, Unjudged);
    proxy_without_version(|e| of(&mut reports(e).proxies)[0].istio_version.clear(), Unjudged);
    reports_unread(|e| e.install.istiod = Observation::failed("forbidden"), Unjudged);
    pods_unread(|e| e.install.pods = Observation::failed("forbidden"), Unjudged);
    demo_unread(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
    demo_not_asked(|e| e.demo.pods = Observation::not_asked("--only"), Skipped);
    istioctl_unread(|e| e.install.istioctl_version = Observation::failed("killed"), Unjudged);
    wrong_image_and_reports_unread(|e| {
        e.install.istiod = Observation::failed("forbidden");
        proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into();
    }, Fail);
}
