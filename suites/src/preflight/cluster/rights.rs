//! This account may install Istio and the demo.

use std::collections::BTreeSet;

use crate::entry::check;
use crate::format::{RIGHT, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::{ClusterLook, PreflightEvidence, Right};
use crate::steps::cluster as steps;

check! {
    /// The tutorial implies an account that may install Istio and the demo.
    ///
    /// ## Why it matters
    /// Without one of the rights `istioctl install` fails after it has created some objects.
    ///
    /// ## How it is checked
    /// Creates a SelfSubjectAccessReview for each right that an install needs. Every account may do so.
    ///
    /// ## What makes it fail
    /// At least one right is missing.
    ///
    /// ## How to fix it
    /// Ask the cluster's administrator for the role cluster-admin.
    ///
    /// ## Check by hand
    ///     kubectl auth can-i create clusterroles
    cluster::rights: "this account may install Istio and the demo",
    needs: ClusterNamed,
    after: server_answers,
}

/// How many missing rights a headline names.
const NAMED: usize = 4;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let ClusterLook { rights, seen, .. } = &evidence.cluster;
    let rights = rights.look("the rights of this account")?;
    if rights.is_empty() {
        return Err(Judgement::unjudged("no right was tested"));
    }
    let missing: Vec<_> = rights.iter().filter(|right| !right.allowed).collect();
    let Some(first) = missing.first() else {
        return Ok(Judgement::pass(format!(
            "this account has all {} that an install needs",
            count(rights.len(), RIGHT)
        )));
    };
    let mut named: Vec<_> = missing.iter().map(|right| format_right(right)).collect();
    let mut known = BTreeSet::new();
    named.retain(|right| known.insert(right.clone()));
    if named.len() > NAMED {
        let more = named.split_off(NAMED).len();
        named.push(format!("{more} more"));
    }
    Err(Judgement::fail(format!("this account may not {}", list(&named)))
        .expected(format!("{0} of {0} rights", rights.len()))
        .observed(format!("{} of {} rights", rights.len() - missing.len(), rights.len()))
        .object(format!("credentials of context {}", seen.subject.context))
        .steps(steps::ask_for_rights(seen, &first.verb, &first.resource, &first.namespace)))
}

/// Formats a right: `create deployments.apps in namespace istio-system`.
fn format_right(right: &Right) -> String {
    if right.namespace.is_empty() {
        format!("{} {}", right.verb, right.resource)
    } else {
        format!("{} {} in namespace {}", right.verb, right.resource, right.namespace)
    }
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    /// Adds rights to create these, which the account does not have.
    fn missing(e: &mut PreflightEvidence, resources: &[&str]) {
        let right = |resource: &&str| Right {
            verb: "create".into(),
            resource: (*resource).into(),
            ..Right::default()
        };
        of(&mut e.cluster.rights).extend(resources.iter().map(right));
    }

    cases! { PreflightEvidence:
        all_allowed(|_| {}, Pass);
        one_missing(|e| of(&mut e.cluster.rights)[0].allowed = false, Fail);
        in_a_namespace(|e| of(&mut e.cluster.rights)[1].allowed = false, Fail);
        many(|e| {
            let right = Right { verb: "create".into(), resource: "secrets".into(), ..Right::default() };
            of(&mut e.cluster.rights).extend(std::iter::repeat_n(right, 6));
        }, Fail);
        many_and_different(|e| missing(e, &["secrets", "pods", "services", "nodes", "events"]), Fail);
        as_many_as_are_named(|e| missing(e, &["secrets", "pods", "services", "nodes"]), Fail);
        none_tested(|e| of(&mut e.cluster.rights).clear(), Unjudged);
        rights_unknown(|e| e.cluster.rights = Observation::failed("forbidden"), Unjudged);
    }
}
