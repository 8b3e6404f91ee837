//! Evidence of a cluster of which nothing was seen: where none was named, or it does not answer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ClusterLook;
use crate::evidence::{
    ClusterEvidence, DemoEvidence, Evidence, Expectations, IngressEvidence, InstallEvidence,
    KialiEvidence, MeshEvidence, Observation, SCHEMA, Subject,
};

/// How all looks ended.
type Why = Observation<()>;

fn same<T>(why: &Why) -> Observation<T> {
    match why {
        Observation::Absent { reason } => Observation::absent(reason.clone()),
        Observation::NotAsked { reason } => Observation::not_asked(reason.clone()),
        Observation::Failed { reason } => Observation::failed(reason.clone()),
        Observation::Seen { .. } => Observation::failed("nothing was looked at"),
    }
}

impl Evidence {
    /// Evidence in which every look ended in the same way.
    pub fn unseen(subject: Subject, expectations: Expectations, at: Timestamp, why: &Why) -> Self {
        Self {
            schema: SCHEMA,
            recorder: "meshcheck".into(),
            recorded_at: at,
            took_ms: 0,
            subject,
            expectations,
            cluster: ClusterEvidence {
                server_version: same(why),
                nodes: same(why),
                requested: same(why),
                load_balancer_services: same(why),
                load_balancer_probe: same(why),
                dns: same(why),
                calico_pools: same(why),
            },
            install: InstallEvidence {
                pods: same(why),
                deployments: same(why),
                services: same(why),
                endpoints: same(why),
                crds: same(why),
                webhooks: same(why),
                namespaces: same(why),
                istiod: same(why),
                istioctl_version: same(why),
            },
            demo: DemoEvidence {
                settling: same(why),
                pods: same(why),
                pods_at_end: same(why),
                deployments: same(why),
                services: same(why),
                endpoints: same(why),
                client_logs: same(why),
                asked: same(why),
            },
            mesh: MeshEvidence {
                dry_run_unlabelled: same(why),
                dry_run_labelled: same(why),
                init_logs: BTreeMap::new(),
                live_rules: BTreeMap::new(),
                traffic: same(why),
            },
            ingress: IngressEvidence { health: same(why), route: same(why) },
            kiali: KialiEvidence {
                root: same(why),
                exposed: same(why),
                console: same(why),
                api: same(why),
            },
            logs: Vec::new(),
            redactions: Vec::new(),
        }
    }
}

impl ClusterLook {
    /// A cluster of which nothing was seen, and why.
    pub fn unseen(subject: Subject, expectations: Expectations, at: Timestamp, why: &Why) -> Self {
        Self {
            server: same(why),
            credentials_refused: false,
            seen: Evidence::unseen(subject, expectations, at, why),
            nodes_are_containers: false,
            platforms: same(why),
            rights: same(why),
            controllers: same(why),
            pools: same(why),
            istio_objects: same(why),
            validating: same(why),
            terminating: same(why),
            pull: same(why),
        }
    }
}
