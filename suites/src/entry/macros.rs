//! The macros that define a claim or a check.

/// Defines the claim of a file: the page as a doc comment, then id, statement and the other fields. A claim without a page
/// or without its `.snap` file does not compile.
macro_rules! claim {
    ($($rest:tt)+) => {
        $crate::entry::macros::entry! { CLAIM, $crate::evidence::Evidence, $crate::claims::Needs; $($rest)+ }
    };
}
pub(crate) use claim;

/// Defines the check of a file, in the same form as `claim!`.
macro_rules! check {
    ($($rest:tt)+) => {
        $crate::entry::macros::entry! {
            CHECK, $crate::preflight::evidence::PreflightEvidence, $crate::preflight::When; $($rest)+
        }
    };
}
pub(crate) use check;

macro_rules! entry {
    (
        $static:ident, $evidence:ty, $kind:ty;
        $(#[doc = $line:literal])+
        $section:ident::$name:ident: $statement:literal,
        $(statement_for: $statement_for:expr,)?
        $(beyond: $beyond:literal,)?
        needs: $needs:ident,
        $(stops: [$($stop:ident),* $(,)?],)?
        $(after: $($after:ident)::+,)?
        $(caused_by: [$($($cause:ident)::+ if $when:expr),* $(,)?],)?
        $(holds_without: [$($without:expr),* $(,)?],)?
        $(holds_unasked: [$($unasked:expr),* $(,)?],)?
        judge: $judge:expr,
    ) => {
        /// The entry of this file.
        pub(crate) static $static: $crate::entry::Entry<$evidence> = $crate::entry::Entry {
            id: concat!(stringify!($section), "::", stringify!($name)),
            statement: $statement,
            statement_for: $crate::entry::macros::optional!($($statement_for)?),
            beyond: false $(|| $beyond)?,
            needs: <$kind>::$needs,
            stops: &[$($($crate::entry::Stop::$stop),*)?],
            causes: &[
                $($crate::entry::CausedBy::precondition(&$($after)::+::$static),)?
                $($($crate::entry::CausedBy::failure(&$($cause)::+::$static, $when)),*)?
            ],
            holds_without: &[$($($without),*)?],
            holds_unasked: &[$($($unasked),*)?],
            page: $crate::entry::Page {
                text: concat!($($line, "\n"),+),
                file: file!(),
                messages: include_str!(concat!(stringify!($name), ".snap")),
            },
            judge: $judge,
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
