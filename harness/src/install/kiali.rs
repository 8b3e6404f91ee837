//! Kiali, from the release's own addon manifest.

use meshcheck_bundle::Bundle;

use super::{InstallError, Site, apply, istio, ready};
use crate::events::{Events, Phase};

/// Installs Kiali, and waits until it is available.
pub(super) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    events: &Events,
) -> Result<(), InstallError> {
    let mut objects = apply::manifest(bundle, "kiali-manifest", "Kiali")?;
    let image = &bundle.manifest().kiali.image;
    for object in &mut objects {
        apply::use_image(object, apply::repository_of(image), image);
    }
    apply::objects(site.client, "Kiali", objects).await?;
    ready::deployment(site.client, (istio::NAMESPACE, "kiali"), (Phase::Kiali, events)).await
}
