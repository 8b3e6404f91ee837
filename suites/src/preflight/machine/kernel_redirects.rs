//! The kernel accepts the iptables rules of istio-init.

use std::collections::BTreeMap;

use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::{EngineAnswer, Kernel, Module, RuleTry};
use crate::steps::machine as steps;

check! {
    /// The tutorial shows the iptables rules with which istio-init redirects traffic.
    ///
    /// ## Why it matters
    /// A kernel without these tables refuses the rules, and every pod with a sidecar stays in Init.
    ///
    /// ## How it is checked
    /// Applies rules like those of istio-init in a temporary network namespace. Where the caller may not create one, the
    /// lists of the kernel's modules decide.
    ///
    /// ## What makes it fail
    /// - The kernel refuses the rules of table nat, target REDIRECT or match owner.
    /// - A module that they need is missing.
    ///
    /// ## How to fix it
    /// Load the modules, and list them in `/etc/modules-load.d`.
    ///
    /// ## Check by hand
    ///     sudo modprobe -a iptable_nat xt_REDIRECT xt_owner xt_conntrack
    machine::kernel_redirects: "the kernel accepts the iptables rules of istio-init",
    needs: NodesHere,
}

/// A part of netfilter that the rules of `istio-init` need, with its modules: one of them is enough. Some are of
/// iptables-legacy, some of nftables.
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

fn judge(evidence: &PreflightEvidence) -> Judged {
    let kernel = evidence.machine.kernel.look("the kernel")?;
    // The engine shows whether the containers run on another kernel.
    evidence.machine.engine.known("the container engine")?;
    if let Some(other) = other_kernel(evidence, kernel) {
        return Err(Judgement::unjudged(format!(
            "containers run on another kernel, {other}: meshcheck cannot try the rules on it"
        )));
    }
    if let Some(taken) = kernel.tries.value().and_then(|tries| tries.iter().find(|one| one.taken)) {
        return Ok(Judgement::pass(format!(
            "kernel {} accepts the rules ({} in a temporary network namespace)",
            kernel.release, taken.program
        )));
    }
    let refused = kernel.tries.value().and_then(|tries| tries.last());
    if let Some(refused) = refused.filter(|_| kernel.as_root) {
        return Err(refusal(kernel, refused));
    }
    let modules = kernel.modules.look("the kernel modules").map_err(|_| {
        let tried = match &kernel.tries {
            Observation::Seen { .. } => refused
                .map_or("iptables is not installed".to_owned(), |it| {
                    format!("{}: {}", it.program, excerpt(&it.words))
                }),
            other => other.reason().unwrap_or_default().to_owned(),
        };
        Judgement::unjudged(format!(
            "cannot try the rules ({tried}) nor read the modules of kernel {} ({}): run \
             `sudo meshcheck preflight`",
            kernel.release,
            kernel.modules.reason().unwrap_or_default()
        ))
    })?;
    by_modules(kernel, modules)
}

/// Returns the kernel of the engine where it is another one, in a virtual machine or on another machine.
fn other_kernel<'e>(evidence: &'e PreflightEvidence, kernel: &Kernel) -> Option<&'e str> {
    match evidence.machine.engine.value()? {
        EngineAnswer::Answers(engine) if engine.kernel != kernel.release => Some(&engine.kernel),
        _ => None,
    }
}

/// Returns the failure that the kernel refused the rules.
fn refusal(kernel: &Kernel, refused: &RuleTry) -> Judgement {
    Judgement::fail(format!("kernel {} refuses the iptables rules of istio-init", kernel.release))
        .expected("rules of table nat with REDIRECT and owner are accepted")
        .observed(format!("{}: {}", refused.program, excerpt(&refused.words)))
        .object(format!("kernel {}", kernel.release))
        .step(steps::load_modules(""))
}

