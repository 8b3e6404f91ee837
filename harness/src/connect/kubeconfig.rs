//! Reads a kubeconfig, and chooses its context. Its paths may be pipes or devices: every read has a limit.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError};

use super::error::ConnectError;
use crate::chain;
use crate::text::io_reason;

/// The longest file that is read, in bytes. A kubeconfig of a hundred clusters has a megabyte.
const LIMIT: u64 = 4 << 20;

/// What is chosen in a kubeconfig.
pub(super) struct Chosen {
    /// All of it.
    pub(super) kubeconfig: Kubeconfig,
    /// The context.
    pub(super) context: String,
    /// The name of its cluster.
    pub(super) cluster: String,
    /// The proxy that the cluster names.
    pub(super) proxy: Option<String>,
}

impl Chosen {
    /// Reads the kubeconfig, and chooses the context that is asked for, or else its current one.
    pub(super) fn read(
        file: Option<&Path>,
        asked: Option<String>,
        place: &str,
    ) -> Result<Self, ConnectError> {
        let unusable =
            |reason: String| ConnectError::Kubeconfig { place: place.to_owned(), reason };
        let kubeconfig = read(file).map_err(unusable)?;
        let known = || kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let place = place.to_owned();
        let context = match asked.or_else(|| kubeconfig.current_context.clone()) {
            Some(context) if !context.is_empty() => context,
            _ => return Err(ConnectError::NoContext { place, known: known() }),
        };
        let Some(found) = kubeconfig.contexts.iter().find(|known| known.name == context) else {
            return Err(ConnectError::NoSuchContext { place, context, known: known() });
        };
        let named = found.context.clone().unwrap_or_default();
        let cluster = kubeconfig.clusters.iter().find(|known| known.name == named.cluster);
        let Some(cluster) = cluster.and_then(|known| known.cluster.clone()) else {
            let reason = format!(
                "its context `{context}` names the cluster `{}`, which it does not have",
                named.cluster
            );
            return Err(unusable(reason));
        };
        // Without a user, requests would be anonymous, and their refusal no fact about the cluster.
        let user = named.user.filter(|user| !user.is_empty());
        let user = user.map(|user| (kubeconfig.auth_infos.iter().find(|it| it.name == user), user));
        if let Some((None, user)) = user {
            let reason =
                format!("its context `{context}` names the user `{user}`, which it does not have");
            return Err(unusable(reason));
        }
        let credentials = user.and_then(|(found, _)| found?.auth_info.clone()).unwrap_or_default();
        let files = [
            cluster.certificate_authority.as_ref(),
            credentials.client_certificate.as_ref(),
            credentials.client_key.as_ref(),
            credentials.token_file.as_ref(),
        ];
        files
            .into_iter()
            .flatten()
            .try_for_each(|file| is_small_file(Path::new(file)))
            .map_err(|reason| ConnectError::credentials(&context, reason))?;
        Ok(Self { context, cluster: named.cluster, proxy: cluster.proxy_url, kubeconfig })
    }
}

/// Where the kubeconfig is, where none is named.
pub(super) fn default_place() -> String {
    match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(value) => format!("{} (KUBECONFIG)", value.to_string_lossy()),
        None => "~/.kube/config".into(),
    }
}

/// Reads a file, or those of `$KUBECONFIG`, or `~/.kube/config`.
fn read(file: Option<&Path>) -> Result<Kubeconfig, String> {
    if let Some(file) = file {
        return read_file(file);
    }
    let files: Vec<PathBuf> = match std::env::var_os("KUBECONFIG") {
        Some(value) => {
            std::env::split_paths(&value).filter(|it| !it.as_os_str().is_empty()).collect()
        }
        None => Vec::new(),
    };
    if files.is_empty() {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or("neither HOME nor KUBECONFIG is set")?;
        return read_file(&Path::new(&home).join(".kube/config"));
    }
    files.iter().try_fold(Kubeconfig::default(), |all, file| {
        read_file(file).and_then(|next| all.merge(next).map_err(|error| first_line(&error)))
    })
}

