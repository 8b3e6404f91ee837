//! Judges of the section *demo*: the echo backend and its client.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn backend_service(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn backend_deployment(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn client_deployment(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn client_logs_show_reply(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn backend_replies(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
