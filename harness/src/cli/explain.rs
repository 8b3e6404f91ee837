//! `meshcheck explain`: the pages of claims and checks.

use std::io::{IsTerminal as _, stdout};

use meshcheck_suites::preflight::evidence::PreflightEvidence;
use meshcheck_suites::{CHECKS, CLAIMS, Evidence, Pattern};

use super::arguments::Explain;
use super::failure::Failure;
use crate::report::to_stdout;
use crate::suggest::nearest_id;

/// Prints the pages that are asked for, in the order of the arguments.
pub(super) fn explain(arguments: &Explain) -> Result<u8, Failure> {
    let pages: Vec<_> =
        arguments.patterns.iter().map(|text| pages(text)).collect::<Result<_, _>>()?;
    let text = pages.concat().join("\n");
    to_stdout(&if stdout().is_terminal() { without_links(&text) } else { text })?;
    Ok(0)
}

/// The pages that a pattern asks for.
fn pages(text: &str) -> Result<Vec<String>, Failure> {
    let claims = Pattern::parse::<Evidence>(text);
    let checks = Pattern::parse::<PreflightEvidence>(text);
    let Some(pattern) = claims.or(checks).ok() else {
        return Err(Failure::usage(
            format!("no claim and no check matches `{text}`"),
            suggestion(text),
        ));
    };
    let claims = CLAIMS.iter().filter(|claim| pattern.matches(claim)).map(|it| it.explain());
    let checks = CHECKS.iter().filter(|check| pattern.matches(check)).map(|it| it.explain());
    Ok(claims.chain(checks).collect())
}

/// Returns a page with the name of each link in its place.
fn without_links(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("](") {
        let Some(((start, name), (_, end))) = before.rsplit_once('[').zip(after.split_once(')'))
        else {
            break;
        };
        text += start;
        text += name;
        rest = end;
    }
    text + rest
}

/// The fix for a text that selects nothing.
fn suggestion(text: &str) -> String {
    let ids = CLAIMS.iter().map(|it| it.id).chain(CHECKS.iter().map(|it| it.id));
    match nearest_id(text, ids) {
        Some(id) => format!("did you mean `meshcheck explain {id}`?"),
        None => "list the claims with `meshcheck claims`, the checks with `meshcheck preflight`"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_and_checks_have_pages() {
        let text = pages("mesh::live_rules").unwrap().concat();
        assert!(text.starts_with("# mesh::live_rules\n"), "{text}");
        assert!(text.contains("## Example failure"), "{text}");
        assert_eq!(pages("machine::docker_usable").unwrap().len(), 1);
        assert_eq!(pages("*").unwrap().len(), CLAIMS.len() + CHECKS.len());
    }

    #[test]
    fn terminal_gets_the_names_of_links() {
        let page = "- [`a::b`](../a/b.md), [`c`](c.md)\nindex[0](x\n";
        assert_eq!(without_links(page), "- `a::b`, `c`\nindex[0](x\n");
        for page in pages("*").unwrap() {
            assert!(!without_links(&page).contains("]("), "{page}");
        }
    }

    #[test]
    fn unknown_id_names_the_nearest_one() {
        let text = pages("mesh::live_rule").unwrap_err().text();
        assert!(text.contains("meshcheck explain mesh::live_rules"), "{text}");
        let text = pages("weather").unwrap_err().text();
        assert!(text.contains("meshcheck claims"), "{text}");
    }
}
