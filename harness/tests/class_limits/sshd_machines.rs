//! Machines as they are at once: two by kubeconfig, one of them broken, one behind a real `sshd`, and four that are
//! not reached. `cargo xtask class` gives clusters of the lab; elsewhere, stand-ins take their places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::over_api::serve;
use crate::run::Run;
use crate::sshd::Sshd;
use crate::support::certificates::authority;
use crate::support::class::{Place, rows};
use crate::support::mesh::{ISTIO, KIALI, Mesh, settings};
use crate::support::run::verdicts;
use crate::support::sandbox::files;
use crate::support::scale::{count, figure, size};

/// Names a directory with the kubeconfigs `healthy` and `broken` of clusters.
const CLUSTERS: &str = "MESHCHECK_CLASS_CLUSTERS";

/// Names the fault of the broken one, a folder of `fixtures/faults`.
const FAULT: &str = "MESHCHECK_CLASS_FAULT";

/// The version of their Istio, and the image of their Kiali.
const EXPECTED: [&str; 2] = ["MESHCHECK_CLASS_ISTIO", "MESHCHECK_CLASS_KIALI"];

/// The machines by kubeconfig, and what is broken on the second.
struct Machines {
    healthy: PathBuf,
    broken: PathBuf,
    fault: Fault,
    istio: String,
    kiali: String,
}

/// The claims that a fault makes fail, and those of them that explain the others.
#[derive(Deserialize)]
struct Fault {
    red: BTreeSet<String>,
    causes: Vec<String>,
}

impl Fault {
    fn read(name: &str) -> Self {
        let file = format!("{}/../fixtures/faults/{name}/fault.toml", env!("CARGO_MANIFEST_DIR"));
        toml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }
}

impl Machines {
    fn new(place: &Place) -> Self {
        if let Some(directory) = std::env::var_os(CLUSTERS).map(PathBuf::from) {
            let fault = Fault::read(&std::env::var(FAULT).unwrap());
            let [healthy, broken] = ["healthy", "broken"].map(|name| directory.join(name));
            let [istio, kiali] = EXPECTED.map(|name| std::env::var(name).unwrap());
            return Self { healthy, broken, fault, istio, kiali };
        }
        let ca = authority("ca");
        let healthy = place.file("healthy", serve(&ca, &Mesh::healthy()));
        let broken = place.file("broken", serve(&ca, &Mesh::with_a_fault()));
        let fault = Fault::read("backend-scaled-to-zero");
        Self { healthy, broken, fault, istio: ISTIO.into(), kiali: KIALI.into() }
    }

    /// What is wrong with the row of the broken machine.
    fn wrong(&self, row: &Value) -> Vec<String> {
        let causes = row["report"]["causes"].as_array().into_iter().flatten();
        let causes: Vec<_> = causes.filter_map(|it| it["claim"].as_str()).collect();
        // What a kubeconfig alone does not show is skipped, and a stand-in has more of the healthy mesh.
        let is_expected = |id: &str, verdict: &str| match verdict {
            "pass" | "skipped" => !self.fault.causes.iter().any(|cause| cause == id),
            _ => verdict != "unjudged" && self.fault.red.contains(id),
        };
        let verdicts =
            verdicts(&row["report"]).into_iter().filter(|(id, verdict)| !is_expected(id, verdict));
        let mut wrong: Vec<_> = verdicts.map(|(id, verdict)| format!("{id}: {verdict}")).collect();
        let first = causes.iter().take(self.fault.causes.len());
        if !first.eq(&self.fault.causes) {
            wrong.push(format!("causes: {causes:?}"));
        }
        wrong
    }
}

/// The context of a kubeconfig.
fn context(file: &PathBuf) -> String {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("current-context:"));
    line.unwrap().trim().to_owned()
}

pub(crate) fn each_has_its_verdict_or_reason() {
    let place = Place::new();
    let machines = Machines::new(&place);
    let directory = place.path().join("sshd");
    fs::create_dir(&directory).unwrap();
    let file = place.file("meshcheck.toml", settings(&machines.kiali));
    let sshd = Sshd::start(&directory, &[("MESHCHECK_CONFIG", file.to_str().unwrap())]);
    sshd.put_client(&place);
    let kube = sshd.home().join(".kube");
    fs::create_dir(&kube).unwrap();
    fs::copy(&machines.healthy, kube.join("config")).unwrap();
    let by_kubeconfig = [("healthy", &machines.healthy), ("broken", &machines.broken)]
        .map(|(name, file)| format!("{name},,{},{}\n", file.display(), context(file)));
    let by_ssh =
        ["own", "refused", "hanging", "changed", "unknown"].map(|it| format!("{it},{it},,\n"));
    let table = ["name,address,kubeconfig,context\n".to_owned()].into_iter();
    let table: String = table.chain(by_kubeconfig).chain(by_ssh).collect();
    place.file("class.csv", table);
    let seconds = size(30, 60).to_string();
    let mut command = place.command(&["class.csv", "--deadline", &format!("{seconds}s")]);
    command.args(["--istio", &machines.istio, "--remove", "--output", "json"]);
    command.env("MESHCHECK_CONFIG", file);
    let run = Run::of(&command);
    let found = rows(&run.stdout);
    let names: Vec<_> = found.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["healthy", "broken", "own", "refused", "hanging", "changed", "unknown"]);
    let said = || format!("{:#?}\n{}", run.lines, sshd.log());
    for at in [0, 2] {
        let (verdicts, reason) = (verdicts(&found[at]["report"]), &found[at]["reason"]);
        assert!(is_green(&verdicts), "{verdicts:?}: {reason:?}\n{}", said());
    }
    let wrong = machines.wrong(&found[1]);
    assert!(wrong.is_empty(), "{wrong:?}\n{}", said());
    let reason = |at: usize| found[at]["reason"].as_str().unwrap_or("judged");
    let refused = reason(3).strip_prefix("ssh: connect to host 127.0.0.1 port ");
    assert!(refused.is_some_and(|it| it.ends_with(": Connection refused")), "{}", reason(3));
    assert_eq!(
        [reason(4), reason(5), reason(6)],
        [
            &format!("no answer within {seconds} s while connecting"),
            "the host key has changed: remove the old one with `ssh-keygen -R` once you know why",
            "the host key is not known here: connect once by hand with `ssh`, and compare it",
        ]
    );
    assert_eq!(run.code, Some(1), "{}", said());
    // Of `--remove`: what was copied is gone.
    assert_eq!(files(&sshd.home()), ["config"]);
    figure("machines", count(found.len()));
}

/// Whether all holds on a machine, as far as it was asked for.
fn is_green(verdicts: &BTreeMap<&str, &str>) -> bool {
    verdicts.len() > 20 && verdicts.values().all(|it| ["pass", "skipped"].contains(it))
}
