//! Evidence on disk, complete and damaged.

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/evidence/lab.json")
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads a file with this content.
fn of(content: &[u8]) -> Result<Evidence, EvidenceFileError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evidence.json");
    fs::write(&path, content).unwrap();
    read(&path)
}

#[rstest]
#[case("evidence.json", false)]
#[case("evidence.json.gz", true)]
#[case("evidence", true)]
fn written_evidence_is_read_again(#[case] name: &str, #[case] gzip: bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let evidence = read(&recorded()).unwrap();
    write(&path, &evidence).unwrap();
    assert_eq!(fs::read(&path).unwrap().starts_with(&GZIP), gzip);
    assert_eq!(read(&path).unwrap(), evidence);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
}

/// A file of an older program may hold secrets that this one would have redacted.
#[test]
fn evidence_is_redacted_when_it_is_read() {
    let text = fs::read_to_string(recorded()).unwrap();
    let secret = "Authorization: Bearer abcdef123456";
    let evidence = of(text.replacen("Hello from backend service", secret, 1).as_bytes()).unwrap();
    assert!(!serde_json::to_string(&evidence).unwrap().contains("abcdef123456"));
    assert_eq!(evidence.redactions.len(), 1, "{:?}", evidence.redactions);
}

/// `kubectl delete pod --all`: a name in a fix must not be an option.
#[rstest]
#[case("\"name\": \"echo-service\"", "\"name\": \"--all\"")]
#[case("\"namespace\": \"client\"", "\"namespace\": \"-A\"")]
#[case("\"gateway\": \"istio-ingressgateway\"", "\"gateway\": \"--all\"")]
fn file_name_like_an_option_is_refused(#[case] name: &str, #[case] option: &str) {
    let text = fs::read_to_string(recorded()).unwrap();
    assert!(text.contains(name), "{name}");
    let error = of(text.replacen(name, option, 1).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("begins with a hyphen"), "{error}");
}

/// The content decides, not the name.
#[test]
fn compressed_evidence_may_have_any_name() {
    assert!(of(&compressed(&fs::read(recorded()).unwrap())).is_ok());
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// Notepad, PowerShell's `>` and Excel; each also compressed afterwards.
#[rstest]
#[case::utf_8(|text: &str| [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat())]
#[case::utf_16_little(|text: &str| utf_16(text, u16::to_le_bytes))]
#[case::utf_16_big(|text: &str| utf_16(text, u16::to_be_bytes))]
fn file_with_a_byte_order_mark_is_read(#[case] save: fn(&str) -> Vec<u8>) {
    let text = fs::read_to_string(recorded()).unwrap();
    let saved = save(&text);
    let evidence = read(&recorded()).unwrap();
    assert_eq!(of(&saved).unwrap(), evidence);
    assert_eq!(of(&compressed(&saved)).unwrap(), evidence);
    let cut = of(&saved[..saved.len() / 2 + 1 + saved.len() % 2]).unwrap_err();
    assert!(matches!(cut, EvidenceFileError::NotEvidence { .. }), "{cut}");
}

/// A report is what `--output json` prints, and easily taken for evidence.
#[test]
fn report_in_the_place_of_evidence_is_named() {
    let evidence = read(&recorded()).unwrap();
    let report = meshcheck_suites::judge(&evidence, &[]);
    let error = of(&serde_json::to_vec(&report).unwrap()).unwrap_err();
    assert!(error.to_string().contains("is a report, not evidence"), "{error}");
    assert!(error.hint().contains("`meshcheck record "), "{}", error.hint());
}

#[test]
fn compression_bomb_is_refused() {
    let zeros = compressed(&vec![b' '; usize::try_from(LIMIT).unwrap() + 1]);
    assert!(zeros.len() < 1 << 20);
    let error = of(&zeros).unwrap_err();
    assert!(matches!(error, EvidenceFileError::TooLong(_)), "{error}");
}

#[test]
fn cut_compressed_file_is_named() {
    let whole = compressed(&fs::read(recorded()).unwrap());
    for length in [2, 9, whole.len() / 2, whole.len() - 1] {
        let error = of(&whole[..length]).unwrap_err();
        assert!(error.to_string().ends_with("cut off"), "{length}: {error}");
    }
}

#[test]
fn malformed_file_is_named_with_its_position() {
    let text = fs::read_to_string(recorded()).unwrap();
    let error = of(text.replacen("\"took_ms\": ", "\"took_ms\": x", 1).as_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("its JSON is damaged at line 5"), "{error}");
    let deep = "[".repeat(1_000_000);
    let error = of(deep.as_bytes()).unwrap_err();
    assert!(matches!(error, EvidenceFileError::NotEvidence { .. }), "{error}");
}

#[rstest]
#[case("/")]
#[case("/dev/zero")]
fn directory_or_device_is_refused(#[case] path: &str) {
    let error = read(Path::new(path)).unwrap_err();
    assert!(matches!(error, EvidenceFileError::NotAFile(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever became of a file, it is evidence or there is a reason and a hint.
    #[test]
    fn corrupted_file_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..8),
        cut in any::<bool>(),
        gzip in any::<bool>(),
    ) {
        let recorded = fs::read(recorded()).unwrap();
        let mut content = if gzip { compressed(&recorded) } else { recorded };
        let at = at.index(content.len());
        let end = if cut { content.len() } else { (at + bytes.len()).min(content.len()) };
        content.splice(at..end, bytes);
        if let Err(error) = of(&content) {
            prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), gzip in any::<bool>()) {
        let content = if gzip { compressed(&bytes) } else { bytes };
        let error = of(&content).err();
        prop_assert!(error.is_some_and(|error| !error.hint().is_empty()));
    }
}
