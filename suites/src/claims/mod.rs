//! The table of claims: read it from top to bottom, it is the tutorial.

pub(crate) mod causes;
#[cfg(test)]
pub(crate) mod completeness;
#[cfg(test)]
mod damage;
mod demo;
#[cfg(test)]
mod hints;
mod ingress;
mod install;
mod kiali;
mod mesh;
#[cfg(test)]
pub(crate) mod mutations;
mod parts;
mod prepare;
mod rollout;
#[cfg(test)]
mod unseen;
#[cfg(test)]
mod varied;
pub(crate) mod words;

pub use demo::{LogMark, log_marks};
pub use mesh::{Way, ways};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Expectations};
use crate::judgement::{Judged, Judgement, Verdict};
use crate::rights::{self, FORBIDDEN};

/// A statement of the tutorial, and how it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// `SECTION::NAME`: also the name of its test.
    pub id: &'static str,
    /// One sentence in plain words.
    pub statement: &'static str,
    /// Whether the tutorial only implies it.
    pub beyond: bool,
    /// What must be done to observe it.
    pub needs: Needs,
    judge: fn(&Evidence) -> Judged,
}

impl Claim {
    /// The section of the tutorial that it belongs to.
    pub fn section(&self) -> Section {
        Section::ALL
            .into_iter()
            .find(|section| self.id.starts_with(&format!("{section}::")))
            .unwrap_or(Section::Mesh)
    }

    /// The statement with what is expected, where a tutorial that varies says other ports or
    /// paths than the table.
    pub fn statement_for(&self, expectations: &Expectations) -> String {
        let Expectations { backend, kiali, .. } = expectations;
        match self.id {
            "demo::backend_service" => format!(
                "the backend's service leads from port {} to the backend's port {}",
                backend.service_port, backend.port
            ),
            "kiali::redirects_to_web_root" => format!("Kiali redirects / to {}", kiali.web_root),
            _ => self.statement.to_owned(),
        }
    }

    /// The verdict on this evidence.
    pub fn judge(&self, evidence: &Evidence) -> Judgement {
        let mut judgement = (self.judge)(evidence).unwrap_or_else(|early| early);
        if judgement.verdict == Verdict::Unjudged && judgement.summary.contains(FORBIDDEN) {
            judgement.hint.get_or_insert_with(|| rights::hint(evidence));
        }
        judgement
    }
}

/// A section of a report: of the tutorial, or of the preflight before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The cluster before the install.
    Prepare,
    /// The control plane.
    Install,
    /// The echo backend and its client.
    Demo,
    /// Sidecars, redirection, traffic.
    Mesh,
    /// The way in from outside.
    Ingress,
    /// The console.
    Kiali,
    /// Preflight: the machine that is to make the cluster.
    Machine,
    /// Preflight: what is to be installed.
    Software,
    /// Preflight: the cluster that is there.
    Cluster,
}

impl Section {
    /// All of the tutorial's, in its order.
    pub const ALL: [Self; 6] =
        [Self::Prepare, Self::Install, Self::Demo, Self::Mesh, Self::Ingress, Self::Kiali];

    /// Those of the preflight. No claim of the tutorial belongs to them.
    pub const PREFLIGHT: [Self; 3] = [Self::Machine, Self::Software, Self::Cluster];

    /// Its word in ids and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Install => "install",
            Self::Demo => "demo",
            Self::Mesh => "mesh",
            Self::Ingress => "ingress",
            Self::Kiali => "kiali",
            Self::Machine => "machine",
            Self::Software => "software",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What must be done to observe a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Reading objects and logs.
    Reading,
    /// A server-side dry run: nothing is created.
    DryRun,
    /// A command in a container of the demo.
    Exec,
    /// A port-forward, or a request to an address of the cluster.
    Request,
    /// A command on the node: kind only.
    Node,
    /// Objects of our own: `--active` where the cluster is not ours.
    Objects,
}

