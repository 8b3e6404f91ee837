//! The API server answers, and accepts the credentials.

use crate::entry::check;

check! {
    /// TODO
    "cluster::server_answers": "the API server answers, and accepts the credentials",
    needs: ClusterNamed,
    caused_by: [crate::preflight::machine::kind_nodes_run if |effect| effect.judgement.verdict == crate::Verdict::Fail && super::node_stands_still(effect.evidence)],
    judge: crate::preflight::cluster::server_answers,
}

#[cfg(test)]
use crate::preflight::tests::cluster::server as cases;
