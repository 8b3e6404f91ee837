//! Whole comparisons of recorded meshes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rstest::rstest;

use super::another_cluster::{document, folder, on_another_cluster, record};
use super::kinds::KINDS;
use super::noise::RULES as NOISE;
use super::rules::RULES;
use super::{Class, Diff, View, diff};
use crate::evidence::{Evidence, Observation};
use crate::judgement::Verdict;
use crate::testing::healthy;
use crate::{CLAIMS, judge, profile};

const OLD: &str = "evidence/istio-1.20.3.json.gz";
const NEW: &str = "evidence/istio-1.31-alpha-kubernetes-1.34.json.gz";
const LAB: &str = "evidence/lab.json";

fn lines(diff: &Diff) -> Vec<String> {
    diff.differences
        .iter()
        .map(|it| format!("{} {}: {}", it.class.word(), it.object, it.summary))
        .collect()
}

#[rstest]
#[case(OLD)]
#[case(NEW)]
#[case(LAB)]
#[case("evidence/lab-1.22-alpha-native-sidecars.json.gz")]
#[case("evidence/lab-1.31-alpha-cni.json.gz")]
#[case("evidence/lab-1.31-alpha.json.gz")]
fn one_mesh_on_two_clusters_has_no_difference(#[case] name: &str) {
    let recorded = document(name);
    let (one, other) = (record(name), on_another_cluster(&recorded));
    for view in [View::Tutorial, View::Verdicts, View::All] {
        for (old, new) in [(&one, &other), (&other, &one), (&one, &one)] {
            let diff = diff(old, new, view);
            assert_eq!(lines(&diff), [""; 0], "{view:?}");
            // One claim does not apply to a mesh with istio-cni.
            assert!(diff.compared.claims + 1 >= CLAIMS.len(), "{:?}", diff.compared);
            let exit = if diff.not_compared.is_empty() { 0 } else { 3 };
            assert_eq!(diff.exit_code(), exit);
            assert!(name != LAB || exit == 0, "{:?}", diff.not_compared);
        }
    }
    let counted: Vec<_> = diff(&one, &other, View::All).noise.into_iter().map(|it| it.id).collect();
    for id in ["times", "addresses", "ports", "hashes", "places", "names", "texts"] {
        assert!(counted.iter().any(|it| it == id), "{id}: {counted:?}");
    }
}

/// Records of faults, taken one after the other on one mesh, and moved to another cluster.
#[test]
fn broken_mesh_on_two_clusters_has_no_difference() {
    for name in folder("faults").into_iter().step_by(3) {
        let recorded = document(&name);
        let diff = diff(&record(&name), &on_another_cluster(&recorded), View::Tutorial);
        let differing: Vec<_> =
            lines(&diff).into_iter().filter(|line| !line.starts_with("equivalent")).collect();
        assert_eq!(differing, [""; 0], "{name}");
    }
}

#[test]
fn healthy_variations_differ_in_what_they_vary_only() {
    let lab = record(LAB);
    let mut text = String::new();
    for name in folder("variations") {
        let diff = diff(&lab, &record(&name), View::Tutorial);
        let _ = writeln!(text, "── {name}: exit {} ──", diff.exit_code());
        for line in lines(&diff) {
            let _ = writeln!(text, "{line}");
        }
        for item in &diff.not_compared {
            let _ = writeln!(text, "not compared: {}", item.what);
        }
        let bad = diff.differences.iter().filter(|it| it.class != Class::NowChanged).count();
        assert_eq!(bad, 0, "{name}");
    }
    insta::assert_snapshot!("variations", text);
}

/// The lab's mesh beside the same with native sidecars, with a new Istio, and with istio-cni.
#[test]
fn other_meshes_differ_by_what_they_are() {
    let lab = record(LAB);
    let mut text = String::new();
    for name in ["lab-1.22-alpha-native-sidecars", "lab-1.31-alpha", "lab-1.31-alpha-cni"] {
        let other = record(&format!("evidence/{name}.json.gz"));
        let diff = diff(&lab, &other, View::Tutorial);
        assert!(diff.differences.len() <= 14, "{:#?}", lines(&diff));
        let _ = writeln!(text, "── {name}: exit {} ──", diff.exit_code());
        for (line, it) in lines(&diff).into_iter().zip(&diff.differences) {
            let _ = writeln!(text, "{line}");
            let reason = it.reason.iter().map(|it| format!("    {}: {}", it.why, it.source));
            let facts = it.facts.iter().map(|fact| format!("    {fact}"));
            for line in facts.chain(reason) {
                let _ = writeln!(text, "{line}");
            }
        }
        for item in &diff.not_compared {
            let _ = writeln!(text, "not compared: {} ({:?}, {:?})", item.what, item.old, item.new);
        }
    }
    insta::assert_snapshot!("meshes", text);
}

