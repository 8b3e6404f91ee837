//! The machines of a class that are clusters of the lab: one that is well, and one that is broken.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use fs_err as fs;
use meshcheck_bundle::Bundle;

use super::trial::Trial;
use super::{REAL, job};
use crate::faults;
use crate::live::Cluster;
use crate::software::Software;
use crate::workspace::meshcheck;

/// The fault of the broken one, a folder of `fixtures/faults`.
const FAULT: &str = "kiali-scaled-to-zero";

/// How long a cluster may take to be green.
const GREEN: Duration = Duration::from_mins(2);

/// Provisions two clusters, breaks one, and runs the test with both and with a machine behind a real `sshd`; then a Job on
/// the first one checks both. Returns whether the test passes, and how many machines the Job's records show as they are.
pub(super) fn check(trial: &Trial) -> Result<(bool, f64)> {
    let software = Software::choose()?;
    let meshcheck = meshcheck()?;
    let up = || Cluster::up_silently(&meshcheck, &software);
    // Each of them mostly waits.
    let (healthy, broken) = thread::scope(|scope| {
        let broken = scope.spawn(up);
        let healthy = up();
        (healthy, broken.join().unwrap_or_else(|_| bail!("provisioning ended in a panic")))
    });
    let (healthy, broken) = (healthy?, broken?);
    healthy.until_green("all green on the first cluster", GREEN)?;
    broken.until_green("all green before the second cluster is broken", GREEN)?;
    let red = faults::make(&broken, FAULT)?;
    let directory = trial.at("clusters");
    fs::create_dir(&directory)?;
    for (name, cluster) in [("healthy", &healthy), ("broken", &broken)] {
        fs::copy(cluster.kubeconfig(), directory.join(name))?;
    }
    let directory = directory.display().to_string();
    let bundle = Bundle::open(healthy.bundle())?;
    let manifest = bundle.manifest();
    // A host knows no bundle: what is expected there is configured.
    let variables = [
        ("MESHCHECK_CLASS_CLUSTERS", directory.as_str()),
        ("MESHCHECK_CLASS_FAULT", FAULT),
        ("MESHCHECK_CLASS_ISTIO", &manifest.istio.version),
        ("MESHCHECK_CLASS_KIALI", &manifest.kiali.image),
    ];
    let passes = trial.run(&["class_limits"], &[REAL], &variables)?;
    Ok((passes, job::check(trial, &healthy, (&broken, &red))?))
}
