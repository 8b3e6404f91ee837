//! Injected pods: what the claims say of their containers and of the arguments of istio-init.

use std::fs;
use std::path::Path;

use meshcheck_suites::evidence::{Container, Observation, Pod};
use meshcheck_suites::{CLAIMS, Evidence, Verdict};
use serde_json::Value;

use crate::{assert_lines, files, modules};

#[test]
#[ignore = "needs the Go module of Istio: `cargo xtask test` runs it where the lab was built"]
fn needs_istio_module_injected_pods_are_judged_as_in_other_versions() {
    let said: Vec<_> = modules()
        .into_iter()
        .map(|module| {
            let folder = module.directory.join("pkg/kube/inject/testdata/inject");
            let goldens = files(&folder, "injected");
            assert!(goldens.len() > 50, "{}", folder.display());
            let lines = goldens
                .iter()
                .flat_map(|(name, text)| {
                    pods(name, text)
                        .into_iter()
                        .map(|pod| (pod.name.clone(), say(&module.version, &pod)))
                })
                .collect();
            (module, lines)
        })
        .collect();
    assert_lines("pods.txt", &said);
}

/// Returns the pods of all pod templates in a file.
fn pods(name: &str, text: &str) -> Vec<Pod> {
    let document = |text: &str| -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let documents: Vec<_> = text.split("\n---").map(document).collect();
    let mut specs = Vec::new();
    for document in &documents {
        collect(document, &mut specs);
    }
    let numbered = specs.iter().enumerate();
    numbered.map(|(number, template)| pod(&format!("{name}#{}", number + 1), template)).collect()
}

/// Collects the objects that have the specification of a pod.
fn collect<'v>(value: &'v Value, specs: &mut Vec<&'v Value>) {
    if value["spec"]["containers"].is_array() {
        specs.push(value);
        return;
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|it| collect(it, specs)),
        Value::Array(items) => items.iter().for_each(|it| collect(it, specs)),
        _ => {}
    }
}

fn pod(name: &str, template: &Value) -> Pod {
    let strings = |value: &Value| {
        let fields = value.as_object().into_iter().flatten();
        fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let spec = &template["spec"];
    Pod {
        namespace: "client".into(),
        name: name.into(),
        labels: strings(&template["metadata"]["labels"]),
        annotations: strings(&template["metadata"]["annotations"]),
        host_network: spec["hostNetwork"].as_bool().unwrap_or_default(),
        phase: "Running".into(),
        ready: true,
        containers: containers(&spec["containers"]),
        init_containers: containers(&spec["initContainers"]),
        ..Pod::default()
    }
}

fn containers(all: &Value) -> Vec<Container> {
    let words = |value: &Value| {
        let words = value.as_array().into_iter().flatten();
        words.map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = all.as_array().into_iter().flatten();
    all.map(|one| Container {
        name: text(&one["name"]).unwrap_or_default(),
        image: text(&one["image"]).unwrap_or_default(),
        command: words(&one["command"]),
        args: words(&one["args"]),
        restart_policy: text(&one["restartPolicy"]),
        ready: true,
        ..Container::default()
    })
    .collect()
}

/// What the pod has, and what the claims say of it.
fn say(version: &str, pod: &Pod) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/evidence/lab.json");
    let mut evidence: Evidence = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    evidence.expectations.istio_version = format!("{version}.0");
    evidence.demo.pods = Observation::seen(vec![pod.clone()]);
    let kind = match pod.sidecar() {
        Some(sidecar) if sidecar.is_native_sidecar() => "native sidecar",
        Some(_) => "sidecar",
        None => "no sidecar",
    };
    let judged = ["mesh::two_containers_per_pod", "mesh::init_arguments"].map(|id| {
        let claim = CLAIMS.iter().find(|claim| claim.id == id).unwrap();
        let judgement = claim.judge(&evidence);
        let is_native = judgement.change.is_some_and(|it| it.id.starts_with("native-sidecars"));
        // A native sidecar alone makes no difference but the one in the brackets.
        match judgement.verdict {
            verdict if is_native || verdict == Verdict::Pass => "pass".to_owned(),
            verdict => format!("{verdict}: {}", judgement.summary.replace(&pod.name, "NAME")),
        }
    });
    format!("[{kind}] {}", judged.join("; "))
}