#[test]
fn fault_is_one_difference_with_its_cause() {
    let lab = record(LAB);
    let mut text = String::new();
    for name in folder("faults") {
        let evidence = record(&name);
        let diff = diff(&lab, &evidence, View::Tutorial);
        let report = judge(&evidence, &[]);
        assert_eq!(diff.differences[0].class, Class::NowFails, "{name}");
        assert!(diff.differences.len() <= report.causes.len() + 2, "{name}: {:#?}", lines(&diff));
        for claim in report.claims.iter().filter(|it| it.verdict == Verdict::Fail) {
            let shown = diff.differences.iter().any(|difference| {
                difference.class == Class::NowFails
                    && (difference.object == claim.id || difference.also.contains(&claim.id))
            });
            assert!(shown, "{name}: {}", claim.id);
        }
        let _ = writeln!(text, "── {name} ──");
        for difference in &diff.differences {
            let _ = writeln!(
                text,
                "{} {} (also {})",
                difference.class.word(),
                difference.object,
                difference.also.join(", ")
            );
            for fact in &difference.facts {
                let _ = writeln!(text, "    {fact}");
            }
            if let Some(it) = &difference.witness {
                let _ = writeln!(text, "    {}: {} → {}", it.packet, it.was, it.now);
            }
        }
    }
    insta::assert_snapshot!("faults", text);
}

#[test]
fn repaired_fault_is_fixed() {
    let (lab, broken) = (record(LAB), record("faults/backend-scaled-to-zero/evidence.json.gz"));
    let diff = diff(&broken, &lab, View::Verdicts);
    let fixed = &diff.differences[0];
    assert_eq!((fixed.class, fixed.object.as_str()), (Class::Fixed, "demo::backend_deployment"));
    assert!(fixed.also.len() > 3, "{fixed:#?}");
    assert_eq!(diff.differences.len(), 1);
}

#[test]
fn fingerprints_are_the_same_on_another_cluster() {
    let lab = document(LAB);
    let (one_lab, other_lab) = (record(LAB), on_another_cluster(&lab));
    for name in folder("faults").into_iter().step_by(4).chain([NEW.to_owned()]) {
        let fault = document(&name);
        let fingerprints = |diff: &Diff| -> BTreeSet<String> {
            diff.differences.iter().map(|it| it.fingerprint.clone()).collect()
        };
        let one = diff(&one_lab, &record(&name), View::Tutorial);
        let other = diff(&other_lab, &on_another_cluster(&fault), View::Tutorial);
        assert_eq!(fingerprints(&one), fingerprints(&other), "{name}");
        assert_eq!(fingerprints(&one).len(), one.differences.len(), "{name}");
    }
}

#[test]
fn new_istio_has_few_differences_with_istios_own_reasons() {
    let diff = diff(&record(OLD), &record(NEW), View::Tutorial);
    assert!(diff.differences.len() <= 12, "{:#?}", lines(&diff));
    // The versions are the question, and the lab's build of Kiali is not Istio's.
    let of_istio: Vec<_> = diff
        .differences
        .iter()
        .filter(|it| it.class != Class::NowFails && !it.id.ends_with("-version"))
        .collect();
    let with_reason = of_istio.iter().filter(|it| it.reason.is_some()).count();
    assert!(of_istio.len() >= 6 && with_reason * 5 >= of_istio.len() * 4, "{of_istio:#?}");
    let rules = diff.differences.iter().find(|it| it.id == RULES.id).unwrap();
    assert_eq!(rules.class, Class::Equivalent);
    assert!(rules.searched.is_some() && rules.witness.is_none());
}

/// Changes a healthy mesh, compares it with the one before, and returns the classes of the view.
fn classes(change: impl Fn(&mut Evidence), view: View) -> Vec<Class> {
    let mut changed = healthy();
    change(&mut changed);
    diff(&healthy(), &changed, view).differences.iter().map(|it| it.class).collect()
}

