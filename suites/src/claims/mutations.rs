//! For tests: small changes to healthy evidence, and the verdict that each must bring about.

use crate::evidence::{Deployment, Evidence, Observation, Pod};
use crate::judgement::{Judgement, Verdict};
use crate::testing::{healthy, judgement};

/// A change to healthy evidence.
pub(super) type Mutation = fn(&mut Evidence);

/// One change to healthy evidence, and what a claim makes of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) claim: &'static str,
    pub(crate) name: &'static str,
    pub(crate) mutation: Mutation,
    pub(crate) verdict: Verdict,
    /// Words that the judgement must hold.
    pub(super) words: &'static str,
}

impl Case {
    /// Proves the one of this name.
    pub(super) fn prove(cases: &[Self], name: &str) {
        let case = cases.iter().find(|case| case.name == name).expect("a test is made of a row");
        prove(case.claim, case.mutation, case.verdict, case.words);
    }
}

/// The cases of one claim: `NAME(MUTATION, VERDICT, WORDS);`. Each is a test of that name, and a row
/// of `table::CASES`, from which the tests of `completeness` learn what is proven.
macro_rules! cases {
    ($module:ident proves $claim:literal:
        $($name:ident($mutation:expr, $verdict:ident, $words:expr);)+
    ) => {
        mod $module {
            /// Apart from the tests: their names are not to hide the helpers that the rows use.
            pub(in super::super) mod table {
                #[allow(unused_imports, reason = "some tables need no helper")]
                use super::super::*;

                pub(in super::super::super) const CASES: &[$crate::claims::mutations::Case] = &[$(
                    $crate::claims::mutations::Case {
                        claim: $claim,
                        name: stringify!($name),
                        mutation: $mutation,
                        verdict: $crate::judgement::Verdict::$verdict,
                        words: $words,
                    }
                ),+];
            }

            $(
                #[test]
                fn $name() {
                    $crate::claims::mutations::Case::prove(table::CASES, stringify!($name));
                }
            )+
        }
    };
}
pub(super) use cases;

/// What the object of a failure begins with: a kind of Kubernetes' own, a program, or words for many of them.
const KINDS: [&str; 12] = [
    "pod",
    "pods",
    "service",
    "deployment",
    "node",
    "namespace",
    "webhook",
    "istiod",
    "istioctl",
    "the",
    "a",
    "Istio's",
];

/// Judges a claim on changed evidence. The verdict and the words must be those expected, and a
/// failure must say everything that a failure has to say.
pub(super) fn prove(id: &str, mutation: Mutation, verdict: Verdict, words: &str) -> Judgement {
    let mut evidence = healthy();
    mutation(&mut evidence);
    let judgement = judgement(&evidence, id);
    assert_eq!(judgement.verdict, verdict, "{judgement:#?}");
    let text = format!("{judgement:?}");
    assert!(text.contains(words), "`{words}` is not in {judgement:#?}");
    if verdict == Verdict::Fail {
        let complete = [&judgement.expected, &judgement.observed, &judgement.object];
        for part in complete {
            assert!(part.as_ref().is_some_and(|part| !part.is_empty()), "{judgement:#?}");
        }
        let object = judgement.object.clone().unwrap_or_default();
        let kind = object.split(' ').next().unwrap_or_default();
        assert!(KINDS.contains(&kind), "`{object}` does not begin with what it is");
        let hint = judgement.hint.clone().unwrap_or_default();
        let command = hint.split('`').nth(1).unwrap_or_default();
        assert!(
            command.starts_with("istioctl version --remote=false")
                || command.contains(&format!("--context {}", evidence.subject.context)),
            "the hint names a command on this cluster: {hint}"
        );
    }
    judgement
}

/// What was seen, to be changed.
pub(super) fn of<T>(observation: &mut Observation<T>) -> &mut T {
    observation.value_mut().expect("the healthy evidence has it")
}

/// A deployment of the control plane's namespace.
pub(super) fn installed<'e>(evidence: &'e mut Evidence, name: &str) -> &'e mut Deployment {
    let all = of(&mut evidence.install.deployments);
    all.iter_mut().find(|one| one.name == name).expect("it is installed")
}

/// The istiod pod.
pub(super) fn istiod(evidence: &mut Evidence) -> &mut Pod {
    let pods = of(&mut evidence.install.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|app| app == "istiod")).unwrap()
}

/// The gateway's pod.
pub(super) fn gateway(evidence: &mut Evidence) -> &mut Pod {
    let pods = of(&mut evidence.install.pods);
    let label = |pod: &Pod| pod.labels.get("istio").is_some_and(|istio| istio == "ingressgateway");
    pods.iter_mut().find(|pod| label(pod)).unwrap()
}

/// The first pod of the demo with this label `app`.
pub(super) fn demo_pod<'e>(evidence: &'e mut Evidence, app: &str) -> &'e mut Pod {
    let pods = of(&mut evidence.demo.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|label| label == app)).unwrap()
}

/// The backend's deployment.
pub(super) fn backend(evidence: &mut Evidence) -> &mut Deployment {
    let name = evidence.expectations.backend_deployment.clone();
    of(&mut evidence.demo.deployments).iter_mut().find(|one| one.name == name).unwrap()
}

/// The client's deployment.
pub(super) fn client(evidence: &mut Evidence) -> &mut Deployment {
    let name = evidence.expectations.client_deployment.clone();
    of(&mut evidence.demo.deployments).iter_mut().find(|one| one.name == name).unwrap()
}

/// A deployment without replicas.
pub(super) fn scale_to_zero(deployment: &mut Deployment) {
    deployment.replicas = 0;
    deployment.current_replicas = 0;
    deployment.updated_replicas = 0;
    deployment.ready_replicas = 0;
    deployment.available_replicas = 0;
}
