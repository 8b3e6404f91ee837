//! A second cluster whose node, pods and services have other addresses than kind's own choice.

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

/// A cluster of other networks, and the engine's network that it is on. Fields end in this order.
pub(super) struct Other {
    /// The cluster.
    pub(super) cluster: Cluster,
    _files: tempfile::TempDir,
    _network: Cleanup,
}

impl Other {
    /// Provisions it of what a cluster was made of.
    pub(super) fn beside(cluster: &Cluster) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let config = files.path().join("kind.yaml");
        let bundle = Bundle::open(cluster.bundle())?;
        let text = fs::read_to_string(bundle.verified(&bundle.manifest().node.kind_config)?)?;
        let conflist = files.path().join(LAB_NETWORK);
        fs::write(&config, elsewhere(&text, &conflist.display().to_string())?)?;
        let lab = repository().join("ci").join("lab").join("node").join(LAB_NETWORK);
        let lab = fs::read_to_string(lab)?;
        let moved = lab.replace("10.244.0.0/24", NODE_PODS);
        ensure!(moved != lab, "`{LAB_NETWORK}` no longer names the pods' range");
        fs::write(&conflist, moved)?;

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
        let run = |up: Program| {
            let up = up.arg("--kind-config").arg(&config);
            up.env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &name).run()
        };
        let cluster = cluster.another(run)?;
        Ok(Self { cluster, _files: files, _network: network })
    }
}

/// A kind configuration with other networks. The lab's node has a network of its own, which is laid over.
fn elsewhere(config: &str, conflist: &str) -> Result<String> {
    let networks = format!("networking:\n  podSubnet: {PODS}\n  serviceSubnet: {SERVICES}\n");
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
            elsewhere(&text, "/place/10-pod-network.conflist").unwrap()
        };
        for name in ["lab.yaml", "release.yaml"] {
            let text = config(name);
            assert_eq!(text.matches("networking:").count(), 1, "{text}");
            assert!(text.contains("podSubnet: 10.77.0.0/16"), "{text}");
        }
        assert!(config("lab.yaml").contains("hostPath: /place/10-pod-network.conflist"));
        assert!(!config("release.yaml").contains("extraMounts"));
    }
}
