//! Finds the word that a mistyped one may stand for.

/// How alike two words must be: two letters of a short word may be wrong, of `foo` nothing is like `port`.
const LIKENESS: f64 = 0.6;

/// The longest word that is compared, in bytes: comparing takes time with its length.
const LENGTH: usize = 100;

/// Returns the candidate whose key is most like this word, where any is.
pub(crate) fn nearest<T>(
    word: &str,
    candidates: impl IntoIterator<Item = (String, T)>,
) -> Option<T> {
    if word.len() > LENGTH {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let scored = candidates.into_iter().map(|(key, candidate)| {
        (strsim::normalized_damerau_levenshtein(&word, &plain(&key)), candidate)
    });
    let near = scored.filter(|(likeness, _)| *likeness >= LIKENESS);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, candidate)| candidate)
}

/// Returns the id of a claim or check, or the section, that is most like this text.
pub(crate) fn nearest_id(
    text: &str,
    ids: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let keys = ids.into_iter().flat_map(|id| {
        let (section, name) = id.split_once("::").unwrap_or((id, id));
        [(id.to_owned(), id), (name.to_owned(), id), (section.to_owned(), section)]
    });
    nearest(text, keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("mesh::podsready", Some("mesh::pods_ready"))]
    #[case("pod_ready", Some("mesh::pods_ready"))]
    #[case("MESH::PODS-READY", Some("mesh::pods_ready"))]
    #[case("mehs", Some("mesh"))]
    #[case("weather", None)]
    fn near_id_is_found(#[case] text: &str, #[case] id: Option<&str>) {
        assert_eq!(nearest_id(text, ["mesh::live_rules", "mesh::pods_ready"]), id);
    }
}
