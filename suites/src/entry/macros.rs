//! The macros that define a claim or a check.

/// Defines the claim of a file: the page as a doc comment, then id, statement and the other fields. Causes are named by the
/// last part of their ids. The judge is `judge` of the file, unless the entry has another one. A claim without a page or
/// without its `.snap` file does not compile.
macro_rules! claim {
    ($($rest:tt)+) => {
        $crate::entry::macros::entry! {
            CLAIM, $crate::evidence::Evidence, claims::Needs; $($rest)+
        }
    };
}
pub(crate) use claim;

/// Defines the check of a file, in the same form as `claim!`.
macro_rules! check {
    ($($rest:tt)+) => {
        $crate::entry::macros::entry! {
            CHECK, $crate::preflight::evidence::PreflightEvidence, preflight::When; $($rest)+
        }
    };
}
pub(crate) use check;

macro_rules! entry {
    (
        $static:ident, $evidence:ty, $module:ident::$kind:ident;
        $(#[doc = $line:literal])+
        $section:ident::$name:ident: $statement:literal,
        $(statement_for: $statement_for:expr,)?
        $(beyond: $beyond:literal,)?
        needs: $needs:ident,
        $(stops: [$($stop:ident),* $(,)?],)?
        $(after: $after:ident,)?
        $(caused_by: [$($cause:ident if $when:expr),* $(,)?],)?
        $(holds_without: [$($without:expr),* $(,)?],)?
        $(holds_unasked: [$($unasked:expr),* $(,)?],)?
        $(judge: $judge:expr,)?
    ) => {
        /// The entry of this file.
        pub(crate) static $static: $crate::entry::Entry<$evidence> = $crate::entry::Entry {
            id: concat!(stringify!($section), "::", stringify!($name)),
            statement: $statement,
            statement_for: $crate::entry::macros::optional!($($statement_for)?),
            beyond: false $(|| $beyond)?,
            needs: $crate::$module::$kind::$needs,
            stops: &[$($($crate::entry::Stop::$stop),*)?],
            causes: &[
                $($crate::entry::CausedBy::precondition(&$crate::$module::by_name::$after::$static),)?
                $($($crate::entry::CausedBy::failure(&$crate::$module::by_name::$cause::$static, $when)),*)?
            ],
            holds_without: &[$($($without),*)?],
            holds_unasked: &[$($($unasked),*)?],
            page: $crate::entry::Page {
                text: concat!($($line, "\n"),+),
                file: file!(),
                messages: include_str!(concat!(stringify!($name), ".snap")),
            },
            judge: $crate::entry::macros::judge_or_default!($($judge)?),
            #[cfg(test)]
            cases: cases::CASES,
        };

        #[cfg(test)]
        #[test]
        fn cases_and_generated_messages_are_current() {
            $crate::testing::assert_cases(&$static);
        }
    };
}
pub(crate) use entry;

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}
pub(crate) use optional;

macro_rules! judge_or_default {
    () => {
        judge
    };
    ($judge:expr) => {
        $judge
    };
}
pub(crate) use judge_or_default;

/// Defines the cases of an entry: `NAME(CHANGE, VERDICT);`. The change applies to healthy evidence. The `.snap` file
/// beside the entry's file holds the complete message of each case.
#[cfg(test)]
macro_rules! cases {
    ($evidence:ty: $($name:ident($change:expr, $verdict:ident);)+) => {
        pub(crate) const CASES: &[$crate::testing::Case<$evidence>] = &[$(
            $crate::testing::Case {
                name: stringify!($name),
                change: $change,
                verdict: $crate::judgement::Verdict::$verdict,
            }
        ),+];
    };
}
#[cfg(test)]
pub(crate) use cases;
