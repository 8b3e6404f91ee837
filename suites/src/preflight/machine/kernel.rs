//! Whether the kernel can redirect a pod's traffic to its sidecar.

use std::collections::BTreeMap;

use super::super::evidence::{Kernel, Module, PreflightEvidence, RuleTry};
use crate::evidence::Observation;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _};

/// A part of netfilter that the rules of `istio-init` need, and the modules of which any will do: those of
/// the older tables, and those of the newer ones.
/// Source: <https://istio.io/latest/docs/setup/platform-setup/prerequisites/>.
struct Part {
    what: &'static str,
    any_of: &'static [&'static str],
}

const PARTS: [Part; 4] = [
    Part { what: "the table nat", any_of: &["iptable_nat", "nft_chain_nat"] },
    Part { what: "the target REDIRECT", any_of: &["xt_REDIRECT"] },
    Part { what: "the match owner", any_of: &["xt_owner"] },
    Part { what: "connection tracking", any_of: &["nf_conntrack"] },
];

const HINT: &str = "`sudo modprobe -a iptable_nat xt_REDIRECT xt_owner xt_conntrack` loads what is \
                    needed; the same names in /etc/modules-load.d/istio.conf, one a line, keep it so";

pub(in super::super) fn kernel_redirects(evidence: &PreflightEvidence) -> Judged {
    let kernel = evidence.machine.kernel.look("the kernel")?;
    if let Some(other) = other_kernel(evidence, kernel) {
        return Err(Judgement::unjudged(format!(
            "the containers run on another kernel, {other}: what it can do is seen from a pod only"
        )));
    }
    if let Some(taken) = kernel.tries.value().and_then(|tries| tries.iter().find(|one| one.taken)) {
        return Ok(Judgement::pass(format!(
            "{} takes such rules, in a network namespace of our own (kernel {})",
            taken.program, kernel.release
        )));
    }
    let refused = kernel.tries.value().and_then(|tries| tries.last());
    if let Some(refused) = refused.filter(|_| kernel.as_root) {
        return Err(refusal(kernel, refused));
    }
    let modules = kernel.modules.look("the modules of the kernel").map_err(|_| {
        let tried = match &kernel.tries {
            Observation::Seen { .. } => refused
                .map_or("iptables is not installed".to_owned(), |it| {
                    format!("{} says: {}", it.program, excerpt(&it.words))
                }),
            other => other.reason().unwrap_or_default().to_owned(),
        };
        Judgement::unjudged(format!(
            "the rules could not be tried ({tried}), nor could the modules of kernel {} be read \
             ({}); `sudo meshcheck preflight` can try",
            kernel.release,
            kernel.modules.reason().unwrap_or_default()
        ))
    })?;
    by_modules(kernel, modules)
}

/// The kernel of the engine, where it is not this machine's: a virtual machine's, or another machine's.
fn other_kernel<'e>(evidence: &'e PreflightEvidence, kernel: &Kernel) -> Option<&'e str> {
    use super::super::evidence::EngineAnswer;
    match evidence.machine.engine.value()? {
        EngineAnswer::Answers(engine) if engine.kernel != kernel.release => Some(&engine.kernel),
        _ => None,
    }
}

fn refusal(kernel: &Kernel, refused: &RuleTry) -> Judgement {
    Judgement::fail("the kernel does not take the rules with which istio-init redirects traffic")
        .expected("rules of the table nat with REDIRECT and owner are taken")
        .observed(format!("{}: {}", refused.program, excerpt(&refused.words)))
        .object(format!("the kernel {}", kernel.release))
        .legacy_hint(HINT)
}

fn by_modules(kernel: &Kernel, modules: &BTreeMap<String, Module>) -> Judged {
    let state = |part: &Part| {
        let known = part.any_of.iter().filter_map(|name| modules.get(*name));
        // One that is missing decides only where the others are known to be missing as well.
        known.copied().min_by_key(|module| *module == Module::Missing)
    };
    let all_known = |part: &Part| part.any_of.iter().all(|name| modules.contains_key(*name));
    let missing: Vec<_> = PARTS
        .iter()
        .filter(|part| state(part) == Some(Module::Missing) && all_known(part))
        .map(|part| format!("{} ({})", part.what, part.any_of.join(" or ")))
        .collect();
    if !missing.is_empty() {
        return Err(Judgement::fail(format!("the kernel lacks {}", list(&missing)))
            .expected("in the kernel, loaded, or to be loaded when needed")
            .observed(format!("{} of them not found", missing.len()))
            .object(format!("the kernel {}", kernel.release))
            .legacy_hint(format!("{HINT} (package linux-modules-extra on some clouds' images)")));
    }
    let unknown: Vec<_> = PARTS
        .iter()
        .filter(|part| state(part).is_none_or(|state| state == Module::Missing))
        .map(|part| part.what)
        .collect();
    if !unknown.is_empty() {
        return Err(Judgement::unjudged(format!(
            "whether kernel {} has {} could not be seen; `sudo meshcheck preflight` can try the rules",
            kernel.release,
            list(&unknown)
        )));
    }
    let words: Vec<_> = PARTS
        .iter()
        .filter_map(|part| {
            let state = match state(part)? {
                Module::BuiltIn => "built in",
                Module::Loaded => "loaded",
                Module::Loadable => "loaded when needed",
                Module::Missing => return None,
            };
            Some(format!("{} ({state})", part.what))
        })
        .collect();
    Ok(Judgement::pass(format!("kernel {} has {}", kernel.release, list(&words))))
}
