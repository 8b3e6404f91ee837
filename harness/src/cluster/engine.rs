//! What the container engine knows of clusters: nodes, marks, volumes, the network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::config::MARK;
use super::{ClusterError, freezer};
use crate::owner::{self, Owner};
use crate::process::{Call, ProcessError};
use crate::wait::{Look, Wait};

/// The label that kind puts on its containers, with the cluster's name.
pub(crate) const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// How long a question to the engine may take that it answers from memory. Seen: 0.1 s, and some
/// seconds on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(20);

/// How long a container may take to end once it is killed. The engine itself waits 10 s for each attempt.
const END_CEILING: Duration = Duration::from_mins(1);

/// The engine network that all clusters of kind share: `kind`, or the one that kind's own variable names.
pub(crate) fn network_name() -> String {
    let name = std::env::var("KIND_EXPERIMENTAL_DOCKER_NETWORK").unwrap_or_default();
    if name.is_empty() { "kind".to_owned() } else { name }
}

/// A node of kind, as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The container's id.
    pub(crate) id: String,
    /// The container's name.
    pub(crate) name: String,
    /// The cluster that it belongs to.
    pub(crate) cluster: String,
    /// The directory that is mounted as our mark, where it is meshcheck's.
    pub(crate) mark: Option<PathBuf>,
    /// The volumes that go with it.
    pub(crate) volumes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    config: Labelled,
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Labelled {
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    source: String,
    destination: String,
}

