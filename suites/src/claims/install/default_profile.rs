//! The default profile is installed: istiod, one ingress gateway, no egress gateway.

use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Expectations};
use crate::facts::gateway::is_ingress_gateway;
use crate::facts::installation::{
    Elsewhere, OtherGateway, control_plane_elsewhere, gateway_daemon_set, gateway_elsewhere,
};
use crate::facts::istiod::{has_no_istiod, install_stopped_at_istiod, is_istiod, is_istiod_down};
use crate::format::{CRD, count, list};
use crate::judgement::{Judged, Judgement, Look as _, TextChange, Verdict, require};
use crate::object::Object;
use crate::profile;
use crate::steps::Step;
use crate::steps::istio::{
    install_default, restore_control_plane, restore_definitions, set_places,
};
use crate::steps::workloads::{delete_with_service, list_all};

claim! {
    /// The tutorial says: "For a standard installation (which is suitable for most use cases), you can use the
    /// default profile: `istioctl install --set profile=default -y`".
    ///
    /// ## Why it matters
    /// The profile decides which parts of Istio run. The tutorial needs istiod for injection, and the ingress gateway for
    /// traffic from outside. An egress gateway is a sign of another profile, such as `demo`.
    ///
    /// ## How it is checked
    /// - Lists the deployments of the control plane's namespace (`list` on `deployments`). One is istiod, exactly one is an
    ///   ingress gateway, and none is an egress gateway.
    /// - Reads the API discovery, which every account may. All custom resource definitions (CRDs) of Istio are established.
    ///
    /// ## What makes it fail
    /// - istiod or the ingress gateway is not installed, or the namespace does not exist. If the install stopped because
    ///   istiod does not run, `control_plane_running` is the cause.
    /// - There is a second ingress gateway or an egress gateway.
    /// - Istio is in another namespace than the expected one.
    /// - A CRD is missing or not established.
    ///
    /// An ingress gateway in another namespace, or one that is a `DaemonSet`, makes it *changed*.
    ///
    /// ## How to fix it
    /// - A part or a CRD is missing: run `istioctl install --set profile=default -y` again. If Helm or an operator
    ///   installed Istio, use that instead.
    /// - Istio or its gateway is in another place: set `istio.namespace`, `istio.gateway` and `istio.gateway-namespace` in
    ///   `meshcheck.toml`.
    /// - A gateway too many: delete its deployment and its service.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get deployments
    ///     kubectl get crds | grep istio.io
    install::default_profile: "the default profile is installed: istiod, one ingress gateway, no egress gateway",
    needs: Reading,
    caused_by: [
        control_plane_running if gateway_waits_for_istiod,
    ],
}

/// The CRDs of all versions of Istio; the profile of a version has further ones. `istiooperators.install.istio.io` is not
/// among them: it was removed with the operator.
/// Source: `manifests/charts/base/crds/crd-all.gen.yaml`.
const CRDS: [&str; 14] = [
    "authorizationpolicies.security.istio.io",
    "destinationrules.networking.istio.io",
    "envoyfilters.networking.istio.io",
    "gateways.networking.istio.io",
    "peerauthentications.security.istio.io",
    "proxyconfigs.networking.istio.io",
    "requestauthentications.security.istio.io",
    "serviceentries.networking.istio.io",
    "sidecars.networking.istio.io",
    "telemetries.telemetry.istio.io",
    "virtualservices.networking.istio.io",
    "wasmplugins.extensions.istio.io",
    "workloadentries.networking.istio.io",
    "workloadgroups.networking.istio.io",
];

/// What the tutorial installs, without its command: it would be wrong where another program installed Istio.
const SENTENCE: &str = "For a standard installation (which is suitable for most use cases), you can use the default profile:";

fn judge(evidence: &Evidence) -> Judged {
    if let Some(place) = control_plane_elsewhere(evidence) {
        let namespace = &evidence.expectations.istio_namespace;
        let observed = match place {
            Elsewhere::Namespace(other) => format!("istiod in namespace {other}"),
            Elsewhere::Url(url) => format!("istiod at {url}"),
        };
        return Err(Judgement::fail(format!("{place}, not in namespace {namespace}"))
            .expected(format!("istiod in namespace {namespace}"))
            .observed(observed)
            .object(Object::global("namespace", namespace))
            .steps(set_places(evidence)));
    }
    let parts = all_hold([check_deployments(evidence), check_definitions(evidence)])?;
    Ok(Judgement::pass(parts.join("; ")))
}

