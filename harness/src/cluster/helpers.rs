//! Containers of meshcheck that are no nodes: each is gone at its end, unless its maker was ended while the
//! engine made it.

use super::{ClusterError, engine};
use crate::owner::{Life, Owner};

/// Removes the containers that this process made and that are still there: after a look that was
/// cancelled.
pub(crate) async fn remove_own_helpers() -> Result<Vec<String>, ClusterError> {
    remove(|maker| maker == Owner::this()).await
}

/// Removes those whose maker ran on this machine and has ended.
pub(crate) async fn remove_left_helpers() -> Result<Vec<String>, ClusterError> {
    remove(|maker| maker.life() == Life::Ended).await
}

async fn remove(which: impl Fn(&Owner) -> bool) -> Result<Vec<String>, ClusterError> {
    let mut removed = Vec::new();
    for (id, maker) in engine::helpers().await? {
        if which(&maker) {
            engine::remove_container(&id).await?;
            removed.push(format!("container {}", id.get(..12).unwrap_or(&id)));
        }
    }
    Ok(removed)
}