#[test]
fn claim_that_cannot_be_judged_any_more_is_a_difference() {
    let change = |it: &mut Evidence| it.kiali.api = Observation::failed("no answer within 5 s");
    assert_eq!(classes(change, View::Verdicts), [Class::NowUnjudged]);
    let mut blind = healthy();
    change(&mut blind);
    let back = diff(&blind, &healthy(), View::Verdicts);
    assert_eq!(back.differences[0].class, Class::NowJudged);
    assert_eq!((back.count(Class::NowJudged), back.count(Class::NowUnjudged)), (1, 0));
    let all = diff(&healthy(), &healthy(), View::Verdicts).compared.claims;
    assert_eq!(back.compared.claims, all - 1 - back.differences[0].also.len());
}

#[test]
fn claims_without_a_right_are_one_difference() {
    let forbidden = "pods is forbidden: User \"t\" cannot list resource \"pods\"";
    let mut blind = healthy();
    blind.demo.pods = Observation::failed(forbidden);
    blind.mesh.dry_run_labelled = Observation::failed(forbidden);
    let back = diff(&blind, &healthy(), View::Verdicts);
    let diff = diff(&healthy(), &blind, View::Verdicts);
    let unjudged: Vec<_> =
        diff.differences.iter().filter(|it| it.class == Class::NowUnjudged).collect();
    assert_eq!(unjudged.len(), 1, "{unjudged:#?}");
    assert!(unjudged[0].also.len() > 5, "{unjudged:#?}");
    let judged = back.differences.iter().filter(|it| it.class == Class::NowJudged);
    let judged: Vec<_> = judged.map(|it| (&it.object, &it.also)).collect();
    assert_eq!(judged, [(&unjudged[0].object, &unjudged[0].also)]);
}

#[test]
fn claim_unjudged_in_both_records_is_not_compared() {
    let mut blind = healthy();
    blind.kiali.api = Observation::failed("no answer within 5 s");
    let diff = diff(&blind, &blind, View::Tutorial);
    let what: Vec<_> = diff.not_compared.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["kiali::console_served", "kiali/api"]);
    let claim = &diff.not_compared[0];
    assert!(claim.old.as_ref().is_some_and(|it| it.contains("no answer within 5 s")), "{claim:?}");
    assert_eq!(claim.new, claim.old);
    assert_eq!((diff.differences.len(), diff.exit_code()), (0, 3));
}

#[test]
fn observation_that_one_record_did_not_ask_for_is_not_compared() {
    let mut passive = healthy();
    passive.ingress.route = Observation::not_asked("needs --active");
    let one = diff(&healthy(), &passive, View::Tutorial);
    assert!(one.not_compared.iter().any(|it| it.what == "ingress/route"));
    let claim = one.not_compared.iter().find(|it| it.what == "ingress::routes_into_mesh").unwrap();
    assert_eq!(
        (claim.old.as_deref(), claim.new.as_deref()),
        (None, Some("needs --active, which creates a temporary Gateway"))
    );
    assert_eq!(one.exit_code(), 3, "{one:#?}");
    // Nobody asked: there is nothing to compare.
    let none = diff(&passive, &passive, View::Tutorial);
    assert!(!none.not_compared.iter().any(|it| it.what == "ingress/route"), "{none:#?}");
}

#[test]
fn records_without_verdicts_are_not_equal() {
    let empty = Evidence::without_observations(
        healthy().subject,
        healthy().expectations,
        healthy().recorded_at,
        &Observation::not_asked("nothing was asked for"),
    );
    for view in [View::Tutorial, View::Verdicts, View::All] {
        assert_eq!(diff(&empty, &empty, view).exit_code(), 3, "{view:?}");
        assert_ne!(diff(&healthy(), &empty, view).exit_code(), 0, "{view:?}");
    }
}

fn change_rules(evidence: &mut Evidence, old: &str, new: &str) {
    for text in evidence.mesh.live_rules.values_mut().chain(evidence.mesh.init_logs.values_mut()) {
        let text = text.value_mut().unwrap();
        assert!(text.contains(old), "{old}");
        *text = text.replace(old, new);
    }
}