fn check_deployments(evidence: &Evidence) -> Judged {
    let Expectations { istio_namespace, gateway, .. } = &evidence.expectations;
    let what = format!("the deployments of namespace {istio_namespace}");
    let object = Object::global("namespace", istio_namespace);
    let install = || install_default(evidence, "Install the default profile");
    let deployments = require(&evidence.install.deployments, &what, &object, install)?;
    let names = |of: &[&Deployment]| {
        list(&of.iter().map(|deployment| deployment.name.as_str()).collect::<Vec<_>>())
    };
    let fail = |summary: String| {
        let all: Vec<_> = deployments.iter().collect();
        Judgement::fail(summary)
            .expected(format!("deployments: istiod and {gateway}, no egress gateway"))
            .observed(format!("deployments: {}", names(&all)))
    };
    let missing = |part: &str, step: Step| {
        let show = || list_all(evidence, istio_namespace, &[], "List the deployments and pods");
        fail(format!("{part} is not installed, the default profile includes it"))
            .object(object.clone())
            .steps(step.command.is_none().then(show))
            .step(step)
    };
    let too_many = |summary: String, surplus: &Deployment| {
        fail(summary)
            .object(Object::deployment(surplus))
            .step(delete_with_service(evidence, surplus))
    };
    let istiods: Vec<_> =
        deployments.iter().filter(|deployment| is_istiod(&deployment.template_labels)).collect();
    if istiods.is_empty() {
        return Err(missing("istiod", restore_control_plane(evidence, "Restore istiod")));
    }
    let gateways: Vec<_> =
        deployments.iter().filter(|deployment| is_ingress_gateway(deployment, evidence)).collect();
    let daemon_set = gateway_daemon_set(evidence);
    let other_place = gateway_elsewhere(evidence);
    if gateways.is_empty() && daemon_set.is_none() {
        evidence.install.pods.known("whether the gateway is a DaemonSet")?;
        evidence.install.services.known("the gateway's service")?;
        require_place(evidence)?;
        if other_place.is_none() {
            return Err(missing("the ingress gateway", install()));
        }
    }
    if gateways.len() > 1 {
        let surplus = gateways.iter().find(|other| other.name != *gateway).unwrap_or(&gateways[0]);
        let what =
            format!("{} ingress gateways are installed: {}", gateways.len(), names(&gateways));
        return Err(too_many(what, surplus));
    }
    if let Some(egress) = deployments.iter().find(|deployment| is_egress_gateway(deployment)) {
        let what = format!(
            "deployment {} is an egress gateway, the default profile has none",
            egress.name
        );
        return Err(too_many(what, egress));
    }
    let changed = |summary: String, id: &str, expected: String, observed: String| {
        let change = TextChange::new(id, SENTENCE).now(&summary);
        Judgement::changed(summary, change)
            .expected(expected)
            .observed(observed)
            .object(object.clone())
            .steps(set_places(evidence))
    };
    if let Some(other) = other_place {
        let namespace = evidence.expectations.gateway_namespace();
        let summary = format!("{other}, not in namespace {namespace}");
        let expected = format!("gateway {gateway} in namespace {namespace}");
        let observed = format!("gateway {} in namespace {}", other.name, other.namespace);
        return Err(changed(summary, "gateway-elsewhere", expected, observed));
    }
    if let Some(name) = daemon_set.filter(|_| gateways.is_empty()) {
        let summary = format!("the ingress gateway {name} is a DaemonSet, not a Deployment");
        let (expected, observed) = (format!("deployment {gateway}"), format!("daemonset {name}"));
        return Err(changed(summary, "gateway-daemon-set", expected, observed));
    }
    Ok(Judgement::pass(format!(
        "deployments {} and {}, no egress gateway",
        names(&istiods),
        names(&gateways)
    )))
}

/// Requires that the services show whether the gateway is in another namespace.
pub(crate) fn require_place(evidence: &Evidence) -> Result<(), Judgement> {
    let namespace = evidence.expectations.gateway_namespace();
    let what = format!("whether the gateway is in another namespace than {namespace}");
    evidence.cluster.load_balancer_services.known(&what)
}

fn is_egress_gateway(deployment: &Deployment) -> bool {
    deployment.name == "istio-egressgateway"
        || deployment.template_labels.get("istio").is_some_and(|istio| istio == "egressgateway")
}

