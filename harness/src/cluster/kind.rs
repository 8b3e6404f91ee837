//! A cluster of meshcheck: the node image loaded, the cluster created, its kubeconfig kept apart.

use std::fs::{File, TryLockError};
use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use meshcheck_bundle::{Bundle, Origin};
use meshcheck_suites::evidence::BundleFacts;

use super::{ClusterError, Template, engine, failed_node};
use crate::events::{Events, Phase};
use crate::process::Call;
use crate::state::{ClusterDirectory, ClusterState, State, StateError};
use crate::wait::{Look, Wait};

/// How long kind may take to create a cluster. Seen: 11 to 24 s on two cores.
const CREATE_CEILING: Duration = Duration::from_mins(5);

/// How long another run may keep us waiting: as long as it may take to load a node image.
const LOCK_CEILING: Duration = Duration::from_mins(11);

/// A cluster of meshcheck that is there.
#[derive(Debug)]
pub(crate) struct Provisioned {
    /// Its directory, and the lock that says that its run lives.
    pub(crate) directory: ClusterDirectory,
    /// What is known of it.
    pub(crate) state: ClusterState,
}

impl Provisioned {
    /// Its kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.directory.kubeconfig()
    }

    /// The container that is its control plane.
    pub(crate) fn control_plane(&self) -> String {
        format!("{}-control-plane", self.state.name)
    }
}

/// Begins a cluster: nothing but its directory is there afterwards. From then on
/// [`super::remove`] undoes whatever was made, at whatever point it ended. `notes` say how the versions were chosen.
pub(crate) fn begin(
    state: &State,
    bundle: &Bundle,
    notes: &[String],
) -> Result<Provisioned, ClusterError> {
    let manifest = bundle.manifest();
    let cluster = ClusterState {
        name: format!("meshcheck-{:08x}", fastrand::u32(..)),
        created_at: Timestamp::now(),
        keep: false,
        istio_version: manifest.istio.version.clone(),
        kiali_image: manifest.kiali.image.clone(),
        istioctl_version: None,
        bundle: BundleFacts {
            origin: match manifest.origin {
                Origin::Release => "release".into(),
                Origin::Lab => "lab".into(),
            },
            key: manifest.key.clone(),
            install_set: manifest.install.set.clone(),
            notes: notes.iter().chain(&manifest.notes).cloned().collect(),
        },
        expectations: None,
    };
    Ok(Provisioned { directory: state.begin(&cluster)?, state: cluster })
}

/// Creates the cluster that was begun: loads the node image where the engine does not have it, runs
/// `kind create cluster`, and loads the workload images that are not in the node image.
pub(crate) async fn create(
    state: &State,
    cluster: &Provisioned,
    bundle: &Bundle,
    template: &Template,
    events: &Events,
) -> Result<(), ClusterError> {
    let manifest = bundle.manifest();
    let kind = bundle.verified("kind")?;
    let reference = &manifest.node.reference;
    events
        .phase(Phase::NodeImage, async {
            let wanted = manifest.node.id.as_ref();
            let lacks = |there: Option<String>| {
                there.is_none() || wanted.is_some_and(|id| there.as_ref() != Some(id))
            };
            if lacks(engine::image_id(reference).await?) {
                let lock = state.image_lock()?;
                let what = "another run to load the node image";
                let _alone = taken(lock, File::try_lock, what, Phase::NodeImage, events).await?;
                if lacks(engine::image_id(reference).await?) {
                    events.doing(Phase::NodeImage, "loading the node image into docker");
                    engine::load(&bundle.verified(&manifest.node.archive)?).await?;
                }
            }
            Ok::<_, ClusterError>(())
        })
        .await?;

    let config = cluster.directory.path().join("kind.yaml");
    let text = template.marked(&cluster.state.name, &cluster.directory.owner())?;
    std::fs::write(&config, text).map_err(|source| StateError::Io {
        action: "writing",
        path: config.clone(),
        source,
    })?;

    events
        .phase(Phase::Cluster, async {
            events.doing(Phase::Cluster, format!("kind creates `{}`", cluster.state.name));
            // Others may create meanwhile, but nobody removes the network under us.
            let lock = state.network_lock()?;
            let what = "another run to remove the network `kind`";
            let _shared = taken(lock, File::try_lock_shared, what, Phase::Cluster, events).await?;
            let had_network = engine::network().await?.is_some();
            if !had_network {
                // Known before it is there: a run that is killed has nobody to tell it afterwards.
                mark_network(state, "")?;
            }
            let created = Call::new(&kind)
                .args(["create", "cluster", "--name", &cluster.state.name, "--image", reference])
                .arg("--config")
                .arg(&config)
                .arg("--kubeconfig")
                .arg(cluster.kubeconfig())
                // Its nodes are asked why they did not come up; the caller removes them.
                .args(["--wait", "0s", "--retain"])
                .within(CREATE_CEILING)
                .remembered(cluster.directory.process())
                .output()
                .await;
            if !had_network && let Some(id) = engine::network().await? {
                mark_network(state, &id)?;
            }
            match created {
                Ok(_) => Ok(()),
                Err(failed) => {
                    let node = cluster.control_plane();
                    match failed_node::ask(&node).await {
                        told if told.is_empty() => Err(failed.into()),
                        told => Err(ClusterError::Node { node, failed, told }),
                    }
                }
            }
        })
        .await?;

    let archives: Vec<_> =
        manifest.images.iter().filter_map(|image| image.archive.as_deref()).collect();
    if !archives.is_empty() {
        events.phase(Phase::Images, load_images(cluster, bundle, &archives, &kind, events)).await?;
    }
    Ok(())
}

/// Keeps in mind that the network `kind` is meshcheck's: its id, or nothing while it is made.
fn mark_network(state: &State, id: &str) -> Result<(), StateError> {
    let path = state.network_mark();
    std::fs::write(&path, id).map_err(|source| StateError::Io { action: "writing", path, source })
}

/// Takes a lock that another run may hold for long. It asks again and again: a thread that the lock
/// holds up could not be ended by Ctrl-C.
async fn taken(
    lock: File,
    ask: impl Fn(&File) -> Result<(), TryLockError>,
    what: &str,
    phase: Phase,
    events: &Events,
) -> Result<File, ClusterError> {
    Wait::new(what, LOCK_CEILING)
        .until_seen(
            |_| events.doing(phase, format!("waiting for {what}")),
            || {
                ready(match ask(&lock) {
                    Ok(()) => Look::Ready(()),
                    Err(TryLockError::WouldBlock) => Look::NotYet("it is at it".into()),
                    Err(TryLockError::Error(error)) => Look::Never(error.to_string()),
                })
            },
        )
        .await?;
    Ok(lock)
}

async fn load_images(
    cluster: &Provisioned,
    bundle: &Bundle,
    archives: &[&str],
    kind: &Path,
    events: &Events,
) -> Result<(), ClusterError> {
    for archive in archives {
        events.doing(Phase::Images, format!("loading {archive} into the node"));
        Call::new(kind)
            .args(["load", "image-archive", "--name", &cluster.state.name])
            .arg(bundle.verified(archive)?)
            .within(CREATE_CEILING)
            .remembered(cluster.directory.process())
            .output()
            .await?;
    }
    Ok(())
}
