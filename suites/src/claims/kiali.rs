//! Judges of the section *kiali*: the console.

use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

pub(super) fn running(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn redirects_to_web_root(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn reachable_on_exposed_port(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}

pub(super) fn console_served(_evidence: &Evidence) -> Judged {
    Ok(Judgement::unjudged("no judge yet"))
}