fn check_definitions(evidence: &Evidence) -> Judged {
    let object = "Istio's custom resource definitions";
    let restore = || restore_definitions(evidence);
    let crds = require(&evidence.install.crds, object, object, restore)?;
    let profile = profile::nearest(&evidence.expectations.istio_version).map(|it| it.profile);
    let further = profile.into_iter().flat_map(|it| &it.further_crds).map(String::as_str);
    let names: Vec<_> = CRDS.into_iter().chain(further).collect();
    let wrong: Vec<_> = names
        .iter()
        .filter_map(|name| match crds.iter().find(|crd| crd.name == *name) {
            None => Some(format!("{name} is missing")),
            Some(crd) if !crd.established => Some(format!("{name} is not established")),
            Some(_) => None,
        })
        .collect();
    if wrong.is_empty() {
        return Ok(Judgement::pass(format!("{} established", count(names.len(), CRD))));
    }
    let all = names.len();
    Err(Judgement::fail(match wrong.len() {
        1 => format!("CRD {}", wrong[0]),
        number if number == all => "no CRD of Istio is established".to_owned(),
        number => format!("{number} of Istio's {all} CRDs are missing or not established"),
    })
    .expected(format!("{all} of {all} established"))
    .observed(format!(
        "{} of {all} established: {}",
        all - wrong.len(),
        match wrong.len() {
            ..=3 => list(&wrong),
            more => format!("{} and {} more", wrong[..3].join(", "), more - 3),
        }
    ))
    .object(object)
    .steps(restore()))
}

/// Whether a claim is unjudged because Istio or its gateway is not in the expected namespace.
pub(crate) fn looks_in_wrong_place(effect: &Effect<'_, Evidence>) -> bool {
    let Effect { evidence, judgement, .. } = effect;
    let is_named = |it: OtherGateway<'_>| judgement.summary.contains(&it.to_string());
    judgement.verdict == Verdict::Unjudged
        && (control_plane_elsewhere(evidence).is_some()
            || gateway_elsewhere(evidence).is_some_and(is_named))
}

/// Whether a claim fails because istiod is not installed. Where a pod of it still answers, there is another reason.
pub(crate) fn istiod_is_not_installed(effect: &Effect<'_, Evidence>) -> bool {
    has_no_istiod(effect.evidence)
        && is_istiod_down(effect.evidence)
        && effect.judgement.verdict == Verdict::Fail
}

/// Whether the gateway is missing because the install stopped at istiod, which is installed before it.
fn gateway_waits_for_istiod(effect: &Effect<'_, Evidence>) -> bool {
    let namespace = Object::global("namespace", &effect.evidence.expectations.istio_namespace);
    install_stopped_at_istiod(effect.evidence) && effect.is_about(namespace)
}

#[cfg(test)]
mod cases {
    use std::collections::BTreeMap;

    use crate::entry::cases;
    use crate::evidence::{BundleFacts, Evidence, Observation};
    use crate::testing::{gateway, installed, mark_helm, move_gateway, of};

    fn add_deployment(evidence: &mut Evidence, name: &str, istio: &str) {
        let gateway = evidence.expectations.gateway.clone();
        let mut copy = installed(evidence, &gateway).clone();
        copy.name = name.into();
        copy.template_labels.insert("istio".into(), istio.into());
        of(&mut evidence.install.deployments).push(copy);
    }

    fn remove_deployment(evidence: &mut Evidence, name: &str) {
        of(&mut evidence.install.deployments).retain(|deployment| deployment.name != name);
    }

