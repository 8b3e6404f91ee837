//! The table of claims, without verdicts.

use std::fmt::Write as _;

use meshcheck_suites::{CLAIMS, Pattern, Section};
use serde::Serialize;

use super::Format;

/// A row of the table.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    section: Section,
    statement: &'static str,
    beyond: bool,
    needs: meshcheck_suites::claims::Needs,
}

/// The table, or these rows of it, as text or JSON.
pub fn claims(only: &[Pattern], format: Format) -> String {
    let asked: Vec<_> = CLAIMS.iter().filter(|claim| claim.is_asked(only)).collect();
    let rows = asked.iter().map(|claim| Row {
        id: claim.id,
        section: claim.section(),
        statement: claim.statement,
        beyond: claim.beyond,
        needs: claim.needs,
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
                let _ = writeln!(text, "{:width$}  {}{beyond}", row.id, row.statement);
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
        assert_eq!(claims(&[], Format::Human).lines().count(), CLAIMS.len());
        let json: serde_json::Value = serde_json::from_str(&claims(&[], Format::Json)).unwrap();
        assert_eq!(json["claims"].as_array().unwrap().len(), CLAIMS.len());
        for field in ["id", "section", "statement"] {
            assert!(json["claims"][0][field].is_string(), "{field}");
        }
    }

    #[test]
    fn rows_can_be_chosen() {
        let only = ["kiali", "mesh::live_rules"].map(|pattern| pattern.parse().unwrap());
        let text = claims(&only, Format::Human);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.lines()
                .all(|line| line.starts_with("kiali::") || line.starts_with("mesh::live_rules  "))
        );
    }
}
