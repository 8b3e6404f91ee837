//! Tests that redaction removes every secret, and changes no other text.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Finder, blocks, document, is_mark, is_no_secret, pairs, redact, text, tokens};
use crate::entry::Subject as _;
use crate::evidence::Evidence;
use crate::judge;
use crate::preflight::When;
use crate::preflight::evidence::{PreflightEvidence, PreflightRecord};
use crate::testing::{claim_cases, healthy, of, places, recorded};

#[test]
fn examples_in_tables_are_redacted() {
    for names in pairs::NAMES {
        for (before, after) in names.hits {
            assert_eq!(text(before), *after, "{}: {before}", names.kind);
        }
        for same in names.misses {
            assert_eq!(text(same), *same, "{}", names.kind);
        }
        assert!(!names.hits.is_empty() && !names.misses.is_empty(), "{}", names.kind);
    }
    for look in tokens::FORMATS {
        for (before, after) in look.hits {
            assert_eq!(text(before), *after, "{}: {before}", look.kind);
        }
        for same in look.misses {
            assert_eq!(text(same), *same, "{}", look.kind);
        }
        assert!(!look.hits.is_empty(), "{}", look.kind);
    }
}

#[test]
fn only_marks_are_marks() {
    assert!(is_mark("[redacted:private-key:12]"));
    for text in ["[redacted::1]", "[redacted:Token:1]", "[redacted:token:]", "[redacted:token:x]"] {
        assert!(!is_mark(text), "{text}");
    }
}

#[test]
fn only_names_of_variables_are_references() {
    for text in ["$TOKEN", "${TOKEN_2}", "$(token)"] {
        assert!(is_no_secret(text), "{text}");
    }
    for text in ["$", "${}", "$a-b", "$1a", "$(2)"] {
        assert!(!is_no_secret(text), "{text}");
    }
}

