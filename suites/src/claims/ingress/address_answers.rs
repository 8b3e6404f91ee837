//! The gateway's address answers from outside of the mesh.

use super::{bring_back_gateway, gateway_object};
use crate::claims::by_name::default_profile::{self, looks_in_wrong_place};
use crate::claims::by_name::{control_plane_running, external_address};
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::gateway::{
    has_address, has_no_gateway_deployment, is_ingress_gateway, lacks_address,
};
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, require};

claim! {
    /// The tutorial implies that the gateway's external address leads to the gateway.
    ///
    /// ## Why it matters
    /// A load balancer may hand out an address that no machine reaches, or that leads nowhere.
    ///
    /// ## How it is checked
    /// Asks `http://ADDRESS:15021/healthz/ready` from this machine. Where this machine has no route to the cluster's
    /// network, a container on that network asks instead. The answer must be 200. The report says from where it asked.
    ///
    /// ## What makes it fail
    /// - Nothing answers, or the gateway is not ready.
    /// - The gateway has no deployment (`default_profile`) or no ready pod (`control_plane_running`).
    /// - The service has no address (`external_address`).
    ///
    /// ## How to fix it
    /// Scale the gateway up where it has 0 replicas. Make its service select its pods. Else look at its pods and
    /// endpoints.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get service istio-ingressgateway
    ///     curl -i http://ADDRESS:15021/healthz/ready
    ingress::address_answers: "the gateway's address answers from outside of the mesh",
    beyond: true,
    needs: Request,
    stops: [LoadBalancer],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if has_no_deployment,
        control_plane_running if no_gateway_pod_is_ready,
        external_address if has_no_address_to_ask,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let object = gateway_object(evidence);
    let bring_back = || bring_back_gateway(evidence);
    let answer = require(&evidence.ingress.health, "the gateway's health", &object, bring_back)?;
    if answer.status != 200 {
        return Err(Judgement::fail(format!(
            "{} is not ready: {}",
            evidence.expectations.gateway, answer.status
        ))
        .expected(format!("{}: 200", answer.request))
        .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
        .object(object)
        .steps(bring_back()));
    }
    Ok(Judgement::pass(format!("{} from {}: 200", answer.request, answer.vantage)))
}

/// There is an address, and no deployment that could answer at it.
fn has_no_deployment(effect: &Effect<'_, Evidence>) -> bool {
    has_no_gateway_deployment(effect.evidence) && has_address(effect.evidence)
}

fn no_gateway_pod_is_ready(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let deployments = evidence.install.deployments.value().into_iter().flatten();
    let mut gateways = deployments.filter(|one| is_ingress_gateway(one, evidence)).peekable();
    let Some(pods) = evidence.install.pods.value() else { return false };
    has_address(evidence)
        && gateways.peek().is_some()
        && gateways.all(|gateway| {
            !pods.iter().any(|pod| gateway.selects(pod) && pod.is_running_and_ready())
        })
}

fn has_no_address_to_ask(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.ingress.health.value().is_none() && lacks_address(effect.evidence)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{gateway_service as gateway, installed, of, scale_to_zero};

    cases! { Evidence:
        healthy(|_| {}, Pass);
        not_ready(|e| of(&mut e.ingress.health).status = 503, Fail);
        no_route(|e| e.ingress.health = Observation::absent("nothing answers: no route to host"), Fail);
        refused(|e| e.ingress.health = Observation::absent("nothing answers: connection refused"), Fail);
        unseen(|e| e.ingress.health = Observation::failed("services is forbidden"), Unjudged);
        asleep(|e| { let name = e.expectations.gateway.clone(); scale_to_zero(installed(e, &name)); e.ingress.health = Observation::absent("nothing answers: refused"); }, Fail);
        selects_nothing(|e| {
            gateway(e).selector = [("istio".into(), "gateway".into())].into();
            e.ingress.health = Observation::absent("nothing answers: refused");
        }, Fail);
        selects_its_pods(|e| e.ingress.health = Observation::absent("nothing answers: refused"), Fail);
        not_asked(|e| e.ingress.health = Observation::not_asked("--only"), Skipped);
    }
}
