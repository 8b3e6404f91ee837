//! The kind configuration that a cluster of meshcheck is made by: the bundle's, or a file of the user's.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use meshcheck_bundle::Bundle;

use super::config::marked;
use super::{ClusterError, patches};

/// How long a configuration may be, in bytes: one of a hundred nodes with patches has about 50 KiB.
const LIMIT: u64 = 1024 * 1024;

/// A kind configuration, as text, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    file: PathBuf,
    users: bool,
}

impl Template {
    /// The user's own.
    pub(crate) fn of_user(file: &Path) -> Result<Self, ClusterError> {
        let text = read(file).map_err(|reason| ClusterError::OwnConfig {
            path: file.to_owned(),
            reason: reason.to_string(),
        })?;
        let template = Self { text, file: file.to_owned(), users: true };
        // Whether it can be used is reported before anything is downloaded or made.
        template.marked("name", Path::new("/owner"))?;
        Ok(template)
    }

    /// Checks that kind will not ignore a patch of kubeadm's configuration for this Kubernetes.
    pub(crate) fn check_patches(&self, kubernetes: &str) -> Result<(), ClusterError> {
        let written = patches::kubeadm_version(kubernetes);
        match patches::ignored(&self.text, written) {
            Some(found) => Err(ClusterError::Patch {
                path: self.file.clone(),
                found,
                written: written.to_owned(),
                kubernetes: kubernetes.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The bundle's.
    pub(crate) fn of_bundle(bundle: &Bundle) -> Result<Self, ClusterError> {
        let file = bundle.verified(&bundle.manifest().node.kind_config)?;
        let text = read(&file)
            .map_err(|error| ClusterError::Config(format!("`{}`: {error}", file.display())))?;
        Ok(Self { text, file, users: false })
    }

    /// The configuration for kind, with our mark on every node.
    pub(super) fn marked(&self, name: &str, owner: &Path) -> Result<String, ClusterError> {
        marked(&self.text, name, owner).map_err(|error| match error {
            ClusterError::Config(reason) if self.users => {
                ClusterError::OwnConfig { path: self.file.clone(), reason }
            }
            other => other,
        })
    }
}

fn read(file: &Path) -> io::Result<String> {
    let refused = |reason: &str| io::Error::other(reason.to_owned());
    if !file.metadata()?.is_file() {
        return Err(refused("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(refused("it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kind: Deployment\n", "not of kind `Cluster`")]
    #[case("kind: [\n", "line 1 column 7")]
    fn error_in_a_users_configuration_names_the_file(#[case] text: &str, #[case] reason: &str) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("wide.yaml");
        std::fs::write(&file, text).unwrap();
        let error = Template::of_user(&file).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("wide.yaml") && message.contains(reason), "{message}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn binary_file_is_refused_in_bounded_time() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("long.yaml");
        std::fs::write(&file, "#".repeat(2 * 1024 * 1024)).unwrap();
        for (path, reason) in [
            (file.as_path(), "longer than"),
            (Path::new("/dev/zero"), "not a regular file"),
            (place.path(), "not a regular file"),
            (&place.path().join("none"), "No such file"),
        ] {
            let message = Template::of_user(path).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn users_configuration_keeps_its_networks_and_gets_marks() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("wide.yaml");
        let text = "kind: Cluster\nnetworking: { podSubnet: 10.77.0.0/16 }\n";
        std::fs::write(&file, text).unwrap();
        let marked = Template::of_user(&file).unwrap().marked("a", Path::new("/owner")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&marked).unwrap();
        assert_eq!(config["networking"]["podSubnet"], "10.77.0.0/16");
        assert_eq!(config["nodes"][0]["extraMounts"][0]["hostPath"], "/owner");
    }
}