/// All containers of kind on this engine, running or not.
pub(crate) async fn nodes() -> Result<Vec<Node>, ProcessError> {
    let filter = format!("label={KIND_LABEL}");
    let ids = Call::docker().args(["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
    let ids = ids.within(ANSWER);
    let mut nodes = Vec::new();
    for id in ids.output().await?.split_whitespace() {
        // One that another run removes in this moment is no concern of meshcheck.
        let inspected =
            Call::docker().args(["inspect", "--type", "container", id]).finish().await?;
        if inspected.code == Some(0) {
            nodes.extend(parse(&inspected.stdout));
        }
    }
    Ok(nodes)
}

fn parse(json: &str) -> Vec<Node> {
    let inspected: Vec<Inspected> = serde_json::from_str(json).unwrap_or_default();
    inspected
        .into_iter()
        .map(|container| Node {
            id: container.id,
            name: container.name.trim_start_matches('/').to_owned(),
            cluster: container.config.labels.get(KIND_LABEL).cloned().unwrap_or_default(),
            mark: container
                .mounts
                .iter()
                .find(|mount| mount.destination == MARK)
                .map(|mount| PathBuf::from(&mount.source)),
            volumes: container
                .mounts
                .into_iter()
                .filter(|mount| mount.kind == "volume")
                .map(|mount| mount.name)
                .collect(),
        })
        .collect()
}

/// The containers, other than nodes, that a process of meshcheck made: their ids, and who made them.
pub(crate) async fn helpers() -> Result<Vec<(String, Owner)>, ProcessError> {
    let filter = format!("label={}", owner::LABEL);
    let format = format!("{{{{.ID}}}} {{{{.Label \"{}\"}}}}", owner::LABEL);
    let call = Call::docker().args(["ps", "--all", "--no-trunc", "--filter", &filter]);
    let listed = call.args(["--format", &format]).within(ANSWER).output().await?;
    let parsed = listed.lines().filter_map(|line| {
        let (id, maker) = line.split_once(' ')?;
        Some((id.to_owned(), Owner::parse(maker.trim())?))
    });
    Ok(parsed.collect())
}

/// Removes a container with its volumes. The engine may give up before the container has ended, on a busy machine or
/// because something in it is frozen: that is thawed, and the engine asked again.
pub(crate) async fn remove_container(id: &str) -> Result<(), ClusterError> {
    let call = Call::docker().args(["rm", "--force", "--volumes", id]);
    let wait = Wait::new(format!("the engine to end container {id}"), END_CEILING);
    let removed = wait.until(|| async {
        match call.output().await {
            Err(ProcessError::Failed { last, .. })
                if last.contains("did not receive an exit event") =>
            {
                freezer::thaw(id);
                Look::NotYet(last)
            }
            other => Look::Ready(other),
        }
    });
    match removed.await? {
        // Gone, or about to be by the hand of another run, is what it was to be.
        Err(ProcessError::Failed { last, .. })
            if last.contains("No such container") || last.contains("is already in progress") =>
        {
            Ok(())
        }
        other => Ok(other.map(drop)?),
    }
}

/// The volumes of these names that are still there.
pub(crate) async fn volumes_left(names: &[String]) -> Result<Vec<String>, ProcessError> {
    let there = Call::docker().args(["volume", "ls", "--quiet"]).output().await?;
    Ok(there
        .lines()
        .filter(|name| names.iter().any(|known| known == name))
        .map(Into::into)
        .collect())
}

/// The id of the network of kind, where it is there.
pub(crate) async fn network() -> Result<Option<String>, ProcessError> {
    let filter = format!("name=^{}$", network_name());
    let call = Call::docker().args(["network", "ls", "--quiet", "--no-trunc", "--filter", &filter]);
    Ok(call.within(ANSWER).output().await?.lines().next().map(str::to_owned))
}

/// Removes a network that nobody uses; whether it did.
pub(crate) async fn remove_network(id: &str) -> bool {
    Call::docker().args(["network", "rm", id]).output().await.is_ok()
}

/// The image's id, where the engine has the image.
pub(crate) async fn image_id(reference: &str) -> Result<Option<String>, ProcessError> {
    let call = Call::docker().args(["image", "inspect", "--format", "{{.Id}}", reference]);
    let finished = call.finish().await?;
    match finished.code {
        Some(0) => Ok(Some(finished.stdout.trim().to_owned())),
        _ if finished.stderr.to_lowercase().contains("no such image") => Ok(None),
        // Whatever else is wrong is reported by the same call, as an error.
        _ => call.output().await.map(|id| Some(id.trim().to_owned())),
    }
}

/// Loads an image archive into the engine.
pub(crate) async fn load(archive: &Path) -> Result<(), ProcessError> {
    let call = Call::docker().arg("load").arg("--input").arg(archive);
    call.within(Duration::from_mins(10)).output().await.map(drop)
}

/// A node's address on the network of kind, and that network's ranges.
pub(crate) async fn addresses(node: &str) -> Result<(String, Vec<String>), ProcessError> {
    let network = network_name();
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    let address = Call::docker().args(["inspect", "--format", &format, node]).output().await?;
    let format = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    let ranges = Call::docker().args(["network", "inspect", "--format", format, &network]);
    let ranges = ranges.output().await?;
    Ok((address.trim().to_owned(), ranges.split_whitespace().map(str::to_owned).collect()))
}

/// The engines that run nodes, as they stand on the PATH.
const ENGINES: [&str; 3] = ["docker", "podman", "nerdctl"];

/// Where a node is a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The engine's program.
    pub(crate) engine: String,
    /// The container's name.
    pub(crate) container: String,
    /// The network that the container is in.
    pub(crate) network: String,
}

/// The container that publishes this port of this machine, on whichever engine has it, and why there is none.
pub(crate) async fn find_publisher(port: u16) -> Result<Place, String> {
    let mut reasons = Vec::new();
    for engine in ENGINES {
        let listed = Call::new(engine).args(["ps", "--format", "{{.Names}}\t{{.Ports}}"]);
        let listed = match listed.within(ANSWER).output().await {
            Ok(listed) => listed,
            Err(error) => {
                reasons.push(crate::chain(&error));
                continue;
            }
        };
        let Some(container) = publisher_in(&listed, port) else {
            reasons.push(format!("no container of {engine} publishes port {port}"));
            continue;
        };
        let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}";
        let networks = Call::new(engine).args(["inspect", "--format", format, container]);
        let networks = networks.within(ANSWER).output().await;
        let networks = networks.map_err(|error| crate::chain(&error))?;
        let network = networks.split_whitespace().next();
        let network = network.ok_or_else(|| format!("container {container} has no network"))?;
        let (container, network) = (container.to_owned(), network.to_owned());
        return Ok(Place { engine: engine.to_owned(), container, network });
    }
    Err(reasons.join("; "))
}

/// The name before ports such as `127.0.0.1:39255->6443/tcp, 0.0.0.0:80->80/tcp`.
fn publisher_in(listed: &str, port: u16) -> Option<&str> {
    let published = format!(":{port}->");
    let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
    lines.find(|(_, ports)| ports.contains(&published)).map(|(name, _)| name)
}

