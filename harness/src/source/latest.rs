//! The newest release of Istio, as its download place lists it.

use semver::Version;

use super::http::{self, client};
use super::{Limits, Origins, SourceError};
use crate::events::Events;

/// The longest page that is read, in bytes. GitHub's page of releases has about 500 KiB.
const LONGEST_PAGE: usize = 8 << 20;

/// The newest release, and the page that lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Latest {
    pub(super) version: String,
    pub(super) page: String,
}

/// Reads the page of releases and returns the highest version on it, as Istio's own download script does. Pre-releases are
/// left out.
pub(super) async fn find(
    origins: &Origins,
    limits: Limits,
    events: &Events,
) -> Result<Latest, SourceError> {
    let page = page(&origins.istio);
    let client = client(limits)?;
    let absence = "it lists no releases of Istio";
    let file = http::File { client: &client, url: &page, absence };
    let text = file.text("the releases of Istio", LONGEST_PAGE, limits, events).await?;
    match newest(&text) {
        Some(version) => Ok(Latest { version: version.to_string(), page }),
        None => Err(SourceError::NoLatest { page }),
    }
}

/// Returns the address of the page: GitHub's list of releases, or the directory of a mirror.
fn page(base: &str) -> String {
    match base.strip_suffix("/download") {
        Some(releases) => releases.to_owned(),
        None => format!("{base}/"),
    }
}

/// Finds the highest version among the links: `…/releases/tag/1.31.1`, or `1.31.1/` in a directory.
fn newest(page: &str) -> Option<Version> {
    let links = page.split(['"', '\'']);
    links.filter_map(linked_version).filter(|version| version.pre.is_empty()).max()
}

fn linked_version(link: &str) -> Option<Version> {
    let text = match link.rsplit_once("/tag/") {
        Some((_, version)) => version,
        None => link.strip_suffix('/')?.rsplit('/').next()?,
    };
    Version::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::github(
        r#"<a href="/istio/istio/releases/tag/1.30.4">1.30.4</a> <a href="/istio/istio/releases/tag/1.31.1">Istio</a>
           <a href="/istio/istio/releases/tag/1.32.0-beta.0">"#,
        Some("1.31.1")
    )]
    #[case::by_number(r#"<a href="/r/tag/1.9.9"><a href="/r/tag/1.10.0">"#, Some("1.10.0"))]
    #[case::directory(
        "<a href='1.20.3/'>1.20.3/</a><a href='./1.31.1/'>1.31.1/</a>",
        Some("1.31.1")
    )]
    #[case::other_numbers(r#"<script src="/assets/9.9.9"></script> "9.9.9" "#, None)]
    #[case::login_page("<html>Please log in</html>", None)]
    fn highest_release_among_the_links_is_found(#[case] page: &str, #[case] version: Option<&str>) {
        assert_eq!(newest(page).map(|it| it.to_string()).as_deref(), version);
    }

    #[test]
    fn page_is_githubs_list_or_the_directory_of_a_mirror() {
        let github = "https://github.com/istio/istio/releases";
        assert_eq!(page(&Origins::default().istio), github);
        assert_eq!(page("http://mirror/istio"), "http://mirror/istio/");
    }
}
