//! The arguments of the init container, for the claims on the redirection.

use crate::claims::by_name::init_arguments;
use crate::claims::mesh::demo_pods::injected_pods;
use crate::entry::Effect;
use crate::evidence::{Container, Evidence, Pod};
use crate::facts::sidecar::{has_validation, init_container, uses_nftables};
use crate::judgement::Verdict;
use crate::object::Object;
use meshcheck_netfilter::{InitArguments, arguments};

/// Returns the words of an init container's arguments. Older forms have the program in the command.
pub(super) fn argument_words(init: &Container) -> Vec<String> {
    let words = init.command.iter().chain(&init.args);
    words.filter(|word| !word.ends_with("pilot-agent")).cloned().collect()
}

/// Returns the arguments in the pod that a failure names.
pub(super) fn arguments_of_named_pod(effect: &Effect<'_, Evidence>) -> Option<InitArguments> {
    let mut pods = injected_pods(effect.evidence).ok()?.into_iter();
    let pod = pods.find(|pod| effect.is_about(Object::pod(pod)))?;
    let init = init_container(pod).filter(|_| effect.judgement.verdict == Verdict::Fail)?;
    Some(arguments(&argument_words(init)))
}

/// Whether a pod has no init container and so no log of rules, as with a CNI plug-in, or one that logs no iptables rules. A
/// plug-in does not explain wrong rules in force.
pub(super) fn has_no_log_of_rules(effect: &Effect<'_, Evidence>) -> bool {
    let pods = injected_pods(effect.evidence).unwrap_or_default();
    if effect.judgement.verdict == Verdict::Fail {
        let is_missing = |pod: &Pod| init_container(pod).is_none() && !has_validation(pod);
        return effect.fails(&init_arguments::CLAIM)
            && pods.iter().any(|pod| effect.is_about(Object::pod(pod)) && is_missing(pod));
    }
    let logs = &effect.evidence.mesh.init_logs;
    let is_read = |name: &str| logs.get(name).is_some_and(|log| log.value().is_some());
    effect.judgement.verdict == Verdict::Unjudged
        && pods.iter().any(|pod| init_container(pod).is_none() || uses_nftables(pod))
        && pods.iter().all(|pod| init_container(pod).is_none() || is_read(&pod.name))
}
