//! A bundle is whole or refused, and the refusal says which part and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use meshcheck_bundle::testing::write_small;
use meshcheck_bundle::{Bundle, Image, MANIFEST_FILE, Writer, sha256_hex};
use rstest::rstest;

fn write(dir: &Path) {
    let pilot = Image { reference: "docker.io/istio/pilot:1.20.3".into(), archive: None };
    write_small(dir, |manifest| manifest.images.push(pilot)).unwrap();
}

#[test]
fn written_bundle_opens_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let bundle = Bundle::open(dir.path()).unwrap();
    bundle.verify_all().unwrap();
    assert_eq!(bundle.manifest().part("node-image").unwrap().sha256, sha256_hex(b"a node"));
    assert_eq!(bundle.verified("node-image").unwrap(), dir.path().join("node.tar"));
}

#[rstest]
#[case::changed("b node", "SHA-256")]
#[case::cut("a n", "3 bytes")]
fn changed_part_is_refused_with_its_name(#[case] content: &str, #[case] says: &str) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    fs::write(dir.path().join("node.tar"), content).unwrap();
    let error = Bundle::open(dir.path()).unwrap().verified("node-image").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("node-image") && text.contains(says), "{text}");
}

#[test]
fn programs_are_verified_without_reading_the_image_archives() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let verify = || Bundle::open(dir.path()).unwrap().verify_programs();
    fs::write(dir.path().join("node.tar"), "b node").unwrap();
    verify().unwrap();
    fs::write(dir.path().join("node.tar"), "a n").unwrap();
    let error = verify().unwrap_err().to_string();
    assert!(error.contains("node-image") && error.contains("3 bytes"), "{error}");

    fs::write(dir.path().join("node.tar"), "a node").unwrap();
    fs::write(dir.path().join("kind.yaml"), "kind: Clutter").unwrap();
    let error = verify().unwrap_err().to_string();
    assert!(error.contains("kind-config") && error.contains("SHA-256"), "{error}");
}

#[test]
fn missing_part_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    fs::remove_file(dir.path().join("node.tar")).unwrap();
    let error = Bundle::open(dir.path()).unwrap().verify_all().unwrap_err().to_string();
    assert!(error.contains("node.tar"), "{error}");
}

#[rstest]
#[case::half(|text: &str| text[..text.len() / 2].to_owned(), "line")]
#[case::schema(|text: &str| text.replace("\"schema\": 1", "\"schema\": 9"), "schema 9")]
#[case::escape(|text: &str| text.replace("node.tar", "../node.tar"), "leaves the bundle")]
#[case::absolute(|text: &str| text.replace("node.tar", "/etc/passwd"), "leaves the bundle")]
#[case::dangling(|text: &str| text.replacen("node-image", "other-image", 1), "does not list")]
fn malformed_manifest_is_refused(#[case] damage: fn(&str) -> String, #[case] says: &str) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let path = dir.path().join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, damage(&text)).unwrap();
    let error = Bundle::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains(says) && error.contains(MANIFEST_FILE), "{error}");
}

#[test]
fn directory_without_manifest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Bundle::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("not a bundle"), "{error}");
}

#[test]
fn unfinished_bundle_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let _writer = Writer::new(dir.path()).unwrap();
    assert!(Bundle::open(dir.path()).is_err());
}
