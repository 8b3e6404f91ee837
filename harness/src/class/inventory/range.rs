//! Expands the ranges of host names: `vm[01-30]`, Ansible's `vm[01:30:2]` and `vm[a:f]`, `vm[1,3,5-7]`.

/// How many machines an inventory may have.
pub(super) const LIMIT: usize = 10_000;

/// Expands all ranges of a name, the last one fastest. A name without ranges is itself.
pub(super) fn expand(text: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('[') else {
        return if text.contains(']') { Err(unclosed(text)) } else { Ok(vec![text.to_owned()]) };
    };
    let (range, after) = rest.split_once(']').ok_or_else(|| unclosed(text))?;
    // An IPv6 address stands in brackets as well.
    if before.is_empty() && range.matches(':').count() > 2 {
        return Ok(vec![text.to_owned()]);
    }
    let mut items = Vec::new();
    for part in range.split(',') {
        items.extend(items_of(part.trim()).ok_or_else(|| {
            format!("`[{range}]` is no range: write [01-30], [01:30], [a:f] or [1,3,5-7]")
        })?);
        if items.len() > LIMIT {
            return Err(too_many());
        }
    }
    let tails = expand(after)?;
    if items.len() * tails.len() > LIMIT {
        return Err(too_many());
    }
    let each = |item: &String| {
        let start = format!("{before}{item}");
        tails.iter().map(move |tail| format!("{start}{tail}")).collect::<Vec<_>>()
    };
    Ok(items.iter().flat_map(each).collect())
}

/// Describes an inventory that is too long.
pub(super) fn too_many() -> String {
    format!("the inventory has more than {LIMIT} machines")
}

fn unclosed(text: &str) -> String {
    format!("`{text}` has a bracket without its other one")
}

/// The items of `7`, `01-30`, `1:9:2` or `a:f`; nothing where it is none of them.
fn items_of(part: &str) -> Option<Vec<String>> {
    let mut parts = part.split(if part.contains(':') { ':' } else { '-' });
    let first = parts.next().filter(|it| !it.is_empty())?;
    let Some(last) = parts.next() else {
        return first.chars().all(char::is_alphanumeric).then(|| vec![first.to_owned()]);
    };
    let step = parts.next().map_or(Some(1), |step| step.parse().ok().filter(|it| *it > 0))?;
    if parts.next().is_some() {
        return None;
    }
    if let (Ok(from), Ok(to)) = (first.parse::<usize>(), last.parse::<usize>()) {
        // A zero in front says how wide the numbers are.
        let width = if first.starts_with('0') { first.len() } else { 0 };
        let numbers = (from..=to).step_by(step).take(LIMIT + 1);
        return (from <= to).then(|| numbers.map(|it| format!("{it:0width$}")).collect());
    }
    let letter = |text: &str| {
        let mut letters = text.chars();
        letters.next().filter(|it| letters.next().is_none() && it.is_ascii_alphabetic())
    };
    let (from, to) = (letter(first)?, letter(last)?);
    (from <= to).then(|| (from..=to).step_by(step).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("vm1", &["vm1"])]
    #[case("vm[08-11].example.com", &["vm08.example.com", "vm09.example.com", "vm10.example.com", "vm11.example.com"])]
    #[case("vm[1:5:2]", &["vm1", "vm3", "vm5"])]
    #[case("vm[a:c]", &["vma", "vmb", "vmc"])]
    #[case("vm[1,3,5-6]", &["vm1", "vm3", "vm5", "vm6"])]
    #[case("r[1-2]-[a:b]", &["r1-a", "r1-b", "r2-a", "r2-b"])]
    #[case("[2001:db8::1]:22", &["[2001:db8::1]:22"])]
    fn ranges_are_expanded_in_order(#[case] text: &str, #[case] names: &[&str]) {
        assert_eq!(expand(text).unwrap(), names);
    }

    #[rstest]
    #[case::open("vm[1-3")]
    #[case::closed("vm1-3]")]
    #[case::empty("vm[]")]
    #[case::backwards("vm[9-1]")]
    #[case::step_of_zero("vm[1:9:0]")]
    #[case::mixed("vm[1:c]")]
    #[case::too_many("vm[1-10001]")]
    #[case::too_many_together("vm[1-1000]-[1-1000]")]
    #[case::endless("vm[0-99999999999]")]
    fn wrong_range_is_refused(#[case] text: &str) {
        assert!(expand(text).is_err());
    }
}