/// The name of a secret can be in the argument or line before it, or in the key of a map.
#[test]
fn secret_is_found_by_neighbouring_text() {
    let mut all = json!({
        "args": ["--db-password", "hunter2", "--verbose", "hunter3", "--token", "--x"],
        "lines": [
            { "at": "2026-01-01T00:00:00Z", "text": "-----BEGIN PRIVATE KEY-----" },
            { "at": "2026-01-01T00:00:01Z", "text": "MIIabc+/" },
            { "at": "2026-01-01T00:00:02Z", "text": "-----END PRIVATE KEY-----" },
            { "at": "2026-01-01T00:00:03Z", "text": "MIIabc" }
        ],
        "labels": { "example.io/api-key": "abc", "example.io/token": "none", "app": "abc", "ghp_0123456789abcdefghij": "x" }
    });
    let found = document(&mut all);
    let marked = json!({
        "args": ["--db-password", "[redacted:password:1]", "--verbose", "hunter3", "--token", "--x"],
        "lines": [
            { "at": "2026-01-01T00:00:00Z", "text": "[redacted:private-key:4]" },
            { "at": "2026-01-01T00:00:01Z", "text": "[redacted:private-key:5]" },
            { "at": "2026-01-01T00:00:02Z", "text": "[redacted:private-key:6]" },
            { "at": "2026-01-01T00:00:03Z", "text": "MIIabc" }
        ],
        "labels": { "example.io/api-key": "[redacted:api-key:3]", "example.io/token": "none", "app": "abc", "[redacted:github-token:2]": "x" }
    });
    assert_eq!(all, marked);
    let places: Vec<_> = found.iter().map(|it| it.place.as_str()).collect();
    assert!(places.contains(&"/labels/example.io~1api-key"), "{places:?}");
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn equal_secrets_have_equal_marks() {
    let mut all = json!(["password=a", "password=b", "password=a"]);
    document(&mut all);
    assert_eq!(all[0], all[2]);
    assert_ne!(all[0], all[1]);
}

#[test]
fn mark_that_makes_its_neighbour_a_secret_is_redacted_with_it() {
    assert_eq!(text("got token: ab://b:c@d"), "got token: [redacted:token:2]");
}

#[test]
fn secret_as_the_only_name_of_a_map_is_removed() {
    let mut all = json!({ "ghp_0123456789abcdefghij": "x" });
    document(&mut all);
    assert_eq!(all, json!({ "[redacted:github-token:1]": "x" }));
}

#[test]
fn redaction_of_a_preflight_is_listed() {
    let mut evidence = PreflightEvidence::healthy(When::Always);
    let proxies = &mut of(&mut evidence.machine.proxies).variables;
    proxies.push("HTTPS_PROXY=http://user:hunter2@proxy:3128".into());
    let record = PreflightRecord::new(evidence, "meshcheck");
    let places: Vec<_> = record.redactions.iter().map(|it| it.place.as_str()).collect();
    assert_eq!(places, ["/preflight/machine/proxies/value/variables/0"]);
}

/// A newer program may find more secrets in a redacted file.
#[test]
fn second_redaction_uses_new_marks() {
    let mut evidence = healthy();
    evidence.expectations.reply = "token=abc".into();
    let once = redact(evidence);
    assert_eq!(once.expectations.reply, "token=[redacted:token:1]");
    let mut more = once.clone();
    more.expectations.namespace = "password=x".into();
    let twice = redact(more);
    assert_eq!(twice.expectations.namespace, "password=[redacted:password:2]");
    assert_eq!(twice.redactions.len(), 2);
    assert_eq!(redact(twice.clone()), twice);
}

fn fixtures() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut found = Vec::new();
    let mut left = vec![directory];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_none_or(|it| it != "gz") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn recorded_evidence_has_no_secret() {
    let all = fixtures();
    assert!(all.len() > 5, "{all:?}");
    for (name, content) in all {
        assert_eq!(text(&content), content, "{name}");
        if let Ok(evidence) = serde_json::from_str::<Evidence>(&content) {
            let redacted = redact(evidence.clone());
            assert_eq!(redacted.redactions, [], "{name}");
            let reports = [&evidence, &redacted].map(|it| judge(it, &[]));
            assert_eq!(reports[0], reports[1], "{name}");
        }
    }
}

#[test]
fn evidence_of_all_cases_has_no_secret() {
    fn visit(value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(texts.insert(text.clone())),
            Value::Array(items) => items.iter().for_each(|it| visit(it, texts)),
            Value::Object(fields) => fields.iter().for_each(|(key, value)| {
                assert_eq!(pairs::names_a_secret(key), None, "{key}");
                texts.insert(key.clone());
                visit(value, texts);
            }),
            _ => {}
        }
    }
    let mut texts = BTreeSet::new();
    for (claim, case) in claim_cases() {
        visit(&serde_json::to_value(case.evidence(claim)).unwrap(), &mut texts);
    }
    assert!(texts.len() > 500, "{}", texts.len());
    for text in texts {
        assert_eq!(super::text(&text), text);
    }
}

#[test]
fn long_text_is_redacted_in_linear_time() {
    for piece in [
        "password=",
        "-----BEGIN PRIVATE KEY-----",
        "\"kind\":\"Secret\"",
        "eyJ",
        "a:b@",
        "\\\"token\\\":",
        "-----END PRIVATE KEY-----",
        "kind: Secret\ndata:\n  ",
        "\"kind\":\"Secret\",\"data\":{\"",
        "cookie: \"$X ",
        "token: x ",
        "token=]",
        "a@",
        "https://",
    ] {
        let long = piece.repeat(1_000_000 / piece.len());
        let start = std::time::Instant::now();
        let _ = text(&long);
        assert!(start.elapsed().as_secs() < 10, "{piece}: {:?}", start.elapsed());
    }
}

