//! Which cases a campaign runs.

use clap::Args;

/// Which cases.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only the cases whose name contains this; can be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only the cases that CI runs
    #[arg(long)]
    ci: bool,
    /// The table of cases
    #[arg(long)]
    pub(crate) list: bool,
}

impl Selection {
    /// The cases that CI runs.
    pub(crate) fn for_ci() -> Self {
        Self { ci: true, ..Self::default() }
    }

    /// Whether a case is selected; `in_ci` says whether CI runs it.
    pub(crate) fn includes(&self, name: &str, in_ci: bool) -> bool {
        (in_ci || !self.ci)
            && (self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::everything(&[], false, true)]
    #[case::ci_alone(&[], true, false)]
    #[case::by_name(&["other", "ca"], false, true)]
    #[case::other_name(&["other"], false, false)]
    fn case_is_selected_by_name_and_by_ci(
        #[case] only: &[&str],
        #[case] ci: bool,
        #[case] expected: bool,
    ) {
        let only = only.iter().map(|&text| text.to_owned()).collect();
        let selection = Selection { only, ci, list: false };
        assert_eq!(selection.includes("case", false), expected);
    }
}
