//! Every recorded fault turns exactly its claims red, every variation none, and whole records are judged as known.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use meshcheck_suites::report::Cause;
use meshcheck_suites::steps::Purpose;
use meshcheck_suites::{Evidence, Report, Verdict, golden, judge};
use recorded::{folders, meshes, name, repository, stable_report, text};
use serde::Deserialize;

/// What a check must say of a case; the steps of its file are the campaign's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expected {
    red: BTreeSet<String>,
    causes: Vec<String>,
    unjudged: BTreeSet<String>,
    says: Vec<String>,
}

fn report(file: &Path) -> Report {
    let evidence: Evidence = serde_json::from_str(&text(file)).unwrap();
    judge(&evidence, &[])
}

/// The claims with one of these verdicts.
fn claims_with(report: &Report, verdicts: [Verdict; 2]) -> BTreeSet<String> {
    let has = |verdict| verdicts.contains(&verdict);
    report.claims.iter().filter(|it| has(it.verdict)).map(|it| it.id.clone()).collect()
}

/// How a report differs from what is expected of it.
fn difference(report: &Report, expected: &Expected) -> Option<String> {
    let red = claims_with(report, [Verdict::Fail, Verdict::Changed]);
    let unjudged = claims_with(report, [Verdict::Unjudged, Verdict::Skipped]);
    let mut texts = String::new();
    for claim in report.claims.iter().filter(|claim| claim.verdict != Verdict::Pass) {
        let details = [&claim.expected, &claim.observed, &claim.object].into_iter().flatten();
        details.chain([&claim.summary]).for_each(|text| texts.extend([text, "\n"]));
    }
    let silent: Vec<_> = expected.says.iter().filter(|text| !texts.contains(*text)).collect();
    let causes: Vec<_> = report.causes.iter().map(|cause| cause.claim.clone()).collect();
    let as_expected = red == expected.red
        && causes == expected.causes
        && unjudged == expected.unjudged
        && silent.is_empty();
    (!as_expected).then(|| {
        format!(
            "red {red:?}, causes {causes:?}, unjudged {unjudged:?}, not said {silent:?}\n{texts}"
        )
    })
}

/// The cases of a kind whose verdicts are not as their files say.
fn wrong(kind: &str, file: &str) -> String {
    let mut wrong = String::new();
    for folder in folders(kind) {
        let expected = toml::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        if let Some(how) = difference(&report(&folder.join("evidence.json.gz")), &expected) {
            let _ = writeln!(wrong, "{}: {how}", name(&folder));
        }
    }
    wrong
}

#[test]
fn every_fault_turns_exactly_its_claims_red() {
    assert_eq!(wrong("faults", "fault.toml"), "");
}

#[test]
fn every_situation_on_a_real_mesh_turns_exactly_its_claims_red() {
    assert_eq!(wrong("live", "fault.toml"), "");
}

#[test]
fn no_variation_turns_a_claim_red() {
    assert_eq!(wrong("variations", "variation.toml"), "");
}

