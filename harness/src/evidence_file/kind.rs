//! Names what a file is that is not evidence.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What a file is in place of evidence, and the fix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) fix: String,
}

/// The fix where nothing better is known.
pub(super) const NAME_EVIDENCE: &str =
    "name a file that `meshcheck record --out FILE` or `--evidence FILE` wrote";

impl Kind {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), fix: NAME_EVIDENCE.into() }
    }

    fn with_fix(self, fix: &str) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// Evidence that lost its end.
    pub(super) fn cut(what: &str) -> Self {
        Self::new(format!("{what}: it was cut off")).with_fix("copy the whole file again")
    }

    /// Evidence with something wrong in it.
    pub(super) fn damaged(what: &str) -> Self {
        Self::new(what).with_fix("record the evidence again, or copy the file again")
    }

    /// The evidence of a preflight, where that of a mesh is needed.
    pub(super) fn preflight() -> Self {
        Self::new("it is the evidence of a preflight, not of a mesh").with_fix(
            "move it into a directory of its own, and report it: `meshcheck class DIRECTORY`",
        )
    }

    /// A report: it has the verdicts, without the observations.
    fn report(name: &str) -> Self {
        Self::new(format!("it is {name}, not evidence")).with_fix(
            "judge the file that `meshcheck record --out FILE` or `--evidence FILE` wrote",
        )
    }
}

/// What files of other formats begin with.
const MAGIC: [(&[u8], &str, &str); 8] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first: `unzip THIS`"),
    (b"\xfd7zXZ", "compressed with xz", "decompress it first: `xz -d THIS`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first: `zstd -d THIS`"),
    (b"BZh", "compressed with bzip2", "decompress it first: `bzip2 -d THIS`"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first: `7z x THIS`"),
    (b"\x1f\x8b", "compressed twice", "decompress it first: `gunzip THIS`"),
    (b"%PDF", "a PDF document", NAME_EVIDENCE),
    (b"\x7fELF", "a program", NAME_EVIDENCE),
];

/// Where a tar archive has its mark.
const TAR: std::ops::Range<usize> = 257..262;

/// Reads the head of a decompressed file.
///
/// # Errors
///
/// What the file is, where it is not JSON with the marks of evidence.
pub(super) fn read_head(content: &[u8]) -> Result<Head, Kind> {
    if content.is_empty() {
        return Err(Kind::damaged("it is empty"));
    }
    if let Some((_, name, fix)) = MAGIC.iter().find(|(magic, ..)| content.starts_with(magic)) {
        return Err(Kind::new(format!("it is {name}")).with_fix(fix));
    }
    if content.get(TAR) == Some(b"ustar") {
        return Err(Kind::new("it is a tar archive").with_fix("unpack it first: `tar -xf THIS`"));
    }
    let start = content.trim_ascii_start();
    if start.starts_with(b"{") {
        return json(content);
    }
    let Ok(text) = std::str::from_utf8(start) else {
        return Err(Kind::new("it is neither JSON nor compressed with gzip"));
    };
    Err(match text.chars().next() {
        None => Kind::new("it contains only spaces"),
        Some('[') => Kind::new("it is a JSON list, not evidence"),
        Some('<') => markup(text),
        Some(_) if is_yaml(text) => yaml(text),
        Some(_) => Kind::new("it is text, not JSON"),
    })
}

/// The fields that distinguish JSON documents.
#[derive(Deserialize)]
pub(super) struct Head {
    schema: Option<Value>,
    recorder: Option<Value>,
    claims: Option<IgnoredAny>,
    preflight: Option<IgnoredAny>,
    kind: Option<Value>,
    #[serde(rename = "apiVersion")]
    api_version: Option<IgnoredAny>,
}

impl Head {
    /// The number of its layout.
    pub(super) fn schema(&self) -> Option<u64> {
        self.schema.as_ref().and_then(Value::as_u64)
    }

    /// Whether it is the evidence of a preflight.
    pub(super) fn is_preflight(&self) -> bool {
        self.preflight.is_some()
    }

    /// The version of the meshcheck that wrote it, of `meshcheck 0.1.0`.
    pub(super) fn writer(&self) -> Option<String> {
        let recorder = self.recorder.as_ref().and_then(Value::as_str).unwrap_or_default();
        let version = recorder.strip_prefix("meshcheck ");
        version.filter(|it| semver::Version::parse(it).is_ok()).map(str::to_owned)
    }
}

fn json(content: &[u8]) -> Result<Head, Kind> {
    let head: Head = serde_json::from_slice(content).map_err(|error| damage(&error))?;
    let kind = head.kind.as_ref().and_then(Value::as_str);
    if head.recorder.is_none() && head.claims.is_some() {
        return Err(Kind::report("a report"));
    }
    match (kind, &head.api_version) {
        _ if head.schema().is_some() => Ok(head),
        (Some(kind), Some(_)) => Err(object(kind)),
        _ if head.schema.is_some() => Err(Kind::damaged("its field `schema` is not a number")),
        _ => Err(Kind::new("it is JSON of another program: the field `schema` is missing")),
    }
}

/// A Kubernetes object, of this kind.
fn object(kind: &str) -> Kind {
    let kind = kind.chars().filter(char::is_ascii_alphanumeric).take(40).collect::<String>();
    Kind::new(format!("it is a Kubernetes object (kind: {kind}), not evidence"))
}

fn markup(start: &str) -> Kind {
    let lower = start.get(..start.floor_char_boundary(2000)).unwrap_or(start).to_lowercase();
    if lower.contains("<testsuite") {
        Kind::report("a JUnit report")
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        Kind::new("it is an HTML page, not evidence")
    } else {
        Kind::new("it is XML, not evidence")
    }
}

/// Whether a text begins with `---`, or with a key as in `kind: Pod`.
fn is_yaml(start: &str) -> bool {
    let mut lines = start.lines().filter(|line| !line.trim_start().starts_with('#'));
    let first = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
    let key = first.split_once(':').filter(|(_, value)| value.is_empty() || value.starts_with(' '));
    let is_word = |key: &str| {
        !key.is_empty() && key.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-')
    };
    first.starts_with("---") || key.is_some_and(|(key, _)| is_word(key))
}

fn yaml(text: &str) -> Kind {
    let kind = text.lines().find_map(|line| line.strip_prefix("kind: "));
    match kind {
        Some(kind) => object(kind.trim()),
        None => Kind::new("it is YAML, not evidence"),
    }
}

/// Describes an error of the parser, without the names of types in the program.
pub(super) fn damage(error: &serde_json::Error) -> Kind {
    let (line, column) = (error.line(), error.column());
    let place = if line > 1 { format!("line {line}") } else { format!("character {column}") };
    if error.is_eof() {
        return Kind::cut(&format!("it ends in the middle, at {place}"));
    }
    if !error.is_data() {
        return Kind::damaged(&format!("its JSON is damaged at {place}"));
    }
    let message = error.to_string();
    let name = message.split('`').nth(1).unwrap_or_default();
    let what = if message.starts_with("missing field") {
        format!("the field `{name}` is missing in the object that ends at {place}")
    } else if message.starts_with("duplicate field") {
        format!("the field `{name}` occurs twice, at {place}")
    } else if message.starts_with("unknown variant") {
        format!("the value `{name}` at {place} is not known")
    } else {
        format!("the value at {place} has the wrong type")
    };
    Kind::damaged(&format!("it is damaged: {what}"))
}
