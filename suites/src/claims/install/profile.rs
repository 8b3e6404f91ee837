//! Whether what stands in the control plane's namespace is the default profile.

use super::is_istiod;
use crate::combine::all_hold;
use crate::evidence::{Deployment, Evidence, Expectations};
use crate::facts::gateway::is_ingress_gateway;
use crate::format::{DEFINITION, count, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;

/// The definitions that Istio 1.20 and newer bring. `istiooperators.install.istio.io` is not
/// among them: it went away with the operator.
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

pub(in super::super) fn default_profile(evidence: &Evidence) -> Judged {
    let words = all_hold([deployments(evidence), definitions(evidence)])?;
    Ok(Judgement::pass(words.join("; ")))
}

fn deployments(evidence: &Evidence) -> Judged {
    let Expectations { istio_namespace, gateway, .. } = &evidence.expectations;
    let what = format!("the deployments of namespace {istio_namespace}");
    let object = format!("namespace {istio_namespace}");
    let install = || format!("`{}` installs the default profile", evidence.install_default());
    let deployments = require(&evidence.install.deployments, &what, &object, install)?;
    let names = |of: &[&Deployment]| {
        list(&of.iter().map(|deployment| deployment.name.as_str()).collect::<Vec<_>>())
    };
    let expected = format!("istiod, one ingress gateway ({gateway}), no egress gateway");
    let all: Vec<_> = deployments.iter().collect();
    let missing = |part: &str| {
        Judgement::fail(format!("{part} is missing: this is not the default profile"))
            .expected(&expected)
            .observed(format!("deployments: {}", names(&all)))
            .object(&object)
            .legacy_hint(install())
    };
    let too_many = |what: String, surplus: &Deployment| {
        let remove = ["-n", istio_namespace, "delete", "deployment,service", &surplus.name];
        let command = evidence.kubectl(&[&remove[..], &["--ignore-not-found"]].concat());
        Judgement::fail(what)
            .expected(&expected)
            .observed(format!("deployments: {}", names(&all)))
            .object(Object::deployment(surplus))
            .legacy_hint(format!("`{command}` removes it"))
    };
    let istiods: Vec<_> =
        deployments.iter().filter(|deployment| is_istiod(&deployment.template_labels)).collect();
    if istiods.is_empty() {
        return Err(missing("istiod"));
    }
    let gateways: Vec<_> =
        deployments.iter().filter(|deployment| is_ingress_gateway(deployment, evidence)).collect();
    if gateways.is_empty() {
        return Err(missing("the ingress gateway"));
    }
    if gateways.len() > 1 {
        let surplus = gateways.iter().find(|other| other.name != *gateway).unwrap_or(&gateways[0]);
        let what = format!("there are {} ingress gateways: {}", gateways.len(), names(&gateways));
        return Err(too_many(what, surplus));
    }
    if let Some(egress) = deployments.iter().find(|deployment| is_egress_gateway(deployment)) {
        let what =
            "an egress gateway is installed: the profile `demo` has one, the default does not";
        return Err(too_many(what.to_owned(), egress));
    }
    Ok(Judgement::pass(format!("{} and {}, no egress gateway", names(&istiods), names(&gateways))))
}

fn is_egress_gateway(deployment: &Deployment) -> bool {
    deployment.name == "istio-egressgateway"
        || deployment.template_labels.get("istio").is_some_and(|istio| istio == "egressgateway")
}

fn definitions(evidence: &Evidence) -> Judged {
    let show = || {
        let crds = evidence.kubectl(&["get", "crds"]);
        format!("`{crds}` shows what there is; `{}` restores them", evidence.install_default())
    };
    let object = "Istio's custom resource definitions";
    let crds = require(&evidence.install.crds, object, object, show)?;
    let wrong: Vec<_> = CRDS
        .iter()
        .filter_map(|name| match crds.iter().find(|crd| crd.name == *name) {
            None => Some(format!("{name} is missing")),
            Some(crd) if !crd.established => Some(format!("{name} is not established")),
            Some(_) => None,
        })
        .collect();
    if wrong.is_empty() {
        return Ok(Judgement::pass(format!("{} established", count(CRDS.len(), DEFINITION))));
    }
    Err(Judgement::fail(if wrong.len() == CRDS.len() {
        "none of Istio's custom resource definitions can be used".to_owned()
    } else {
        format!("a custom resource definition cannot be used: {}", wrong[0])
    })
    .expected(format!("{}, all established", count(CRDS.len(), DEFINITION)))
    .observed(match wrong.len() {
        ..=3 => list(&wrong),
        more => format!("{}, and {} more", wrong[..3].join(", "), more - 3),
    })
    .object(object)
    .legacy_hint(show()))
}