fn read_file(path: &Path) -> Result<Kubeconfig, String> {
    let reason = |error| io_reason(&error);
    let is_file = fs::metadata(path).map_err(reason)?.is_file();
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(reason)?;
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".into());
    }
    if bytes.len() as u64 > LIMIT {
        return Err(format!("it is longer than {} MiB", LIMIT >> 20));
    }
    // The client's library takes such a file for pairs of bytes, and counts on whole ones.
    if matches!(bytes.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff])) && bytes.len() % 2 == 1 {
        return Err("its UTF-16 text ends in the middle of a character".into());
    }
    let read = if is_file {
        // Also finds the files that it names, which may stand beside it.
        Kubeconfig::read_from(path)
    } else {
        // A pipe, as of `<(…)`, can be read once.
        let text = String::from_utf8(bytes).map_err(|_| "it is not text")?;
        Kubeconfig::from_yaml(&text)
    };
    let kubeconfig = read.map_err(|error| first_line(&error))?;
    match kubeconfig.kind.as_deref() {
        Some("Config") => {}
        None if has_content(&kubeconfig) => {}
        None => return Err("it is not a kubeconfig: it has neither clusters nor contexts".into()),
        Some(kind) => {
            let kind = kind.chars().take(40).collect::<String>().escape_default().to_string();
            return Err(format!("it is not a kubeconfig (kind: {kind})"));
        }
    }
    Ok(kubeconfig)
}

/// Whether a file without a kind has parts of a kubeconfig: one of several files may have a part alone.
fn has_content(kubeconfig: &Kubeconfig) -> bool {
    let Kubeconfig { contexts, clusters, auth_infos, current_context, .. } = kubeconfig;
    let is_empty = contexts.is_empty() && clusters.is_empty() && auth_infos.is_empty();
    !is_empty || current_context.is_some()
}

fn first_line(error: &KubeconfigError) -> String {
    let reason = match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        other => chain(other),
    };
    // A parser's message may quote the file, and the file holds keys: one line of it is enough.
    let line = reason.lines().next().unwrap_or_default();
    let wrong = line
        .strip_prefix("failed to parse kubeconfig YAML: ")
        .map(|it| it.trim_start_matches("error: "));
    match wrong {
        Some(wrong) if wrong.starts_with("line 1 column 1:") => "it is not a kubeconfig".into(),
        Some(wrong) => format!("its YAML is wrong: {wrong}"),
        None if line.contains("Invalid UTF-8") => "it is not text".into(),
        None => line.to_owned(),
    }
}

/// Checks whether a file can be read whole. A missing one is reported when it is read.
fn is_small_file(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(data) if !data.is_file() => Err(format!("`{}` is not a regular file", path.display())),
        Ok(data) if data.len() > LIMIT => {
            Err(format!("`{}` is longer than {} MiB", path.display(), LIMIT >> 20))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: vm1
contexts:
  - { name: vm1, context: { cluster: one, user: one } }
clusters:
  - { name: one, cluster: { server: 'https://127.0.0.1:1' } }
users:
  - { name: one, user: {} }
";

    #[test]
    fn cut_character_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        fs::write(&file, [0xff, 0xfe, b'a']).unwrap();
        let reason = read_file(&file).err().unwrap();
        assert!(reason.contains("UTF-16"), "{reason}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A damaged file is refused in one line, or read: what is in it stays in it.
        #[test]
        fn random_kubeconfig_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            more in "(\\{|\\}|\\[|- |: |&a|\\*a|!!binary|\n  |'|\"|\t|\\PC){1,4}",
        ) {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("config");
            let at = at.index(GOOD.len());
            let near = format!("{}{more}{}", &GOOD[..at], &GOOD[at..]);
            for content in [&bytes[..], near.as_bytes()] {
                std::fs::write(&file, content).unwrap();
                if let Err(reason) = read_file(&file) {
                    prop_assert!(reason.lines().count() == 1, "{reason}");
                }
            }
        }
    }
}
