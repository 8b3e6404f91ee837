//! The parts of an image reference: repository, tag, digest.

/// Whether two references name the same image: the last two words of the repository (a mirror has a host
/// of its own), and the tag as far as both say it: `v1.76` is any `v1.76.x`.
pub(crate) fn same_image(one: &str, other: &str) -> bool {
    let parts = |image: &str| {
        let (repository, tag) = split_image(image);
        let name: Vec<_> = repository.rsplit('/').take(2).map(str::to_owned).collect();
        (name, tag.trim_start_matches('v').to_owned())
    };
    let ((one_name, one_tag), (other_name, other_tag)) = (parts(one), parts(other));
    one_name == other_name && !one_tag.is_empty() && same_version(&one_tag, &other_tag)
}

/// Where an image comes from, where it has the name of this repository in another registry than the public ones:
/// a flat mirror, as `registry.example.com/train/http-echo` of `hashicorp/http-echo`. Rancher's mirror writes the whole name
/// in one word, `rancher/mirrored-hashicorp-http-echo`.
pub(crate) fn flat_mirror<'i>(image: &'i str, repository: &str) -> Option<&'i str> {
    const PUBLIC: [&str; 6] =
        ["docker.io", "index.docker.io", "quay.io", "ghcr.io", "gcr.io", "registry.k8s.io"];
    let (mirror, name) = split_image(image).0.rsplit_once('/')?;
    let words: Vec<_> = repository.rsplit('/').take(2).collect();
    let mirrored = format!("mirrored-{}", words.into_iter().rev().collect::<Vec<_>>().join("-"));
    if name == mirrored && mirror.rsplit('/').next() == Some("rancher") {
        return Some(mirror);
    }
    let host = mirror.split('/').next()?;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    (name == image_name(repository) && is_host && !PUBLIC.contains(&host)).then_some(mirror)
}

/// Whether a version is a vendor's build of Istio's: `1.20.3-asm.4`.
pub(crate) fn is_vendor_build(version: &str) -> bool {
    const OWN: [&str; 6] = ["alpha", "beta", "rc", "dev", "distroless", "debug"];
    let Some((number, suffix)) = version.trim_start_matches('v').split_once('-') else {
        return false;
    };
    number.split('.').count() >= 2
        && number.split('.').all(|it| it.parse::<u32>().is_ok())
        && !OWN.iter().any(|it| suffix.starts_with(it))
}

/// Whether an image is named by its digest alone.
pub(crate) fn is_pinned(image: &str) -> bool {
    image.contains('@') && split_image(image).1.is_empty()
}

/// The last word of an image's repository: `kiali` of `quay.io/kiali/kiali:v1.76`.
pub(crate) fn image_name(image: &str) -> &str {
    let repository = split_image(image).0;
    repository.rsplit('/').next().unwrap_or(repository)
}

/// Repository and tag of an image, without its digest.
pub(crate) fn split_image(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}

/// Whether two versions agree as far as both go, and both go as far as the minor version.
pub(crate) fn same_version(one: &str, other: &str) -> bool {
    let words = |version: &str| {
        version.trim_start_matches('v').split('.').map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (words(one), words(other));
    one.len() >= 2 && other.len() >= 2 && one.iter().zip(&other).all(|(one, other)| one == other)
}

/// Returns the version in an image's tag: `1.20.3` of `docker.io/istio/pilot:1.20.3-distroless`.
pub(crate) fn version_tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let (_, tag) = name.split_once(':')?;
    let tag = plain_version(tag);
    tag.starts_with(|c: char| c.is_ascii_digit()).then_some(tag)
}

/// Returns a version without a leading `v` and without the kind of its image.
pub(crate) fn plain_version(version: &str) -> &str {
    let version = version.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    ["-distroless", "-debug"]
        .into_iter()
        .find_map(|suffix| version.strip_suffix(suffix))
        .unwrap_or(version)
}

