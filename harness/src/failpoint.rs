//! Places where a test makes the program panic: what was made by then must still be removed.

/// The variable that names the place. Only debug builds look at it.
const VARIABLE: &str = "MESHCHECK_TEST_PANIC";

/// Panics here where a test asks for it, and this is a debug build.
pub(crate) fn failpoint(place: &str) {
    let asked = || std::env::var_os(VARIABLE).is_some_and(|it| it == place);
    assert!(!cfg!(debug_assertions) || !asked(), "a test asked for a panic at `{place}`");
}