/// Every claim, in the tutorial's order.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "prepare::load_balancer_address_free",
        statement: "a load balancer address is free for the ingress gateway",
        beyond: false,
        needs: Needs::Reading,
        judge: prepare::load_balancer_address_free,
    },
    Claim {
        id: "prepare::no_competing_load_balancer",
        statement: "no other service holds the only load balancer address",
        beyond: false,
        needs: Needs::Reading,
        judge: prepare::no_competing_load_balancer,
    },
    Claim {
        id: "prepare::dns_on_pod_network",
        statement: "the cluster's DNS pods have addresses of the pod network",
        beyond: false,
        needs: Needs::Reading,
        judge: prepare::dns_on_pod_network,
    },
    Claim {
        id: "prepare::kubernetes_version_supported",
        statement: "the version of Kubernetes is one that this Istio supports",
        beyond: true,
        needs: Needs::Reading,
        judge: prepare::kubernetes_version_supported,
    },
    Claim {
        id: "prepare::nodes_ready",
        statement: "the nodes are ready and have room for the mesh",
        beyond: true,
        needs: Needs::Reading,
        judge: prepare::nodes_ready,
    },
    Claim {
        id: "install::istio_version",
        statement: "the Istio that runs is the one that was asked for",
        beyond: false,
        needs: Needs::Request,
        judge: install::istio_version,
    },
    Claim {
        id: "install::default_profile",
        statement: "the default profile is installed: istiod, one ingress gateway, no egress gateway",
        beyond: false,
        needs: Needs::Reading,
        judge: install::default_profile,
    },
    Claim {
        id: "install::control_plane_running",
        statement: "all pods of the control plane's namespace are Running",
        beyond: false,
        needs: Needs::Reading,
        judge: install::control_plane_running,
    },
    Claim {
        id: "install::namespace_labelled",
        statement: "the demo's namespace is labelled for injection",
        beyond: false,
        needs: Needs::Reading,
        judge: install::namespace_labelled,
    },
    Claim {
        id: "install::injection_webhook",
        statement: "a mutating admission webhook injects the sidecar in labelled namespaces",
        beyond: false,
        needs: Needs::Reading,
        judge: install::injection_webhook,
    },
    Claim {
        id: "demo::backend_service",
        statement: "the backend's service leads from port 80 to the backend's port 5678",
        beyond: false,
        needs: Needs::Reading,
        judge: demo::backend_service,
    },
    Claim {
        id: "demo::backend_deployment",
        statement: "the echo backend is deployed and available",
        beyond: false,
        needs: Needs::Reading,
        judge: demo::backend_deployment,
    },
    Claim {
        id: "demo::client_deployment",
        statement: "the curl client is deployed and available",
        beyond: false,
        needs: Needs::Reading,
        judge: demo::client_deployment,
    },
    Claim {
        id: "demo::client_logs_show_reply",
        statement: "the client's log shows the backend's reply",
        beyond: false,
        needs: Needs::Reading,
        judge: demo::client_logs_show_reply,
    },
    Claim {
        id: "demo::backend_replies",
        statement: "asked now, from the client, the backend replies",
        beyond: true,
        needs: Needs::Exec,
        judge: demo::backend_replies,
    },
    Claim {
        id: "mesh::two_containers_per_pod",
        statement: "each pod has two containers: the application and the injected sidecar",
        beyond: false,
        needs: Needs::Reading,
        judge: mesh::two_containers_per_pod,
    },
    Claim {
        id: "mesh::pods_ready",
        statement: "each pod is READY 2/2 and Running",
        beyond: false,
        needs: Needs::Reading,
        judge: mesh::pods_ready,
    },
    Claim {
        id: "mesh::unlabelled_namespace_left_alone",
        statement: "pods get a sidecar in labelled namespaces only",
        beyond: true,
        needs: Needs::DryRun,
        judge: mesh::unlabelled_namespace_left_alone,
    },
    Claim {
        id: "mesh::init_arguments",
        statement: "the init container is told to redirect all traffic to the sidecar",
        beyond: false,
        needs: Needs::Reading,
        judge: mesh::init_arguments,
    },
    Claim {
        id: "mesh::inbound_redirected",
        statement: "all inbound traffic is redirected to the sidecar",
        beyond: false,
        needs: Needs::Reading,
        judge: mesh::inbound_redirected,
    },
    Claim {
        id: "mesh::outbound_redirected",
        statement: "all outbound traffic is redirected to the sidecar, the sidecar's own is not",
        beyond: false,
        needs: Needs::Reading,
        judge: mesh::outbound_redirected,
    },
    Claim {
        id: "mesh::live_rules",
        statement: "the rules in force are those that the init container's log shows",
        beyond: true,
        needs: Needs::Node,
        judge: mesh::live_rules,
    },
    Claim {
        id: "mesh::traffic_through_proxies",
        statement: "traffic flows through Envoy on both sides",
        beyond: false,
        needs: Needs::Exec,
        judge: mesh::traffic_through_proxies,
    },
    Claim {
        id: "mesh::proxies_in_sync",
        statement: "every proxy has the configuration that istiod holds for it",
        beyond: true,
        needs: Needs::Request,
        judge: mesh::proxies_in_sync,
    },
    Claim {
        id: "ingress::service_is_load_balancer",
        statement: "the ingress gateway is a LoadBalancer service with ports 15021, 80 and 443",
        beyond: false,
        needs: Needs::Reading,
        judge: ingress::service_is_load_balancer,
    },
    Claim {
        id: "ingress::external_address",
        statement: "the ingress gateway has an external address",
        beyond: false,
        needs: Needs::Reading,
        judge: ingress::external_address,
    },
    Claim {
        id: "ingress::address_answers",
        statement: "the gateway's address answers from outside of the mesh",
        beyond: true,
        needs: Needs::Request,
        judge: ingress::address_answers,
    },
    Claim {
        id: "ingress::routes_into_mesh",
        statement: "the gateway directs external traffic into the mesh",
        beyond: false,
        needs: Needs::Objects,
        judge: ingress::routes_into_mesh,
    },
    Claim {
        id: "kiali::running",
        statement: "Kiali from the release's own addon manifest runs",
        beyond: false,
        needs: Needs::Reading,
        judge: kiali::running,
    },
    Claim {
        id: "kiali::redirects_to_web_root",
        statement: "Kiali redirects / to /kiali/",
        beyond: false,
        needs: Needs::Request,
        judge: kiali::redirects_to_web_root,
    },
    Claim {
        id: "kiali::reachable_on_exposed_port",
        statement: "Kiali answers on the exposed port",
        beyond: false,
        needs: Needs::Request,
        judge: kiali::reachable_on_exposed_port,
    },
    Claim {
        id: "kiali::console_served",
        statement: "Kiali serves its console, and its API reports a version",
        beyond: true,
        needs: Needs::Request,
        judge: kiali::console_served,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CLAIMS, Section};
    use crate::evidence::Expectations;

    #[test]
    fn the_tutorials_statements_are_those_of_the_table() {
        let tutorial = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        for claim in CLAIMS {
            assert_eq!(claim.statement_for(&tutorial), claim.statement);
        }
        let mut varied = tutorial;
        varied.backend.service_port = 8080;
        varied.kiali.web_root = "/console/".into();
        let told: Vec<_> = CLAIMS.iter().map(|claim| claim.statement_for(&varied)).collect();
        assert!(told.iter().any(|it| it.contains("from port 8080 to")), "{told:?}");
        assert!(told.iter().any(|it| it == "Kiali redirects / to /console/"), "{told:?}");
    }

    #[test]
    fn ids_are_unique_and_begin_with_their_section() {
        let ids: BTreeSet<_> = CLAIMS.iter().map(|claim| claim.id).collect();
        assert_eq!(ids.len(), CLAIMS.len());
        for claim in CLAIMS {
            let (section, name) = claim.id.split_once("::").unwrap_or_default();
            assert!(Section::ALL.iter().any(|known| known.word() == section), "{}", claim.id);
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", claim.id);
        }
    }

    #[test]
    fn claims_stand_in_the_order_of_the_sections() {
        assert!(CLAIMS.is_sorted_by_key(super::Claim::section));
    }
}