/// Whether a version is newer than another one. Both go as far as the minor version.
pub(crate) fn is_newer_version(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        let words = plain_version(version).split('.');
        words.map(|word| word.parse().ok()).collect::<Option<Vec<_>>>().filter(|it| it.len() >= 2)
    };
    matches!((numbers(one), numbers(other)), (Some(one), Some(other)) if one > other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("quay.io/kiali/kiali:v1.76", "quay.io/kiali/kiali:v1.76.0", true)]
    #[case("quay.io/kiali/kiali:v1.76.3", "quay.io/kiali/kiali:v1.76", true)]
    #[case("quay.io/kiali/kiali:v1.7", "quay.io/kiali/kiali:v1.76", false)]
    #[case("quay.io/kiali/kiali:v1", "quay.io/kiali/kiali:v1.76", false)]
    #[case("localhost:5000/kiali/kiali:v1.76@sha256:00", "quay.io/kiali/kiali:v1.76", true)]
    #[case("quay.io/other/kiali:v1.76", "quay.io/kiali/kiali:v1.76", false)]
    fn images_are_the_same(#[case] one: &str, #[case] other: &str, #[case] same: bool) {
        assert_eq!(same_image(one, other), same);
        assert_eq!(same_image(other, one), same);
    }

    #[rstest]
    #[case("v2.28", "v2.27", true)]
    #[case("v2.27.1", "v2.27", true)]
    #[case("v3.0", "v2.27", true)]
    #[case("v2.27", "v2.27", false)]
    #[case("v2.9", "v2.27", false)]
    #[case("latest", "v2.27", false)]
    #[case("v3", "v2.27", false)]
    fn version_is_newer(#[case] one: &str, #[case] other: &str, #[case] newer: bool) {
        assert_eq!(is_newer_version(one, other), newer);
    }

    #[rstest]
    #[case("registry.example.com/train/http-echo:1.0.0", Some("registry.example.com/train"))]
    #[case("localhost:5000/http-echo", Some("localhost:5000"))]
    #[case("rancher/mirrored-hashicorp-http-echo:1.0.0", Some("rancher"))]
    #[case(
        "registry.example.com/rancher/mirrored-hashicorp-http-echo:1.0.0",
        Some("registry.example.com/rancher")
    )]
    #[case("rancher/mirrored-somebody-http-echo", None)]
    #[case("somebody/mirrored-hashicorp-http-echo", None)]
    #[case("docker.io/somebody/http-echo", None)]
    #[case("somebody/http-echo", None)]
    #[case("registry.example.com/train/nginx", None)]
    #[case("http-echo", None)]
    fn flat_mirror_has_the_name_and_a_registry_of_its_own(
        #[case] image: &str,
        #[case] mirror: Option<&str>,
    ) {
        assert_eq!(flat_mirror(image, "hashicorp/http-echo"), mirror);
    }

    #[rstest]
    #[case("1.20.3-asm.4", true)]
    #[case("main-build", false)]
    #[case("7-custom", false)]
    #[case("1.x-custom", false)]
    #[case("v1.20.3-tetrate-v0", true)]
    #[case("1.20.3", false)]
    #[case("1.20.3-distroless", false)]
    #[case("1.22.0-alpha.55f12a68b4f9", false)]
    #[case("1.23-rc.1", false)]
    #[case("latest-debug2", false)]
    fn vendor_build_has_a_suffix_of_its_own(#[case] version: &str, #[case] vendor: bool) {
        assert_eq!(is_vendor_build(version), vendor);
    }

    #[rstest]
    #[case("quay.io/kiali/kiali:v1.76", "quay.io/kiali/kiali", "v1.76")]
    #[case("quay.io/kiali/kiali:v1.76@sha256:00", "quay.io/kiali/kiali", "v1.76")]
    #[case("localhost:5000/kiali/kiali", "localhost:5000/kiali/kiali", "")]
    fn an_image_has_a_repository_and_a_tag(
        #[case] image: &str,
        #[case] repository: &str,
        #[case] tag: &str,
    ) {
        assert_eq!(split_image(image), (repository, tag));
    }
}