/// Generates texts of evidence without a secret.
fn harmless() -> impl Strategy<Value = String> {
    prop_oneof![
        // Names of pods and proxies.
        "(token|secret|password|auth|basic|bearer|[a-z]{1,12})(-[a-z]{1,8}){0,2}-[0-9a-f]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}(\\.[a-z]{1,16})?",
        // UIDs, digests, images.
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        "(docker\\.io|registry:5000)/(istio|token|secret)/(proxyv2|token|secret):1\\.[0-9]{2}\\.[0-9](@sha256:[0-9a-f]{64})?",
        // Nonces of xDS.
        "[A-Za-z0-9+/]{11}=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        // iptables rules, and arguments of the init container.
        "-A ISTIO_(OUTPUT|INBOUND|REDIRECT) (! )?-s 127\\.0\\.0\\.6/32 -p tcp -m (owner ! )?--uid-owner 1337 -j (RETURN|REDIRECT --to-ports 1500[16])",
        Just("istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020 --log_output_level=default:info".to_owned()),
        // Messages of the API server.
        "secrets \"[a-z-]{1,20}\" is forbidden: User \"system:serviceaccount:[a-z]{1,9}:(token|secret)\" cannot (get|list) resource \"(secrets|pods/exec)\" in API group \"\" in the namespace \"(token|client)\"",
        "MountVolume.SetUp failed for volume \"istio-token\" : failed to fetch token: (pod|serviceaccounts) \"[a-z]{3,9}\" not found",
        "GET http://(token|secret|10\\.0\\.0\\.[0-9]{1,2}):[0-9]{2,5}/(healthz/ready)? \\(host [a-z]{1,9}\\.test\\)",
        // Certificates.
        "(O=cluster\\.local|CN=istiod\\.istio-system\\.svc)",
        Just("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n".to_owned()),
        Just("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUMvVENDQWVXZ0F3SUJBZ0lS".to_owned()),
    ]
}

/// Generates a secret, and a text with it.
fn secrets() -> impl Strategy<Value = (String, String)> {
    // No reference, no quote or space inside, no hyphen at the start.
    let word = "[A-Za-z0-9!#%^*()_+=/~|.;:][A-Za-z0-9!#%^*()_+=/~|.;:-]{6,29}[A-Z0-9]";
    let named = prop::sample::select(vec![
        "password=",
        "--password=",
        "--db-password ",
        "DB_PASSWORD=",
        "password: ",
        "Password:",
        "\"password\":\"",
        "\\\"password\\\":\\\"",
        "'passwd': '",
        "token=",
        "token: ",
        "?token=",
        "access_token=",
        "X-Auth-Token: ",
        "apikey=",
        "api-key: ",
        "client_secret=",
        "aws_secret_access_key=",
        "Authorization: Bearer ",
        "Authorization: Basic ",
        "authorization=",
        "Cookie: a=",
        "set-cookie: session=",
        "client-key-data: ",
    ]);
    let key = "[A-Za-z0-9+/]{40}";
    prop_oneof![
        8 => (named, word).prop_map(|(name, secret)| (secret.clone(), format!("{name}{secret}"))),
        1 => "[A-Za-z0-9]{8,20}[0-9]".prop_map(|it| (it.clone(), format!("Bearer {it}"))),
        1 => ("[a-zA-Z0-9_-]{20,40}", "[a-zA-Z0-9_-]{20,40}")
            .prop_map(|(body, sign)| (format!("{body}.{sign}"), format!("eyJhbGciOiJSUzI1NiJ9.{body}.{sign}"))),
        1 => word.prop_map(|it| it.replace(['/', '#', ':'], "x"))
            .prop_map(|it| (it.clone(), format!("https://user:{it}@host.example/path"))),
        1 => key.prop_map(|it| (it.clone(), format!("-----BEGIN RSA PRIVATE KEY-----\n{it}\n-----END RSA PRIVATE KEY-----"))),
        1 => key.prop_map(|it| (it.clone(), format!("{{\"kind\":\"Secret\",\"data\":{{\"x\":\"{it}\"}}}}"))),
        1 => "AKIA[A-Z0-9]{16}".prop_map(|it| (it.clone(), it)),
        1 => "ghp_[A-Za-z0-9]{36}".prop_map(|it| (it.clone(), it)),
    ]
}

