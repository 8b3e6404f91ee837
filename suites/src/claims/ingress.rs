//! Judges of the section *ingress*: the way in from outside.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn service_is_load_balancer(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn external_address(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn address_answers(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn routes_into_mesh(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
