//! Judges of the section *mesh*: sidecars, redirection, traffic.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn two_containers_per_pod(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn pods_ready(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn unlabelled_namespace_left_alone(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn init_arguments(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn inbound_redirected(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn outbound_redirected(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn live_rules(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn traffic_through_proxies(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn proxies_in_sync(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