fn holds(value: &Value, secret: &str) -> bool {
    match value {
        Value::String(text) => text.contains(secret),
        Value::Array(items) => items.iter().any(|it| holds(it, secret)),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains(secret) || holds(value, secret))
        }
        _ => false,
    }
}

/// Returns the recorded evidence with one text changed; none where the document allows only certain values there.
fn planted(place: &str, change: impl FnOnce(&str) -> String) -> Option<Evidence> {
    let mut document = recorded();
    let there = document.pointer_mut(place)?;
    *there = Value::String(change(there.as_str()?));
    serde_json::from_value(document).ok()
}

fn texts() -> Vec<String> {
    places(&recorded(), Value::is_string)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn secret_in_any_text_is_removed(
        (secret, planting) in secrets(),
        place in any::<prop::sample::Index>(),
        before in "([a-z]{1,8}[ \n]){0,2}",
        after in "([ \n][a-z]{1,8}){0,2}",
    ) {
        let texts = texts();
        let place = place.get(&texts);
        let Some(evidence) = planted(place, |old| format!("{old} {before}{planting}{after}")) else {
            // A timestamp, or one of few allowed words.
            return Ok(());
        };
        let redacted = redact(evidence.clone());
        let document = serde_json::to_value(&redacted).unwrap();
        prop_assert!(!holds(&document, &secret), "{place}: {planting:?} in {:?}", document.pointer(place));
        let is_listed = redacted.redactions.iter().any(|it| it.place == *place);
        prop_assert!(is_listed, "{place}: {:?}", redacted.redactions);
        // All other values are unchanged.
        let mut other = serde_json::to_value(&evidence).unwrap();
        let mut same = document.clone();
        for document in [&mut other, &mut same] {
            *document.pointer_mut(place).unwrap() = Value::Null;
            document.as_object_mut().unwrap().remove("redactions");
        }
        prop_assert!(other == same, "{place}: more than the text has changed");
        prop_assert!(redact(redacted.clone()) == redacted, "{place}: redacted twice");
        // No verdict changes.
        let verdicts = |it: &Evidence| {
            judge(it, &[]).claims.into_iter().map(|it| (it.id, it.verdict)).collect::<Vec<_>>()
        };
        let changed: Vec<_> = verdicts(&evidence)
            .into_iter()
            .zip(verdicts(&redacted))
            .filter(|(before, after)| before != after)
            .collect();
        // A redacted image is no longer a valid image with a tag.
        prop_assert!(changed.is_empty() || place.ends_with("/image"), "{place}: {changed:?}");
    }

    #[test]
    fn text_without_secret_does_not_change(text in prop::collection::vec(harmless(), 1..4)) {
        let text = text.join(" ");
        prop_assert_eq!(super::text(&text), text);
    }

    #[test]
    fn redacted_text_does_not_change_again(text in "\\PC{0,40}(password|token|\"|\\\\|'|=|: |eyJ|-----BEGIN PRIVATE KEY-----|-----END PRIVATE KEY-----|\n|@|://|Bearer |\\PC){0,12}") {
        let once = super::text(&text);
        prop_assert_eq!(super::text(&once), once.clone());
        let finders: [Finder; 4] = [blocks::manifests, blocks::private_keys, pairs::find, tokens::find];
        for find in finders {
            let mut end = 0;
            for secret in find(&text) {
                prop_assert!(secret.start >= end && secret.end > secret.start);
                prop_assert!(text.is_char_boundary(secret.start) && text.is_char_boundary(secret.end));
                end = secret.end;
            }
        }
    }
}
