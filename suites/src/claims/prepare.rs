//! Judges of the section *prepare*: the cluster before the install.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn load_balancer_address_free(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn no_competing_load_balancer(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn dns_on_pod_network(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn kubernetes_version_supported(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn nodes_ready(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
