//! What a case is: data, so that the tables of cases can be read from top to bottom.

/// One step on the way to a fault, or back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A line for `sh`, with `kubectl` and `istioctl` on the path, `KUBECONFIG` set, and the variables
    /// of [`crate::live::Cluster`]. It waits for what it does, where that takes time.
    Sh(&'static str),
    /// Objects for `kubectl apply`.
    Apply(&'static str),
    /// Waits until such a line succeeds.
    Until(&'static str),
    /// Sets an annotation of the template of a deployment of the demo, or takes it away.
    Annotation(&'static str, &'static str, Option<&'static str>),
    /// The same with a label.
    Label(&'static str, &'static str, Option<&'static str>),
    /// The demo's client asks once more, and its log has the outcome.
    Turn,
}

/// A fault: one thing that is broken in a running mesh.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Its name.
    pub(crate) name: &'static str,
    /// What breaks it, up to the point where it is fully broken.
    pub(crate) breaks: &'static [Step],
    /// The claims that must be red: exactly these.
    pub(crate) red: &'static [&'static str],
    /// The claims that cannot be judged then: exactly these.
    pub(crate) unjudged: &'static [&'static str],
    /// What the report must say of it: the broken object, or what is wrong with it.
    pub(crate) says: &'static [&'static str],
    /// Whether following the report's hints mends it; else why not.
    pub(crate) mend: Mend,
    /// What restores the mesh as it was; nothing may be left to do where the hints have mended it.
    pub(crate) undo: &'static [Step],
    /// Whether CI runs it.
    pub(crate) ci: bool,
}

/// Whether the hints of a report mend a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mend {
    /// Type the hints' commands, the cause's first, and all is green again.
    ByHints,
    /// No command can know what was there before: why.
    ByHand(&'static str),
}

/// A variation that is no fault: everything must stay green.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Benign {
    /// Its name.
    pub(crate) name: &'static str,
    /// What brings it about.
    pub(crate) varies: &'static [Step],
    /// How the check looks at the cluster.
    pub(crate) look: Look,
    /// The claims that cannot be looked at in that way: exactly these.
    pub(crate) unseen: &'static [&'static str],
    /// What restores the mesh as it was.
    pub(crate) undo: &'static [Step],
    /// Whether CI runs it.
    pub(crate) ci: bool,
}

/// How a check looks at the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// As at any cluster of ours.
    Plain,
    /// By another kubeconfig, in which the context has another name.
    Renamed,
    /// Through a proxy that holds every call up.
    Slow,
    /// As at any cluster of ours, but another one: its networks have other ranges.
    OtherNetworks,
}
