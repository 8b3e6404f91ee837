//! Recorded meshes for tests, and the same mesh on another cluster.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::evidence::Evidence;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

pub(super) fn document(name: &str) -> Value {
    let path = fixtures().join(name);
    let file = File::open(&path).unwrap();
    if path.extension().unwrap() == "gz" {
        serde_json::from_reader(GzDecoder::new(file)).unwrap()
    } else {
        serde_json::from_reader(BufReader::new(file)).unwrap()
    }
}

pub(super) fn record(name: &str) -> Evidence {
    serde_json::from_value(document(name)).unwrap()
}

/// The records of a folder: `variations`, `faults`, `cases`.
pub(super) fn folder(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(fixtures().join(kind)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().map(|name| format!("{kind}/{name}/evidence.json.gz")).collect()
}

/// The same mesh on another cluster at another time: other names of nodes, pods and the cluster, other addresses, ports,
/// times, nonces and counters, and the pods of a workload in another order.
pub(super) fn on_another_cluster(document: &Value) -> Evidence {
    let evidence: Evidence = serde_json::from_value(document.clone()).unwrap();
    let mut text = document.to_string();
    let pods = [&evidence.demo.pods, &evidence.demo.pods_at_end, &evidence.install.pods];
    let dns = evidence.cluster.dns.value().map(|dns| dns.pods.clone()).unwrap_or_default();
    let network = evidence.cluster.network_pods.value().cloned().unwrap_or_default();
    let all = pods.iter().filter_map(|it| it.value()).flatten().chain(&dns).chain(&network);
    let mut replaced = BTreeSet::new();
    for pod in all {
        let Some((start, end)) = pod.name.rsplit_once('-').filter(|_| pod.owner.is_some()) else {
            continue;
        };
        let turned: String = end.chars().rev().chain(['z']).collect();
        replaced.insert((pod.name.clone(), format!("{start}-{turned}")));
        if let Some(hash) = pod.labels.get("pod-template-hash") {
            replaced.insert((hash.clone(), hash.chars().rev().collect()));
        }
    }
    let subject = &evidence.subject;
    replaced.insert((subject.context.clone(), "vm77".into()));
    for node in evidence.cluster.nodes.value().unwrap() {
        replaced.insert((node.name.clone(), "elsewhere".into()));
    }
    let mut replaced: Vec<_> = replaced.into_iter().collect();
    replaced.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, by) in replaced {
        text = text.replace(&name, &by);
    }
    for (from, to) in [
        ("10.244.0.", "10.245.9."),
        ("172.18.", "172.30."),
        ("172.19.", "172.30."),
        ("172.20.", "172.30."),
        ("172.21.", "172.30."),
        ("10.96.", "10.97."),
        ("2026-11-", "2026-12-"),
        ("meshcheck-route-", "meshcheck-route-0000000"),
    ] {
        text = text.replace(from, to);
    }
    let mut document: Value = serde_json::from_str(&text).unwrap();
    vary(&mut document, "");
    serde_json::from_value(document).unwrap()
}

fn vary(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                vary(value, name);
            }
        }
        Value::Array(items) => {
            // The API server lists by name: only pods of one workload change their places.
            let is_of_one_workload = items
                .iter()
                .all(|it| it.get("owner").is_some() && it.get("owner") == items[0].get("owner"));
            if is_of_one_workload {
                items.reverse();
            }
            for item in items {
                vary(item, field);
            }
        }
        Value::Number(number) => match field {
            "node_port" => *value = json!(30_777),
            "took_ms" | "observed_generation" | "generation" => {
                *value = json!(number.as_u64().unwrap() + 5);
            }
            _ => {}
        },
        Value::String(text) if ["sent", "acked"].contains(&field) && !text.is_empty() => {
            *value = json!(format!("{text}-b"));
        }
        _ => {}
    }
}
