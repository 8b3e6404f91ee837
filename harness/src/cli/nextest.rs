//! Records the evidence of the conformance tests once: in nextest's setup script, or in the process of the tests.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use meshcheck_suites::Evidence;

use super::arguments::NextestSetup;
use super::cleanup::listen;
use super::cluster::{installable, provision_and_collect};
use super::failure::Failure;
use super::software_options::{ClusterOptions, InstallOptions};
use crate::events::Events;
use crate::settings::Settings;
use crate::{evidence_file, progress};

/// Names a file of evidence: the claims are judged on it, nothing is provisioned.
pub(crate) const EVIDENCE_VARIABLE: &str = "MESHCHECK_EVIDENCE";

/// Says why nextest's setup script has no evidence to hand over.
pub(crate) const REASON_VARIABLE: &str = "MESHCHECK_NO_EVIDENCE";

/// Name the versions of Istio and of Kubernetes that the conformance tests install.
pub(crate) const ISTIO_VARIABLE: &str = "MESHCHECK_ISTIO";
const KUBERNETES_VARIABLE: &str = "MESHCHECK_KUBERNETES";

/// How old the evidence of an earlier run may get before it is removed.
const OLD: Duration = Duration::from_hours(24);

/// `meshcheck nextest-setup`: records evidence, and names it in the file that nextest reads. Where
/// that is not possible, it hands over the reason: the tests and JUnit then show it.
pub(super) async fn setup(
    arguments: NextestSetup,
    settings: Result<Settings, Failure>,
) -> Result<u8, Failure> {
    let Some(handover) = env::var_os("NEXTEST_ENV").map(PathBuf::from) else {
        return Err(Failure::usage(
            "nextest-setup works only as a setup script of nextest: NEXTEST_ENV is not set".into(),
            "run `meshcheck run` in its place".into(),
        ));
    };
    if env::var_os(EVIDENCE_VARIABLE).is_some_and(|file| !file.is_empty()) {
        // The caller brought evidence.
        return Ok(0);
    }
    let mut arguments = arguments;
    name_versions(&mut arguments.cluster.install);
    let cancel = listen()?;
    let work = async |events: &Events| {
        let mut settings = settings?;
        installable(&settings)?;
        // A test that is skipped or may fail is one for nextest's own filters.
        settings.waivers = None;
        provision_and_collect(&arguments.cluster, &settings, false, events, &cancel).await
    };
    let outcome = Box::pin(progress::shown(false, None, work)).await;
    let line = match outcome.and_then(|evidence| keep(&evidence)) {
        Ok(file) => format!("{EVIDENCE_VARIABLE}={}", file.display()),
        Err(failure) if cancel.is_cancelled() => return Err(failure),
        Err(failure) => {
            failure.print();
            format!("{REASON_VARIABLE}={}", failure.text().replace('\n', "; "))
        }
    };
    let append = OpenOptions::new().append(true).open(&handover);
    append.and_then(|mut file| writeln!(file, "{line}")).map_err(|error| {
        Failure::environment(format!("cannot write {}: {error}", handover.display()))
    })?;
    Ok(0)
}

/// Names the versions that the environment names, where the call names none.
fn name_versions(install: &mut InstallOptions) {
    let named = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    install.istio = install.istio.take().or_else(|| named(ISTIO_VARIABLE));
    install.kubernetes = install.kubernetes.take().or_else(|| named(KUBERNETES_VARIABLE));
}

/// Writes the evidence of this run of nextest, and removes that of old ones.
fn keep(evidence: &Evidence) -> Result<PathBuf, Failure> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let directory = std::path::absolute(target.join("nextest").join("evidence"))
        .map_err(|error| Failure::environment(error.to_string()))?;
    fs::create_dir_all(&directory).map_err(|error| {
        Failure::environment(format!("cannot create {}: {error}", directory.display()))
    })?;
    remove_old(&directory);
    let run = env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let file = directory.join(format!("{run}.json"));
    evidence_file::write(&file, evidence)?;
    Ok(file)
}

fn remove_old(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
        if age.is_ok_and(|age| age > OLD) {
            // What cannot be removed today is removed tomorrow.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Creates a cluster, collects evidence, deletes the cluster: in the process of the tests.
pub(crate) fn record_once(bundle: Option<PathBuf>) -> Result<Evidence, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let kind_config =
        env::var_os("MESHCHECK_KIND_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
    let mut install = InstallOptions { bundle, ..InstallOptions::default() };
    name_versions(&mut install);
    let cluster = ClusterOptions { install, kind_config };
    runtime.block_on(async {
        let cancel = listen().map_err(|failure| failure.text())?;
        let settings = Settings::default();
        let work = async |events: &Events| {
            provision_and_collect(&cluster, &settings, false, events, &cancel).await
        };
        progress::shown(false, None, work).await.map_err(|failure| failure.text())
    })
}