/// The ranges of a node's network.
pub(crate) async fn ranges(place: &Place) -> Result<Vec<String>, ProcessError> {
    let call = Call::new(&place.engine).args(["network", "inspect", &place.network]);
    Ok(ranges_in(&call.within(ANSWER).output().await?))
}

/// Docker writes `"Subnet"` within `IPAM`, podman `"subnet"` within `subnets`.
fn ranges_in(network: &str) -> Vec<String> {
    fn collect(value: &serde_json::Value, ranges: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str().filter(|_| name.eq_ignore_ascii_case("subnet")) {
                        Some(range) => ranges.push(range.to_owned()),
                        None => collect(value, ranges),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|it| collect(it, ranges)),
            _ => {}
        }
    }
    let mut ranges = Vec::new();
    collect(&serde_json::from_str(network).unwrap_or_default(), &mut ranges);
    ranges
}

/// The ID of the image that a node's container was made from.
pub(crate) async fn image_in(place: &Place) -> Result<String, ProcessError> {
    let call = Call::new(&place.engine).args(["inspect", "--format", "{{.Image}}"]);
    Ok(call.arg(&place.container).within(ANSWER).output().await?.trim().to_owned())
}

/// Where kind's containers on this engine publish the port of an API server: `127.0.0.1:39255`.
pub(crate) async fn api_servers() -> Result<Vec<String>, ProcessError> {
    let kind = format!("label={KIND_LABEL}");
    let output = Call::docker().args(["ps", "--filter", &kind, "--format", "{{.Ports}}"]);
    Ok(api_servers_in(&output.within(Duration::from_secs(5)).output().await?))
}

/// The places in lines such as `0.0.0.0:80->80/tcp, 127.0.0.1:39255->6443/tcp`.
fn api_servers_in(ports: &str) -> Vec<String> {
    let all = ports.lines().flat_map(|line| line.split(", "));
    all.filter_map(|port| port.trim().strip_suffix("->6443/tcp")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSPECTED: &str = r#"[{
        "Id": "abc", "Name": "/meshcheck-1-control-plane", "State": {},
        "Config": { "Labels": { "io.x-k8s.kind.cluster": "meshcheck-1" } },
        "Mounts": [
            { "Type": "volume", "Name": "f00", "Source": "/v/f00", "Destination": "/var" },
            { "Type": "bind", "Source": "/state/owner", "Destination": "/var/lib/meshcheck/owner" }
        ] }, {
        "Id": "def", "Name": "/kind-control-plane",
        "Config": { "Labels": { "io.x-k8s.kind.cluster": "kind" } },
        "Mounts": [] }]"#;

    #[test]
    fn api_server_is_found_by_its_published_port() {
        let ports = "0.0.0.0:30001->30001/tcp, 127.0.0.1:39255->6443/tcp\n\n80/tcp, 6443/tcp\n[::1]:7->6443/tcp\n";
        assert_eq!(api_servers_in(ports), ["127.0.0.1:39255", "[::1]:7"]);
    }

    #[test]
    fn node_is_the_container_that_publishes_the_servers_port() {
        let listed = "web\t0.0.0.0:80->80/tcp\nminikube\t127.0.0.1:49920->22/tcp, 127.0.0.1:49921->8443/tcp\nidle\t\n";
        assert_eq!(publisher_in(listed, 49921), Some("minikube"));
        assert_eq!(publisher_in(listed, 4992), None);
    }

    #[test]
    fn ranges_are_read_in_the_form_of_each_engine() {
        let docker = r#"[{"Name":"kind","IPAM":{"Config":[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"},{"Subnet":"fc00::/64"}]}}]"#;
        assert_eq!(ranges_in(docker), ["172.18.0.0/16", "fc00::/64"]);
        let podman =
            r#"[{"name":"kind","subnets":[{"subnet":"10.89.0.0/24","gateway":"10.89.0.1"}]}]"#;
        assert_eq!(ranges_in(podman), ["10.89.0.0/24"]);
        assert!(ranges_in("no such network").is_empty());
    }

    #[test]
    fn only_nodes_of_meshcheck_have_a_mark() {
        let nodes = parse(INSPECTED);
        assert_eq!(nodes[0].name, "meshcheck-1-control-plane");
        assert_eq!(nodes[0].mark.as_deref(), Some(Path::new("/state/owner")));
        assert_eq!(nodes[0].volumes, ["f00"]);
        assert_eq!((nodes[1].cluster.as_str(), nodes[1].mark.as_ref()), ("kind", None));
    }
}
