//! Completes the values of options: claims, contexts, clusters of meshcheck.
//!
//! A shell waits for it at each press of a key. So it reads files, sends no request, and leaves out what it
//! cannot read.

use clap_complete::engine::CompletionCandidate;
use kube::config::Kubeconfig;
use meshcheck_suites::{CHECKS, CLAIMS, Section};

use crate::state::State;

/// Lists sections, and claims with their statements.
pub(super) fn claims() -> Vec<CompletionCandidate> {
    let sections = Section::ALL.into_iter().map(|section| {
        CompletionCandidate::new(section.word())
            .help(Some(format!("all claims of the section {section}").into()))
    });
    let claims = CLAIMS
        .iter()
        .map(|claim| CompletionCandidate::new(claim.id).help(Some(claim.statement.into())));
    sections.chain(claims).collect()
}

/// Lists claims and checks with their statements.
pub(super) fn entries() -> Vec<CompletionCandidate> {
    let claims = CLAIMS.iter().map(|claim| (claim.id, claim.statement));
    let checks = CHECKS.iter().map(|check| (check.id, check.statement));
    claims
        .chain(checks)
        .map(|(id, statement)| CompletionCandidate::new(id).help(Some(statement.into())))
        .collect()
}

/// Lists the contexts of the kubeconfig, and those of the clusters that `up` created.
pub(super) fn contexts() -> Vec<CompletionCandidate> {
    let known = Kubeconfig::read().map(|config| config.contexts).unwrap_or_default();
    let own = kept().into_iter().map(|name| format!("kind-{name}"));
    let mut names: Vec<_> = known.into_iter().map(|context| context.name).chain(own).collect();
    names.retain(|name| !name.chars().any(char::is_control));
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Lists the clusters that `up` created.
pub(super) fn clusters() -> Vec<CompletionCandidate> {
    kept().into_iter().map(CompletionCandidate::new).collect()
}

fn kept() -> Vec<String> {
    let Ok(state) = State::from_environment() else { return Vec::new() };
    let names = state.names().unwrap_or_default();
    names.into_iter().filter(|name| state.read(name).is_ok_and(|it| it.keep)).collect()
}
