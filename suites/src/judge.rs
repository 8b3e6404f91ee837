//! Judges evidence: every entry, what causes what, and the report of those that were asked for.

use crate::entry::{Entry, Judgements, Pattern, Section, Subject, roots};
use crate::evidence::{Asks, Waiver};
use crate::judgement::Verdict;
use crate::profile::{self, Nearest};
use crate::report::{Asked, Cause, ClaimReport, REPORT_SCHEMA, Report, Totals};

/// Judges evidence: all entries, or those that any of the patterns asks for. Causes are looked for among all
/// entries, whatever was asked for.
pub fn judge<E: Subject>(evidence: &E, only: &[Pattern]) -> Report {
    let placed = evidence.fail_misplaced_observations();
    let evidence = placed.as_ref().unwrap_or(evidence);
    let expectations = evidence.expectations();
    let mut judgements: Judgements =
        E::entries().iter().map(|entry| (entry.id, entry.judge(evidence))).collect();
    let roots = roots(evidence, &judgements);
    let rows: Vec<_> = E::entries()
        .iter()
        .filter_map(|entry| {
            let judgement = judgements.remove(entry.id)?;
            let mut row = ClaimReport::new(entry, expectations, judgement);
            row.because = roots.get(entry.id).map(|&root| root.to_owned());
            if !entry.is_asked(only) {
                return Some((row, Asked::Not, None));
            }
            let waiver = waiver(evidence.waivers(), entry);
            let asked = match waiver.map(|waiver| waiver.asks) {
                Some(Asks::Nothing) => Asked::Not,
                Some(Asks::AVerdict) => Asked::AVerdict,
                None => Asked::ToHold,
            };
            Some((row, asked, waiver))
        })
        .collect();
    let causes = Cause::among(&rows);
    let claims: Vec<_> = rows
        .into_iter()
        .filter_map(|(row, asked, waiver)| match waiver {
            Some(waiver) => Some(row.waived(waiver)),
            None => (asked != Asked::Not).then_some(row),
        })
        .collect();
    Report {
        schema: REPORT_SCHEMA,
        istio_version: expectations.istio_version.clone(),
        cluster: evidence.facts(),
        caveat: find_caveat(&expectations.istio_version),
        totals: Totals::of(&claims),
        claims,
        causes,
        phases: Vec::new(),
    }
}

/// Returns the claims of a report on incomplete evidence whose verdict stays, once the evidence of these sections is
/// complete. `tests/incomplete_evidence.rs` compares them with the final verdicts on all recorded evidence.
pub fn judged_early<'r>(
    report: &'r Report,
    complete: &[Section],
) -> impl Iterator<Item = &'r ClaimReport> {
    let is_judged = |verdict| !matches!(verdict, Verdict::Unjudged | Verdict::Skipped);
    report.claims.iter().filter(move |claim| {
        let further = match claim.section {
            // Dry runs show whether the injection webhook works.
            Section::Install => Section::Mesh,
            // The requests of the demo show the traffic of the sidecars.
            Section::Mesh => Section::Demo,
            section => section,
        };
        // Nodes, services and istiod decide on claims of every section.
        let needed = [Section::Prepare, Section::Install, claim.section, further];
        is_judged(claim.verdict) && needed.iter().all(|section| complete.contains(section))
    })
}

/// Returns what limits all verdicts: an Istio that is newer than all profiles.
fn find_caveat(istio_version: &str) -> Option<String> {
    let Nearest { profile, .. } = profile::nearest(istio_version).filter(|it| !it.is_exact)?;
    let known = profile.name();
    Some(format!(
        "Istio {istio_version} is newer than meshcheck knows: it is judged as Istio {known}"
    ))
}

/// Returns the waiver for an entry, where there is one. Skipping is the stronger word.
pub fn waiver<'w, E: Subject>(waivers: &'w [Waiver], entry: &Entry<E>) -> Option<&'w Waiver> {
    let about = |waiver: &&Waiver| Pattern::unchecked(&waiver.claims).matches(entry);
    waivers.iter().filter(about).min_by_key(|waiver| waiver.asks != Asks::Nothing)
}
