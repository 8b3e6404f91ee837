//! Filters of the template: each makes a text of the cluster harmless, and gives it its form.

#![expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    reason = "the macro writes its helpers so"
)]

use std::fmt::Display;

use askama::filters::{Escaper, Html, Safe};
use askama::{Result, Values};

use super::{clean, detail};
use crate::report::markdown::quoted;

/// The lengths of words that stay on one line where there is room for them, in bytes.
const UNBROKEN: std::ops::RangeInclusive<usize> = 2..=120;

/// Formats a text for an attribute or an id; the template escapes it.
#[askama::filter_fn]
pub(super) fn plain(text: impl Display, _: &dyn Values) -> Result<String> {
    Ok(clean(&text.to_string()))
}

/// Formats a sentence of the report: what stands in backquotes is code, and names are not broken.
#[askama::filter_fn]
pub(super) fn rich(text: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    let text = detail(&text.to_string());
    let mut html = String::with_capacity(text.len() + 64);
    let mut rest = text.as_str();
    while let Some((before, code, after)) = quoted(rest) {
        write_words(&mut html, before)?;
        html.push_str("<code>");
        write_words(&mut html, code)?;
        html.push_str("</code>");
        rest = after;
    }
    write_words(&mut html, rest)?;
    Ok(Safe(html))
}

/// Formats a statement as a sentence: it begins with a capital letter, unless a name stands there.
#[askama::filter_fn]
pub(super) fn sentence(text: impl Display, _: &dyn Values) -> Result<String> {
    let text = text.to_string();
    let first = text.split(' ').next().unwrap_or_default();
    let is_name = first.starts_with("istio") || first.contains(['-', '`', '/']);
    let mut characters = text.chars();
    Ok(match characters.next().filter(|_| !is_name) {
        Some(letter) => letter.to_uppercase().chain(characters).collect(),
        None => text,
    })
}

/// Formats a command: a line ends between two options, never within one where there is room for it.
#[askama::filter_fn]
pub(super) fn command(text: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    let text = detail(&text.to_string());
    let mut units: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match units.last_mut().filter(|last| takes_value(last) && !word.starts_with('-')) {
            Some(option) => option.extend([" ", word]),
            None => units.push(word.to_owned()),
        }
    }
    let mut html = String::new();
    for (at, unit) in units.iter().enumerate() {
        html.push_str(if at == 0 { "" } else { " " });
        write_unit(&mut html, unit)?;
    }
    Ok(Safe(html))
}

/// Whether the next word may belong to this one: `-n client`.
fn takes_value(unit: &str) -> bool {
    unit.starts_with('-') && unit != "--" && !unit.contains(['=', ' '])
}

fn write_words(html: &mut String, text: &str) -> Result<()> {
    for word in text.split_inclusive(char::is_whitespace) {
        let name = word.trim_end();
        if UNBROKEN.contains(&name.len()) && name.contains(['-', '/', '?', '|']) {
            write_unit(html, name)?;
            html.push_str(word.get(name.len()..).unwrap_or_default());
        } else {
            Html.write_escaped_str(&mut *html, word)?;
        }
    }
    Ok(())
}

/// Writes a name, or an option with its value. Where a line has no room for both, it ends before the value.
fn write_unit(html: &mut String, text: &str) -> Result<()> {
    html.push_str("<span class=\"u\">");
    let (option, value) = text.split_at(text.find(' ').map_or(text.len(), |at| at + 1));
    Html.write_escaped_str(&mut *html, option)?;
    write_words(html, value)?;
    html.push_str("</span>");
    Ok(())
}