/// Whole records of other meshes than the one that the faults were tried on.
#[test]
fn recorded_meshes_have_the_verdicts_that_are_known() {
    let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
    let native_sidecars = Expected {
        // Kiali's image has another release's tag there, as the bundle's notes say.
        red: ids(&["mesh::two_containers_per_pod"]),
        says: vec!["a native sidecar".into()],
        ..Expected::default()
    };
    let lab_native_sidecars = || Expected {
        red: ids(&["mesh::two_containers_per_pod"]),
        says: vec!["a native sidecar".into()],
        ..Expected::default()
    };
    let lab_cni = Expected {
        red: ids(&["mesh::two_containers_per_pod", "mesh::init_arguments"]),
        causes: vec!["mesh::init_arguments".into()],
        unjudged: ids(&["mesh::live_rules"]),
        says: vec!["a CNI plug-in sets the rules".into()],
    };
    let lab_nftables = Expected {
        red: ids(&["mesh::two_containers_per_pod", "mesh::init_arguments"]),
        causes: vec!["mesh::init_arguments".into()],
        unjudged: ids(&[
            "mesh::inbound_redirected",
            "mesh::outbound_redirected",
            "mesh::live_rules",
        ]),
        says: vec!["native nftables rules (table istio-proxy-nat)".into()],
    };
    let known = [
        ("istio-1.20.3", Expected::default()),
        ("istio-1.31-alpha-kubernetes-1.34", native_sidecars),
        ("lab-1.22-alpha-native-sidecars", lab_native_sidecars()),
        ("lab-1.31-alpha", lab_native_sidecars()),
        ("lab-1.31-alpha-cni", lab_cni),
        ("lab-1.31-alpha-cni-nftables", lab_nftables),
    ];
    for (name, expected) in &known {
        let report = report(&repository(&format!("fixtures/evidence/{name}.json.gz")));
        assert_eq!(difference(&report, expected), None, "{name}");
    }
    let files = meshes().iter().map(|file| name(file).replace(".json.gz", "")).collect();
    assert_eq!(known.map(|(name, _)| name.to_owned()).into_iter().collect::<BTreeSet<_>>(), files);
}

#[test]
fn recorded_evidence_names_no_machine() {
    let cases = recorded::KINDS.into_iter().flat_map(folders);
    let files = cases.map(|folder| folder.join("evidence.json.gz"));
    for file in files.chain(meshes()).chain(folders("layouts")) {
        let text = text(&file);
        for word in ["\"/tmp/", "/home/", "/root/", "meshcheck.dev/maker"] {
            assert!(!text.contains(word), "{} holds {word}", file.display());
        }
    }
}

const HEAD: &str = "\
# Faults and their fixes

Each fault was made on a real mesh, and recorded: `fixtures/faults`, and `fixtures/live` for situations that other people reported. Below are the causes that the
report names and its steps. The whole report is `report.snap` in the folder of the fault. Commands use the current context. Pod names end in `…`.
`cargo xtask bless faults` renews this page.
";

#[test]
fn generated_page_of_faults_is_up_to_date() {
    let mut faults: Vec<_> = ["faults", "live"]
        .into_iter()
        .flat_map(folders)
        .map(|it| (stable_report(&it), name(&it).to_owned()))
        .filter(|(report, _)| !report.causes.is_empty())
        .collect();
    // In the tutorial's order.
    faults.sort_by_key(|(report, _)| {
        let cause = report.causes.first();
        cause.and_then(|cause| report.claims.iter().position(|claim| claim.id == cause.claim))
    });
    let mut page = HEAD.to_owned();
    let mut section = None;
    for (report, name) in &faults {
        let first = report.causes.first().and_then(|it| it.claim.split("::").next());
        if section != first {
            section = first;
            let _ = writeln!(page, "\n## {}", first.unwrap_or("no claim"));
        }
        let _ = writeln!(page, "\n### {}", name.replace('-', " "));
        report.causes.iter().for_each(|cause| write_cause(&mut page, report, cause));
    }
    golden::assert_file(&repository("docs/faults.md"), &page, "faults");
}

fn write_cause(page: &mut String, report: &Report, cause: &Cause) {
    let page_of_claim = cause.claim.replace("::", "/");
    let _ = writeln!(
        page,
        "**{}** ([{}](claims/{page_of_claim}.md))\n",
        cause.summary.replace('<', "&lt;"),
        cause.claim
    );
    for step in &cause.steps {
        let purpose = if step.purpose == Purpose::Fix { "Fix" } else { "Inspect" };
        let _ = writeln!(page, "{purpose}: {}\n", step.text);
        if let Some(command) = &step.command {
            let mut short = report.cluster.shorten(command);
            // Options that only the lab's Istio needs.
            for option in report.cluster.bundle.iter().flat_map(|bundle| &bundle.install_set) {
                short = short.replace(&format!(" --set {option}"), "");
            }
            let _ = writeln!(page, "    {short}\n");
        }
    }
    if !cause.explains.is_empty() {
        let _ = writeln!(page, "Also failing because of this: {}\n", cause.explains.join(", "));
    }
}
