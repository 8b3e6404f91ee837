//! Judges of the section *install*: the control plane.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn istio_version(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn default_profile(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn control_plane_running(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn namespace_labelled(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn injection_webhook(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