    /// Moves istiod to the namespace `mesh`.
    fn move_istiod(evidence: &mut Evidence) {
        of(&mut evidence.install.namespaces).insert("mesh".into(), BTreeMap::new());
        of(&mut evidence.install.pods).clear();
        of(&mut evidence.install.deployments).clear();
        let services =
            of(&mut evidence.install.webhooks).iter_mut().filter_map(|it| it.service.as_mut());
        services.for_each(|it| it.namespace = "mesh".into());
        for it in of(&mut evidence.install.mesh_pods) {
            it.namespace = "mesh".into();
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        definition_of_a_newer_version_is_missing(|e| e.expectations.istio_version = "1.30.0".into(), Fail);
        definition_of_a_newer_version(|e| {
            e.expectations.istio_version = "1.30.0".into();
            let mut more = of(&mut e.install.crds)[0].clone();
            more.name = "trafficextensions.extensions.istio.io".into();
            of(&mut e.install.crds).push(more);
        }, Pass);
        no_operator(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("istiooperators")), Pass);
        other_workload(|e| add_deployment(e, "prometheus", "none"), Pass);
        egress(|e| add_deployment(e, "istio-egressgateway", "egressgateway"), Fail);
        egress_by_label(|e| add_deployment(e, "leave", "egressgateway"), Fail);
        second_ingress(|e| add_deployment(e, "second", "ingressgateway"), Fail);
        no_gateway(|e| { let name = e.expectations.gateway.clone(); remove_deployment(e, &name); }, Fail);
        gateway_daemon_set(|e| {
            let name = e.expectations.gateway.clone();
            remove_deployment(e, &name);
            gateway(e).owner = Some(format!("DaemonSet/{name}"));
        }, Changed);
        gateway_elsewhere(move_gateway, Changed);
        gateway_perhaps_elsewhere(|e| { move_gateway(e); e.cluster.load_balancer_services = Observation::failed("services is forbidden"); }, Unjudged);
        gateway_elsewhere_and_here_unread(|e| { move_gateway(e); e.install.services = Observation::failed("services is forbidden"); }, Unjudged);
        gateway_elsewhere_as_configured(|e| {
            move_gateway(e);
            e.expectations.gateway_namespace = Some("edge".into());
            let mut gateway = installed(e, "istiod").clone();
            (gateway.name, gateway.namespace) = (e.expectations.gateway.clone(), "edge".into());
            gateway.template_labels.clear();
            of(&mut e.install.deployments).push(gateway);
        }, Pass);
        istiod_elsewhere(move_istiod, Fail);
        istiod_elsewhere_without_its_pods(|e| { move_istiod(e); e.install.mesh_pods = Observation::failed("not recorded"); }, Fail);
        istiod_outside_of_the_cluster(|e| {
            move_istiod(e);
            e.install.mesh_pods = Observation::seen(vec![]);
            for webhook in of(&mut e.install.webhooks) {
                webhook.service = None;
                webhook.url = Some("https://istiod.example.com/inject".into());
            }
        }, Fail);
        webhook_of_a_deleted_namespace(|e| { move_istiod(e); of(&mut e.install.namespaces).remove("mesh"); }, Fail);
        helm_lost_istiod(|e| { mark_helm(e); remove_deployment(e, "istiod"); }, Fail);
        helm_lost_its_gateway(|e| { mark_helm(e); let name = e.expectations.gateway.clone(); remove_deployment(e, &name); }, Fail);
        operator_lost_istiod(|e| {
            let marks = [("app.kubernetes.io/managed-by".to_owned(), "sail-operator".to_owned())];
            for it in of(&mut e.install.webhooks) {
                it.marks = marks.clone().into();
            }
            remove_deployment(e, "istiod");
        }, Fail);
        named_istio_operator_lost_istiod(|e| {
            let marks = [("install.operator.istio.io/owning-resource".to_owned(), "prod-mesh".to_owned())];
            for it in of(&mut e.install.webhooks) {
                it.marks = marks.clone().into();
            }
            remove_deployment(e, "istiod");
        }, Fail);
        no_istiod(|e| remove_deployment(e, "istiod"), Fail);
        no_deployments(|e| of(&mut e.install.deployments).clear(), Fail);
        no_namespace(|e| e.install.deployments = Observation::absent("no namespace"), Fail);
        definition_missing(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail);
        definitions_partly_missing(|e| of(&mut e.install.crds).retain(|crd| !crd.name.contains("security")), Fail);
        definitions_all_missing(|e| of(&mut e.install.crds).clear(), Fail);
        definition_not_established(|e| of(&mut e.install.crds)[0].established = false, Fail);
        definitions_unread(|e| e.install.crds = Observation::failed("forbidden"), Unjudged);
        deployments_unread(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged);
        no_istiod_and_definitions_unread(|e| {
            e.install.crds = Observation::failed("forbidden");
            remove_deployment(e, "istiod");
        }, Fail);
        no_istiod_and_install_options(|e| {
            let install_set = vec!["values.a=b".to_owned()];
            e.subject.bundle = Some(BundleFacts { origin: "lab".into(), key: String::new(), install_set, notes: vec![] });
            remove_deployment(e, "istiod");
        }, Fail);
    }
}
