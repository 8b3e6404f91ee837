use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job as JobObject;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use rstest::rstest;
use serde::de::DeserializeOwned;

use super::*;

const TOKEN: &str = "0123456789abcdefghij";

fn machines(number: usize, kubeconfig: &str) -> Vec<(String, String)> {
    (1..=number).map(|at| (format!("vm{at:03}"), format!("{kubeconfig} of vm{at:03}"))).collect()
}

fn plan<'a>(machines: &'a [(String, String)], arguments: &'a [String]) -> Plan<'a> {
    Plan {
        machines,
        pods: None,
        image: IMAGE,
        namespace: None,
        board: "http://192.0.2.7:8080",
        token: TOKEN,
        arguments,
        configuration: None,
    }
}

/// Reads a file as what the API server takes, field by field.
fn read<T: DeserializeOwned>(job: &Job, name: &str) -> T {
    let file = job.files.iter().find(|it| it.name == name).unwrap();
    serde_saphyr::from_str(&file.text).unwrap()
}

#[test]
fn files_of_a_job() {
    let machines =
        [("vm1", "kubeconfig of vm1"), ("kind:vm+2", "kubeconfig of vm2"), ("vm3", "other")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let arguments = ["--jobs", "32", "--deadline", "60s", "--istio", "1.20.3"].map(str::to_owned);
    let plan = Plan { pods: Some(2), ..plan(&machines, &arguments) };
    let job = manifests(&plan).unwrap();
    let text: Vec<_> =
        job.files.iter().map(|file| format!("==== {}\n{}", file.name, file.text)).collect();
    insta::assert_snapshot!(
        text.concat()
            .replace(env!("CARGO_PKG_VERSION"), "VERSION")
            .replace(&job.name, "class-NAME")
    );
}

#[test]
fn configuration_and_existing_namespace_are_used() {
    let machines = machines(1, "kubeconfig");
    let text = "[demo]\nnamespace = \"shop\"\n";
    let namespace = Some("tools");
    let plan = Plan { namespace, configuration: Some(text), ..plan(&machines, &[]) };
    let job = manifests(&plan).unwrap();
    let names: Vec<_> = job.files.iter().map(|it| it.name.as_str()).collect();
    assert!(!names.contains(&"0-namespace.yaml"), "{names:?}");
    let map: ConfigMap = read(&job, "2-machines.yaml");
    assert_eq!(map.metadata.namespace.as_deref(), Some("tools"));
    assert_eq!(map.data.unwrap()["meshcheck.toml"], text);
    let object: JobObject = read(&job, "5-job.yaml");
    let pod = object.spec.unwrap().template.spec.unwrap();
    let arguments = pod.containers[0].args.clone().unwrap();
    assert!(arguments.join(" ").contains("--config /configuration/meshcheck.toml"));
    assert!(pod.volumes.unwrap().iter().any(|it| it.config_map.is_some()));
    assert!(job.files[0].text.contains("The namespace stays."), "{}", job.files[0].text);
}

/// Each machine is in the folder of exactly one index, with its own kubeconfig.
#[rstest]
#[case::one(1, None, 1)]
#[case::a_pod_for_ten(30, None, 3)]
#[case::one_more(31, None, 4)]
#[case::a_pod_each(5, Some(5), 5)]
#[case::more_pods_than_machines(3, Some(50), 3)]
#[case::shares_that_differ(7, Some(3), 3)]
#[case::large(300, None, 30)]
fn each_machine_is_in_one_share(
    #[case] number: usize,
    #[case] pods: Option<u16>,
    #[case] expected: usize,
) {
    // With certificates, a kubeconfig has some 6 KB.
    let machines = machines(number, &"x".repeat(6000));
    let job = manifests(&Plan { pods, ..plan(&machines, &[]) }).unwrap();
    assert_eq!(job.pods, expected);
    let object: JobObject = read(&job, "5-job.yaml");
    let spec = object.spec.unwrap();
    assert_eq!(spec.completions, Some(i32::try_from(expected).unwrap()));
    let volumes = spec.template.spec.unwrap().volumes.unwrap();
    let sources = volumes[0].projected.clone().unwrap().sources.unwrap();
    let mut found = BTreeSet::new();
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for (at, source) in sources.iter().enumerate() {
        let file = job.files.iter().find(|it| it.name == format!("4-kubeconfigs-{at:03}.yaml"));
        assert!(file.unwrap().text.len() < 262_144);
        let secret: Secret = read(&job, &format!("4-kubeconfigs-{at:03}.yaml"));
        let source = source.secret.clone().unwrap();
        assert_eq!(Some(source.name), secret.metadata.name);
        for item in source.items.unwrap() {
            let (index, file) = item.path.split_once('/').unwrap();
            let machine = file.strip_suffix(".yaml").unwrap();
            let kubeconfig = &secret.data.as_ref().unwrap()[&item.key].0;
            assert!(kubeconfig.ends_with(format!(" of {machine}").as_bytes()));
            assert!(found.insert(machine.to_owned()), "{machine} is there twice");
            *shares.entry(index.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(found.len(), number);
    let indexes: BTreeSet<_> = (0..expected).map(|index| index.to_string()).collect();
    assert_eq!(shares.keys().cloned().collect::<BTreeSet<_>>(), indexes);
    assert!(shares.values().max().unwrap() - shares.values().min().unwrap() <= 1, "{shares:?}");
    let map: ConfigMap = read(&job, "2-machines.yaml");
    let listed: usize = map.data.unwrap().values().map(|names| names.lines().count()).sum();
    assert_eq!(listed, number);
}

#[test]
fn account_has_no_token_and_pod_has_no_rights() {
    let machines = machines(1, "kubeconfig");
    let job = manifests(&plan(&machines, &[])).unwrap();
    let account: ServiceAccount = read(&job, "1-account.yaml");
    assert_eq!(account.automount_service_account_token, Some(false));
    let namespace: Namespace = read(&job, "0-namespace.yaml");
    let labels = namespace.metadata.labels.unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert!(!labels.contains_key(crate::owner::LABEL), "clean-up would delete it");
    let pod: JobObject = read(&job, "5-job.yaml");
    let pod = pod.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.automount_service_account_token, Some(false));
}

#[test]
fn secrets_are_in_secrets_only() {
    let machines = machines(2, "kubeconfig");
    let job = manifests(&plan(&machines, &[])).unwrap();
    let encoded = [TOKEN, &machines[0].1].map(|text| STANDARD.encode(text));
    for file in &job.files {
        let is_secret = file.text.contains("kind: Secret");
        for text in encoded.iter().map(String::as_str).chain([TOKEN, "kubeconfig of"]) {
            assert!(!file.text.contains(text) || is_secret, "{} has {text}", file.name);
        }
    }
}

#[test]
fn another_content_has_another_name() {
    let (one, other) = (machines(1, "kubeconfig"), machines(1, "renewed"));
    let name = |machines| manifests(&plan(machines, &[])).unwrap().name;
    assert_eq!(name(&one), name(&one));
    assert_ne!(name(&one), name(&other));
}

#[test]
fn objects_that_kubectl_cannot_apply_are_refused() {
    let machines_of = |length| [("vm1".to_owned(), "x".repeat(length))];
    assert!(manifests(&plan(&machines_of(175_000), &[])).is_ok());
    let error = manifests(&plan(&machines_of(180_000), &[])).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the kubeconfig of vm1 has 240008 bytes with its certificates, and a Secret has room for 240000"
    );
    let error = manifests(&plan(&machines(10_000, "kubeconfig"), &[])).err().unwrap();
    let expected = "and `kubectl apply` has room for 240000";
    assert!(matches!(error, JobError::Machines { machines: 10_000, .. }));
    assert!(error.to_string().ends_with(expected), "{error}");
}
