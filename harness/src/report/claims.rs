//! The table of claims, without verdicts.

use std::fmt::Write as _;

use meshcheck_suites::evidence::{Asks, Waiver};
use meshcheck_suites::{CLAIMS, Pattern, Section, waiver};
use serde::Serialize;

use super::Format;
use crate::text::for_terminal;

/// A row of the table.
#[derive(Serialize)]
struct Row<'a> {
    id: &'static str,
    section: Section,
    statement: &'static str,
    beyond: bool,
    needs: meshcheck_suites::claims::Needs,
    /// How the configuration treats it.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiver: Option<&'a Waiver>,
}

/// The table, or these rows of it, as text or JSON, with the waivers of a configuration.
pub fn claims(only: &[Pattern], waivers: &[Waiver], format: Format) -> String {
    let asked: Vec<_> = CLAIMS.iter().filter(|claim| claim.is_asked(only)).collect();
    let rows = asked.iter().map(|claim| Row {
        id: claim.id,
        section: claim.section(),
        statement: claim.statement,
        beyond: claim.beyond,
        needs: claim.needs,
        waiver: waiver(waivers, claim),
    });
    match format {
        Format::Json => {
            let rows: Vec<_> = rows.collect();
            // Strings and booleans: there is nothing here that cannot be written.
            serde_json::to_string_pretty(&serde_json::json!({ "schema": 1, "claims": rows }))
                .unwrap_or_default()
                + "\n"
        }
        Format::Human | Format::Short | Format::Commands => {
            let width = asked.iter().map(|claim| claim.id.len()).max().unwrap_or_default();
            let mut text = String::new();
            for row in rows {
                let beyond = if row.beyond { "  (beyond the tutorial's words)" } else { "" };
                let _ = write!(text, "{:width$}  {}{beyond}", row.id, row.statement);
                if let Some(Waiver { asks, reason, source, .. }) = row.waiver {
                    let what = if *asks == Asks::Nothing { "skipped" } else { "may fail" };
                    let _ = write!(text, "  ({what} by {source}: {})", for_terminal(reason));
                }
                text.push('\n');
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_every_claim() {
        assert_eq!(claims(&[], &[], Format::Human).lines().count(), CLAIMS.len());
        let json: serde_json::Value =
            serde_json::from_str(&claims(&[], &[], Format::Json)).unwrap();
        assert_eq!(json["claims"].as_array().unwrap().len(), CLAIMS.len());
        for field in ["id", "section", "statement"] {
            assert!(json["claims"][0][field].is_string(), "{field}");
        }
    }

    #[test]
    fn claims_that_a_configuration_waives_are_marked() {
        let waiver = |asks| Waiver {
            claims: "mesh::live_rules".into(),
            asks,
            reason: "no kind".into(),
            source: "meshcheck.toml".into(),
        };
        let only = ["mesh::live_rules".parse().unwrap()];
        let text = claims(&only, &[waiver(Asks::Nothing)], Format::Human);
        assert!(text.ends_with("  (skipped by meshcheck.toml: no kind)\n"), "{text}");
        let text = claims(&only, &[waiver(Asks::AVerdict)], Format::Human);
        assert!(text.ends_with("  (may fail by meshcheck.toml: no kind)\n"), "{text}");
        let json = claims(&only, &[waiver(Asks::AVerdict)], Format::Json);
        assert!(json.contains("\"asks\": \"a_verdict\""), "{json}");
    }

    #[test]
    fn only_selected_claims_are_listed() {
        let only = ["kiali", "mesh::live_rules"].map(|pattern| pattern.parse().unwrap());
        let text = claims(&only, &[], Format::Human);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.lines()
                .all(|line| line.starts_with("kiali::") || line.starts_with("mesh::live_rules  "))
        );
    }
}
