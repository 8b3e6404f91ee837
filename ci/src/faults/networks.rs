//! A second cluster whose node, pods and services have other addresses than kind's own choice, or more of them.

use std::fs;

use anyhow::{Result, ensure};
use meshcheck_bundle::Bundle;

use crate::cleanup::Cleanup;
use crate::command::Program;
use crate::live::Cluster;
use crate::out::say;
use crate::workspace::repository;

/// The pods' addresses; kind's own choice is 10.244.0.0/16.
const PODS: &str = "10.77.0.0/16";

/// Those of one node's pods.
const NODE_PODS: &str = "10.77.0.0/24";

/// The services'; kind's own choice is 10.96.0.0/16.
const SERVICES: &str = "10.78.0.0/16";

/// The node's; the engine's own choice begins with 172.
const NODES: &str = "10.79.0.0/24";

/// The network that the lab's node image brings, for one node.
const LAB_NETWORK: &str = "10-pod-network.conflist";

/// What the lab's network becomes where pods get addresses of both families; the second is kind's own choice.
const BOTH_RANGES: &str = r#"[{ "subnet": "10.244.0.0/24" }], [{ "subnet": "fd00:10:244::/64" }]"#;

/// A cluster of other networks, and the engine's network that it is on. Fields end in this order.
pub(super) struct Other {
    pub(super) cluster: Cluster,
    _files: tempfile::TempDir,
    _network: Option<Cleanup>,
}

impl Other {
    /// Provisions one of other ranges, of what a cluster was made of.
    pub(super) fn beside(cluster: &Cluster) -> Result<Self> {
        let name = format!("meshcheck-faults-{}", std::process::id());
        let network = {
            let name = name.clone();
            Cleanup::new(move || {
                if let Err(error) = Program::new("docker").args(["network", "rm", &name]).read() {
                    say(format_args!("the network `{name}` could not be removed: {error:#}"));
                }
            })
        };
        Program::new("docker")
            .args([
                "network",
                "create",
                "--label",
                "meshcheck.dev/faults",
                "--subnet",
                NODES,
                &name,
            ])
            .read()?;
        let networks = format!("  podSubnet: {PODS}\n  serviceSubnet: {SERVICES}\n");
        let pods = ("10.244.0.0/24", NODE_PODS);
        let up = |up: Program| up.env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &name);
        Self::new(cluster, (&networks, pods), Some(network), up)
    }

    /// Provisions one whose nodes, pods and services can have addresses of both families. The network that kind makes
    /// by itself has both.
    pub(super) fn dual_stack(cluster: &Cluster) -> Result<Self> {
        let pods = (r#"[{ "subnet": "10.244.0.0/24" }]"#, BOTH_RANGES);
        Self::new(cluster, ("  ipFamily: dual\n", pods), None, |up| up)
    }

    /// Provisions one with these networks in its configuration, and these pods in the lab's own.
    fn new(
        cluster: &Cluster,
        (networks, (pods, moved)): (&str, (&str, &str)),
        network: Option<Cleanup>,
        up_there: impl FnOnce(Program) -> Program,
    ) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let config = files.path().join("kind.yaml");
        let bundle = Bundle::open(cluster.bundle())?;
        let text = fs::read_to_string(bundle.verified(&bundle.manifest().node.kind_config)?)?;
        let conflist = files.path().join(LAB_NETWORK);
        fs::write(&config, elsewhere(&text, networks, &conflist.display().to_string())?)?;
        let lab = repository().join("ci").join("lab").join("node").join(LAB_NETWORK);
        fs::write(&conflist, with_pods(&fs::read_to_string(lab)?, pods, moved)?)?;
        let run = |up: Program| up_there(up.arg("--kind-config").arg(&config)).run();
        let cluster = cluster.another(run)?;
        Ok(Self { cluster, _files: files, _network: network })
    }
}

/// The lab's network with other addresses for pods.
fn with_pods(lab: &str, pods: &str, moved: &str) -> Result<String> {
    ensure!(lab.contains(pods), "`{LAB_NETWORK}` no longer names the pods' range");
    Ok(lab.replace(pods, moved))
}

/// A kind configuration with other networks. The lab's node has a network of its own, which is laid over.
fn elsewhere(config: &str, networks: &str, conflist: &str) -> Result<String> {
    let networks = format!("networking:\n{networks}");
    if !config.contains("disableDefaultCNI: true") {
        ensure!(!config.contains("networking:"), "the bundle's configuration has networks already");
        return Ok(format!("{config}{networks}"));
    }
    let node = "  - role: control-plane\n";
    ensure!(config.contains("networking:\n") && config.contains(node), "no lab configuration");
    let mounted = format!(
        "{node}    extraMounts:\n      - hostPath: {conflist}\n        \
         containerPath: /etc/cni/net.d/{LAB_NETWORK}\n        readOnly: true\n"
    );
    Ok(config.replace("networking:\n", &networks).replace(node, &mounted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_configurations_get_other_networks() {
        let config = |name: &str| {
            let text = fs::read_to_string(repository().join("kind-config").join(name)).unwrap();
            let networks = "  podSubnet: 10.77.0.0/16\n";
            elsewhere(&text, networks, "/place/10-pod-network.conflist").unwrap()
        };
        for name in ["lab.yaml", "release.yaml"] {
            let text = config(name);
            assert_eq!(text.matches("networking:").count(), 1, "{text}");
            assert!(text.contains("podSubnet: 10.77.0.0/16"), "{text}");
        }
        assert!(config("lab.yaml").contains("hostPath: /place/10-pod-network.conflist"));
        assert!(!config("release.yaml").contains("extraMounts"));
    }

    #[test]
    fn lab_network_gets_addresses_of_both_families() {
        let lab = repository().join("ci").join("lab").join("node").join(LAB_NETWORK);
        let lab = fs::read_to_string(lab).unwrap();
        let both = with_pods(&lab, r#"[{ "subnet": "10.244.0.0/24" }]"#, BOTH_RANGES).unwrap();
        let both: serde_json::Value = serde_json::from_str(&both).unwrap();
        let ranges = both.pointer("/plugins/0/ipam/ranges").unwrap();
        assert_eq!(ranges[0][0]["subnet"], "10.244.0.0/24");
        assert_eq!(ranges[1][0]["subnet"], "fd00:10:244::/64");
        assert!(with_pods(&lab, "10.243.0.0/24", "").is_err());
    }
}
