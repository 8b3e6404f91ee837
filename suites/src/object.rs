//! The object of a judgement, as `kubectl` names it.

use std::fmt;

use crate::evidence::{Deployment, Evidence, Pod};

/// An object of the cluster: kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
}

impl Object {
    /// Creates an object in a namespace.
    pub fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() }
    }

    /// Creates an object without a namespace.
    pub fn global(kind: &'static str, name: &str) -> Self {
        Self { kind, namespace: None, name: name.to_owned() }
    }

    /// Returns the object of a pod.
    pub fn pod(pod: &Pod) -> Self {
        Self::new("pod", &pod.namespace, &pod.name)
    }

    /// Returns the object of a deployment.
    pub fn deployment(deployment: &Deployment) -> Self {
        Self::new("deployment", &deployment.namespace, &deployment.name)
    }

    /// Returns the namespace of the demo.
    pub fn demo_namespace(evidence: &Evidence) -> Self {
        Self::global("namespace", &evidence.expectations.namespace)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl From<Object> for String {
    fn from(object: Object) -> Self {
        object.to_string()
    }
}

impl From<&Object> for String {
    fn from(object: &Object) -> Self {
        object.to_string()
    }
}