/// Judges by the kernel's modules.
fn by_modules(kernel: &Kernel, modules: &BTreeMap<String, Module>) -> Judged {
    let state = |part: &Part| {
        let known = part.any_of.iter().filter_map(|name| modules.get(*name));
        // A missing module decides only where all others are missing too.
        known.copied().min_by_key(|module| *module == Module::Missing)
    };
    let all_known = |part: &Part| part.any_of.iter().all(|name| modules.contains_key(*name));
    let missing: Vec<_> = PARTS
        .iter()
        .filter(|part| state(part) == Some(Module::Missing) && all_known(part))
        .collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|part| part.what).collect();
        let modules: Vec<_> = missing.iter().map(|part| part.any_of.join(" or ")).collect();
        let modules = list(&modules);
        return Err(Judgement::fail(format!("kernel {} lacks {}", kernel.release, list(&names)))
            .expected(format!("module {modules}: built in, loaded or loadable"))
            .observed(format!("module {modules}: not found"))
            .object(format!("kernel {}", kernel.release))
            .step(steps::load_modules(" (package linux-modules-extra on some cloud images)")));
    }
    let unknown: Vec<_> = PARTS
        .iter()
        .filter(|part| state(part).is_none_or(|state| state == Module::Missing))
        .map(|part| part.what)
        .collect();
    if !unknown.is_empty() {
        return Err(Judgement::unjudged(format!(
            "cannot tell whether kernel {} has {}: run `sudo meshcheck preflight`, which tries the rules",
            kernel.release,
            list(&unknown)
        )));
    }
    let states: Vec<_> = PARTS
        .iter()
        .filter_map(|part| {
            let state = match state(part)? {
                Module::BuiltIn => "built in",
                Module::Loaded => "loaded",
                Module::Loadable => "loadable",
                Module::Missing => return None,
            };
            Some(format!("{} ({state})", part.what))
        })
        .collect();
    Ok(Judgement::pass(format!("kernel {} has {}", kernel.release, list(&states))))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        accepted(|_| {}, Pass);
        accepted_by_one_of_two(|e| {
            refused(e, true);
            of(&mut kernel(e).tries)[1].taken = true;
        }, Pass);
        accepted_with_modules_unknown(|e| kernel(e).modules = Observation::failed("none"), Pass);
        refused_to_root(|e| refused(e, true), Fail);
        refused_to_others(|e| refused(e, false), Pass);
        loadable(not_tried, Pass);
        built_in(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::BuiltIn); }, Pass);
        loaded(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Loaded); }, Pass);
        nftables_alone(|e| { not_tried(e); modules(e).insert("iptable_nat".into(), Module::Missing); }, Pass);
        no_owner(|e| { not_tried(e); modules(e).insert("xt_owner".into(), Module::Missing); }, Fail);
        no_nat(|e| {
            not_tried(e);
            modules(e).insert("iptable_nat".into(), Module::Missing);
            modules(e).insert("nft_chain_nat".into(), Module::Missing);
        }, Fail);
        iptable_nat_missing_and_nftables_unknown(|e| {
            not_tried(e);
            modules(e).insert("iptable_nat".into(), Module::Missing);
            modules(e).remove("nft_chain_nat");
        }, Unjudged);
        owner_unknown(|e| { not_tried(e); modules(e).remove("xt_owner"); }, Unjudged);
        nothing_known(|e| { not_tried(e); kernel(e).modules = Observation::failed("no /lib/modules"); }, Unjudged);
        reason_of_both(|e| { not_tried(e); kernel(e).modules = Observation::failed("no"); }, Unjudged);
        refused_and_nothing_known(|e| { refused(e, false); kernel(e).modules = Observation::absent("no"); }, Unjudged);
        no_iptables_and_nothing_known(|e| {
            kernel(e).tries = Observation::seen(vec![]);
            kernel(e).modules = Observation::failed("no");
        }, Unjudged);
        in_a_vm(in_a_virtual_machine, Unjudged);
        kernel_unknown(|e| e.machine.kernel = Observation::failed("macOS"), Unjudged);
        without_an_engine(silent, Pass);
    }
}
