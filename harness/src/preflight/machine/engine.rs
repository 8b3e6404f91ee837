//! The container engine, asked through its program: itself, the nodes of kind, the network of kind.

use std::time::Duration;

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::{Engine, EngineAnswer, KindNetwork, KindNode};
use serde_json::Value;

use crate::cluster::engine::{KIND_LABEL, network_name};
use crate::process::{Call, Finished, ProcessError};

/// Asks the engine for itself.
pub(super) async fn ask(limit: Duration) -> Observation<EngineAnswer> {
    let call = Call::docker().args(["info", "--format", "{{json .}}"]).within(limit);
    match call.finish().await {
        Ok(ended) => Observation::seen(answer(&ended)),
        Err(ProcessError::Start { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Observation::seen(EngineAnswer::NoProgram)
        }
        Err(error) => Observation::failed(crate::chain(&error)),
    }
}

/// Some versions of the program end well, and tell of an engine that is not there in their answer.
fn answer(ended: &Finished) -> EngineAnswer {
    let info: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_default();
    let text = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| info[name].as_u64().unwrap_or_default();
    let version = text("ServerVersion");
    if ended.code == Some(0) && !version.is_empty() {
        let options = info["SecurityOptions"].as_array().into_iter().flatten();
        let rootless = |it: &Value| it.as_str().is_some_and(|it| it.contains("rootless"));
        return EngineAnswer::Answers(Engine {
            version,
            kernel: text("KernelVersion"),
            os: text("OSType"),
            cpus: number("NCPU"),
            memory_bytes: number("MemTotal"),
            cgroup_version: text("CgroupVersion"),
            rootless: options.into_iter().any(rootless),
            lacks_controllers: lacks_controllers(&info),
            root_dir: text("DockerRootDir"),
        });
    }
    let told = info["ServerErrors"][0].as_str().unwrap_or_default();
    let words = match (ended.stderr.trim(), told) {
        ("", "") => "`docker info` names no version of the engine",
        ("", told) => told,
        (said, _) => said,
    };
    let words = words.to_owned();
    if words.to_lowercase().contains("permission denied") {
        EngineAnswer::Refuses { words }
    } else {
        EngineAnswer::Silent { words }
    }
}

/// The controllers by which the engine limits nothing. kind refuses a rootless engine that lacks one of them. Source: its
/// `validateProvider`.
fn lacks_controllers(info: &Value) -> Vec<String> {
    let limits = [("CPUShares", "cpu"), ("MemoryLimit", "memory"), ("PidsLimit", "pids")];
    let lacks = limits.into_iter().filter(|(field, _)| info[*field] == false);
    lacks.map(|(_, controller)| controller.to_owned()).collect()
}

/// The nodes of all clusters of kind, running or not.
pub(super) async fn kind_nodes(limit: Duration) -> Observation<Vec<KindNode>> {
    let format =
        format!("{{{{.Names}}}}\t{{{{.State}}}}\t{{{{.Label \"{KIND_LABEL}\"}}}}\t{{{{.Status}}}}");
    let filter = format!("label={KIND_LABEL}");
    let call = Call::docker().args(["ps", "--all", "--filter", &filter, "--format", &format]);
    match call.within(limit).output().await {
        Ok(text) => Observation::seen(text.lines().filter_map(node).collect()),
        Err(error) => Observation::failed(crate::chain(&error)),
    }
}

fn node(line: &str) -> Option<KindNode> {
    let mut words = line.splitn(4, '\t').map(str::to_owned);
    Some(KindNode {
        name: words.next()?,
        state: words.next()?,
        cluster: words.next()?,
        words: words.next()?,
    })
}

/// The network that all clusters of kind share.
pub(super) async fn network(limit: Duration) -> Observation<KindNetwork> {
    let name = network_name();
    let call = Call::docker().args(["network", "inspect", &name, "--format", "{{json .}}"]);
    let ended = match call.within(limit).finish().await {
        Ok(ended) => ended,
        Err(error) => return Observation::failed(crate::chain(&error)),
    };
    if ended.code == Some(0) {
        let network: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_default();
        return Observation::seen(of_network(&network));
    }
    let words = ended.stderr.trim().to_owned();
    if words.to_lowercase().contains("no such network") || words.contains("not found") {
        Observation::absent(format!("the engine has no network {name}"))
    } else {
        Observation::failed(words)
    }
}

fn of_network(network: &Value) -> KindNetwork {
    let ranges = network["IPAM"]["Config"].as_array().into_iter().flatten();
    KindNetwork {
        ranges: ranges.filter_map(|it| it["Subnet"].as_str()).map(str::to_owned).collect(),
        containers: network["Containers"].as_object().map_or(0, serde_json::Map::len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ended(code: i32, stdout: &Value, stderr: &str) -> Finished {
        Finished { code: Some(code), stdout: stdout.to_string(), stderr: stderr.into() }
    }

    #[test]
    fn answering_engine_is_described() {
        let info = json!({
            "ServerVersion": "28.2.2", "KernelVersion": "6.1", "OSType": "linux", "NCPU": 2,
            "MemTotal": 4096, "CgroupVersion": "2", "DockerRootDir": "/var/lib/docker",
            "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
            "CPUShares": false, "MemoryLimit": true
        });
        let EngineAnswer::Answers(engine) = answer(&ended(0, &info, "")) else { panic!() };
        assert_eq!(
            (engine.version.as_str(), engine.cpus, engine.memory_bytes),
            ("28.2.2", 2, 4096)
        );
        assert!(engine.rootless);
        assert_eq!(engine.lacks_controllers, ["cpu"]);
    }

    #[test]
    fn missing_rights_and_missing_engine_are_different_answers() {
        let none = json!({ "ServerVersion": "" });
        let words = "permission denied while trying to connect to the Docker daemon socket";
        assert_eq!(answer(&ended(1, &none, words)), EngineAnswer::Refuses { words: words.into() });
        let words = "Cannot connect to the Docker daemon at unix:///nowhere.";
        assert_eq!(answer(&ended(1, &none, words)), EngineAnswer::Silent { words: words.into() });
    }

    #[test]
    fn successful_docker_info_without_version_is_no_engine() {
        let info = json!({ "ServerErrors": ["dial unix: connect: permission denied"] });
        assert!(matches!(answer(&ended(0, &info, "")), EngineAnswer::Refuses { .. }));
        assert!(matches!(answer(&ended(0, &json!({}), "")), EngineAnswer::Silent { .. }));
    }

    #[test]
    fn node_is_read_from_a_line() {
        let node = node("k-control-plane\texited\tk\tExited (137) 2 hours ago").unwrap();
        assert_eq!((node.cluster.as_str(), node.state.as_str()), ("k", "exited"));
        assert_eq!(node.words, "Exited (137) 2 hours ago");
    }

    #[test]
    fn ranges_and_containers_of_a_network_are_read() {
        let network = of_network(&json!({
            "IPAM": { "Config": [{ "Subnet": "172.18.0.0/16" }, { "Subnet": "fc00::/64" }] },
            "Containers": { "a": {}, "b": {} }
        }));
        assert_eq!(network.ranges, ["172.18.0.0/16", "fc00::/64"]);
        assert_eq!(network.containers, 2);
    }
}