#[test]
fn rule_without_an_effect_is_equivalent() {
    let rule = "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN";
    let change = |it: &mut Evidence| change_rules(it, rule, &format!("{rule}\n{rule}"));
    assert_eq!(classes(change, View::Tutorial), [Class::Equivalent]);
}

#[test]
fn rule_that_is_not_understood_is_never_equivalent() {
    let rule = "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN";
    let unknown = format!("{rule}\n-A ISTIO_OUTPUT -m set --match-set x dst -j RETURN");
    let mut changed = healthy();
    change_rules(&mut changed, rule, &unknown);
    let diff = diff(&healthy(), &changed, View::Tutorial);
    assert!(diff.differences.iter().all(|it| it.class != Class::Equivalent), "{diff:#?}");
    let what = diff.not_compared.iter().map(|it| it.what.as_str());
    let rules: Vec<_> = what.filter(|it| it.starts_with("iptables rules")).collect();
    let expected = ["client-deployment (IPv4)", "echo-deployment (IPv4)"]
        .map(|pods| format!("iptables rules in the pods of {pods}"));
    assert_eq!(rules, expected);
}

/// The image of Kiali is another one by Istio's addon. It is not why Kiali fails.
#[test]
fn claim_that_fails_has_no_reason_of_istio() {
    let mut new = record(NEW);
    crate::testing::scale_to_zero(crate::testing::installed(&mut new, "kiali"));
    let diff = diff(&record(OLD), &new, View::Tutorial);
    let kiali = diff.differences.iter().find(|it| it.object == "kiali::running").unwrap();
    assert_eq!(kiali.class, Class::NowFails);
    assert!(kiali.facts.iter().any(|it| it.starts_with("image of ")), "{kiali:#?}");
    assert_eq!(kiali.reason, None);
}

#[test]
fn rules_in_force_without_a_sidecars_redirection_have_a_witness() {
    let mut changed = healthy();
    for rules in changed.mesh.live_rules.values_mut() {
        let rules = rules.value_mut().unwrap();
        *rules = rules.replace("-A PREROUTING -p tcp -j ISTIO_INBOUND\n", "");
    }
    let diff = diff(&healthy(), &changed, View::Tutorial);
    let witness = diff.differences[0].witness.as_ref().unwrap();
    assert_eq!(witness.packet, "tcp 10.244.0.251:40000 → :5678");
    assert_eq!((witness.was.as_str(), witness.now.as_str()), ("port 15006", "the application"));
}

#[test]
fn noise_rules_and_kinds_have_ids_of_their_own() {
    let ids: Vec<_> = KINDS.iter().map(|kind| kind.id).chain([RULES.id]).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let noise: BTreeSet<_> = NOISE.iter().map(|rule| rule.id).collect();
    assert_eq!(noise.len(), NOISE.len());
    for id in ids {
        let is_kebab = id.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        assert!(is_kebab, "{id}");
    }
}

#[test]
fn kinds_name_claims_and_changes_that_exist() {
    for kind in KINDS.iter().chain([&RULES]) {
        for id in kind.claims {
            assert!(CLAIMS.iter().any(|claim| claim.id == *id), "{}: {id}", kind.id);
        }
    }
    let output = |rule: &str| format!("nat/OUTPUT `{rule}`");
    let pairs = [
        ("the application, init istio-proxy (native sidecar)".to_owned(), String::new()),
        ("init istio-validation".to_owned(), String::new()),
        ("`Final iptables state (IPv4):`".to_owned(), String::new()),
        ("istiooperators.install.istio.io".to_owned(), String::new()),
        (String::new(), "trafficextensions.extensions.istio.io".to_owned()),
        (String::new(), "service istio-system/istiod-revision-tag-default".to_owned()),
        ("pods of istio-system/istio-cni-node".to_owned(), String::new()),
        (output("-p tcp -j ISTIO_OUTPUT"), output("-j ISTIO_OUTPUT")),
        (output("-j ISTIO_OUTPUT"), output("-p tcp -j ISTIO_OUTPUT")),
    ];
    let mut named = BTreeSet::new();
    for kind in KINDS.iter().chain([&RULES]) {
        for (was, now) in &pairs {
            named.insert((kind.change)(was, now));
        }
    }
    named.remove("");
    for id in &named {
        assert!(profile::changes().iter().any(|change| change.id == *id), "{id}");
    }
    assert!(named.len() >= 7, "{named:?}");
}
