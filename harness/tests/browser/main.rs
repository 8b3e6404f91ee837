//! Tests of the page in a real browser: what it fetches, how it looks, and whether it works with a keyboard, on a
//! phone and on paper. `cargo xtask test` runs them where a browser can be installed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod browser;
mod class;
mod reports;
mod scripts;
#[path = "../support/mod.rs"]
mod support;

use browser::Browser;
use reports::{CASES, page};
use rstest::rstest;
use scripts::{BROKEN_WORDS, CONTRASTS, INTERACTIVE};
use serde_json::Value;

/// The narrowest phone that is in use.
const PHONE: (u32, u32) = (360, 780);
const DESK: (u32, u32) = (1280, 900);

/// Keys, as `WebDriver` names them.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const RIGHT: char = '\u{e014}';

/// The contrast that WCAG 2 requires (level AA, 1.4.3).
const CONTRAST: f64 = 4.5;

fn numbers(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn page_fetches_nothing_and_has_no_error_needs_browser() {
    let browser = Browser::start();
    for case in CASES {
        let file = page(browser.directory(), case);
        browser.requests();
        browser.open(&file);
        assert_eq!(browser.requests(), [format!("file://{}", file.display())], "{case}");
        let messages = browser.messages();
        assert!(messages.is_empty(), "{case}: {messages:#?}");
        // The policy lets the style through, and nothing else.
        assert_eq!(browser.value("getComputedStyle(document.body).maxWidth"), "1216px", "{case}");
        assert_eq!(browser.value("document.scripts.length + document.images.length"), 0, "{case}");
    }
}

#[rstest]
#[case::phone(PHONE, true)]
#[case::desk(DESK, false)]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn no_page_is_wider_than_the_window_needs_browser(#[case] size: (u32, u32), #[case] mobile: bool) {
    let browser = Browser::start();
    browser.size(size.0, size.1, mobile);
    for case in CASES {
        let file = page(browser.directory(), case);
        // Of 64 KiB in every text a browser draws no picture in reasonable time, and colours move nothing.
        let pictured = case != "hostile";
        let schemes: &[&str] = if pictured { &["light", "dark"] } else { &["light"] };
        for &scheme in schemes {
            browser.media("screen", scheme);
            browser.open(&file);
            let kind = if mobile { "phone" } else { "desk" };
            if pictured {
                browser.keep_picture(&format!("{case}-{kind}-{scheme}.png"));
            }
            // What is folded counts as well, once it is opened.
            browser.unfold();
            let width = numbers(&browser.value("document.documentElement.scrollWidth"));
            assert!(width <= f64::from(size.0), "{case}: {width} of {}", size.0);
            // Nor does anything scroll within the page; heads of arrows stand beside their lines.
            let hidden = browser.value(
                "[...document.querySelectorAll('body *:not(i)')]
                    .filter(it => it.clientWidth && it.scrollWidth > it.clientWidth + 1)
                    .map(it => it.outerHTML.slice(0, 200))",
            );
            assert_eq!(hidden, serde_json::json!([]), "{case}");
            if pictured && scheme == "light" {
                browser.keep_picture(&format!("{case}-{kind}-open.png"));
            }
        }
    }
}

#[rstest]
#[case::phone(PHONE, true)]
#[case::desk(DESK, false)]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn no_word_is_broken_in_its_middle_needs_browser(#[case] size: (u32, u32), #[case] mobile: bool) {
    let browser = Browser::start();
    browser.size(size.0, size.1, mobile);
    for case in CASES.into_iter().filter(|case| *case != "hostile") {
        browser.open(&page(browser.directory(), case));
        browser.unfold();
        assert_eq!(browser.value(BROKEN_WORDS), serde_json::json!([]), "{case}");
    }
}

#[rstest]
#[case("light", 255)]
#[case("dark", 30)]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn every_text_has_contrast_needs_browser(#[case] scheme: &str, #[case] ground: u32) {
    let browser = Browser::start();
    browser.media("screen", scheme);
    for case in CASES {
        let file = page(browser.directory(), case);
        browser.open(&file);
        browser.unfold();
        let body =
            browser.value("parseInt(getComputedStyle(document.body).backgroundColor.slice(4))");
        let body = numbers(&body);
        let fits = if ground == 255 { body >= 255.0 } else { body < f64::from(ground) };
        assert!(fits, "{scheme}: the ground is {body}");
        let texts = browser.value(CONTRASTS);
        let texts = texts.as_array().unwrap();
        assert!(texts.len() > 100, "{case}: {} texts", texts.len());
        let worst = &texts[0];
        assert!(numbers(&worst[0]) >= CONTRAST, "{case}, {scheme}: {worst}");
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn keyboard_reaches_everything_in_order_needs_browser() {
    let browser = Browser::start();
    browser.size(DESK.0, DESK.1, false);
    for case in ["scaled", "rules", "green"] {
        let file = page(browser.directory(), case);
        browser.open(&file);
        let all = browser.value(&format!("(window.all = {INTERACTIVE}).length"));
        let all = all.as_u64().unwrap();
        assert!(all > 30, "{all}");
        for at in 0..all {
            browser.press(TAB);
            let here = browser.value(
                "(() => {
                    const it = document.activeElement, style = getComputedStyle(it);
                    const box = it.getBoundingClientRect();
                    return {
                        at: window.all.indexOf(it), what: it.outerHTML.slice(0, 120),
                        outlined: style.outlineStyle != 'none' && parseFloat(style.outlineWidth) >= 2,
                        shown: box.width > 0 && box.left >= 0 && box.top >= 0
                            && box.bottom <= innerHeight + 1,
                    };
                })()",
            );
            assert_eq!(here["at"], at, "{case}: {here}");
            assert_eq!(here["outlined"], true, "{case}: {here}");
            assert_eq!(here["shown"], true, "{case}: {here}");
        }
        // No trap: behind the last one the page is left.
        browser.press(TAB);
        assert_eq!(browser.value("window.all.indexOf(document.activeElement)"), -1, "{case}");
    }
}

/// The claims that are shown, by verdict: failed, passed.
fn shown_claims(browser: &Browser) -> (u64, u64) {
    (browser.count_shown(".claim.is-fail"), browser.count_shown(".claim.is-pass"))
}

/// The names of the tabs that are marked as chosen.
fn chosen_tabs(browser: &Browser) -> Value {
    browser.value(
        "[...document.querySelectorAll('.tabs label')]
            .filter(it => getComputedStyle(it, '::after').display != 'none')
            .map(it => it.textContent.replace(/ \\d+$/, ''))",
    )
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn tabs_choose_claims_by_key_and_by_link_needs_browser() {
    let browser = Browser::start();
    let file = page(browser.directory(), "scaled");
    browser.open(&file);
    let (fail, pass) = (browser.count(".claim.is-fail"), browser.count(".claim.is-pass"));
    assert!(fail > 2 && pass > 20, "{fail} {pass}");
    assert_eq!(shown_claims(&browser), (fail, 0), "failures are shown first");
    assert_eq!(chosen_tabs(&browser), serde_json::json!(["Not passed"]));
    assert_eq!(browser.value("document.querySelector('.tabs input').id"), "show-all");
    // A link chooses.
    browser.value("location.hash = '#failed'");
    assert_eq!(shown_claims(&browser), (fail, 0));
    assert_eq!(chosen_tabs(&browser), serde_json::json!(["Failed"]));
    browser.value("location.hash = '#passed'");
    assert_eq!(shown_claims(&browser), (0, pass));
    assert_eq!(chosen_tabs(&browser), serde_json::json!(["Passed"]));
    browser.value("location.hash = '#all'");
    assert_eq!(shown_claims(&browser), (fail, pass));
    // A link to a claim or to a section shows it, whatever is chosen.
    browser.value("location.hash = '#prepare::nodes_ready'");
    assert_eq!(shown_claims(&browser), (fail, 1));
    browser.value("location.hash = '#section-kiali'");
    assert_eq!(shown_claims(&browser), (fail, browser.count(".claim[id^=\"kiali::\"]")));
    // The keyboard chooses, and wins.
    browser.value("document.getElementById('show-failed').focus()");
    browser.press(' ');
    assert_eq!(chosen_tabs(&browser), serde_json::json!(["Failed"]));
    browser.press(RIGHT);
    assert_eq!(browser.value("document.activeElement.id"), "show-passed");
    browser.value("location.hash = '#failed'");
    assert_eq!(shown_claims(&browser), (0, pass));
    // A folded claim opens.
    browser.value("document.querySelector('.claim.is-pass > summary').focus()");
    for open in [true, false] {
        browser.press(ENTER);
        assert_eq!(browser.value("document.querySelector('.claim.is-pass').open"), open);
    }
    // The first link skips to the claims.
    browser.open(&file);
    browser.value("history.replaceState(null, '', location.pathname)");
    browser.press(TAB);
    browser.press(ENTER);
    assert_eq!(browser.value("document.activeElement.id"), "claims");
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn bar_stays_and_hides_no_target_needs_browser() {
    let browser = Browser::start();
    for (size, mobile) in [(PHONE, true), (DESK, false)] {
        browser.size(size.0, size.1, mobile);
        browser.open(&page(browser.directory(), "denied"));
        browser.value("location.hash = '#section-mesh'");
        let places = browser.value(
            "(() => {
                const bar = document.querySelector('.bar').getBoundingClientRect();
                const target = document.getElementById('section-mesh').getBoundingClientRect();
                return { top: bar.top, height: bar.height, covered: target.top < bar.bottom };
            })()",
        );
        assert_eq!((&places["top"], &places["covered"]), (&0.into(), &false.into()), "{places}");
        assert!(numbers(&places["height"]) < 60.0, "one line: {places}");
        let count = "document.querySelector('.bar small')";
        assert_eq!(browser.value(&format!("{count}.checkVisibility()")), mobile);
        assert_eq!(browser.value(&format!("{count}.textContent.trim()")), "5/5");
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn copied_command_is_the_command_needs_browser() {
    let browser = Browser::start();
    browser.open(&page(browser.directory(), "denied"));
    let copied = browser.value(
        "[...document.querySelectorAll('pre.command')].map(it => {
            const selection = getSelection();
            selection.selectAllChildren(it);
            return [selection.toString(), it.textContent];
        })",
    );
    let copied = copied.as_array().unwrap();
    assert!(copied.len() > 1, "{copied:?}");
    for pair in copied {
        assert_eq!(pair[0], pair[1]);
        assert!(!pair[1].as_str().unwrap().contains(['\n', '\u{a0}']), "{pair}");
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn logs_are_folded_bounded_and_open_by_a_key_needs_browser() {
    let browser = Browser::start();
    let file = page(browser.directory(), "logs");
    browser.open(&file);
    let find = |name: &str| {
        format!(
            "(window.log = [...document.querySelectorAll('summary')]
                .find(it => it.textContent.startsWith('log of istio-system/{name}')))"
        )
    };
    browser.value(&format!("{}.focus()", find("istiod-1/discovery")));
    assert_eq!(
        browser.value("window.log.textContent"),
        "log of istio-system/istiod-1/discovery, its last 200 lines"
    );
    assert_eq!(browser.value("window.log.nextElementSibling.checkVisibility()"), false);
    browser.press(ENTER);
    assert_eq!(browser.value("window.log.nextElementSibling.checkVisibility()"), true);
    let text = browser.value("window.log.nextElementSibling.textContent");
    let text = text.as_str().unwrap();
    assert!(text.starts_with("[300 older lines are left out: "), "{text}");
    assert!(text.ends_with("info xds push 499 <cds> & all"), "it is text: {text}");
    assert_eq!(text.lines().count(), 201);
    browser.value(&find("kiali-2/kiali: none"));
    let why = browser.value("window.log.nextElementSibling.textContent");
    assert_eq!(why, "cannot read it: pods/log is forbidden");
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn first_printed_page_has_the_outcome_and_what_to_fix_needs_browser() {
    let browser = Browser::start();
    // Also where the screen is dark.
    browser.media("print", "dark");
    // A4 less its margins.
    browser.size(703, 1031, false);
    for case in ["green", "denied", "rules"] {
        browser.open(&page(browser.directory(), case));
        assert_eq!(
            browser.value("getComputedStyle(document.body).backgroundColor"),
            "rgb(255, 255, 255)"
        );
        assert_eq!(browser.value("getComputedStyle(document.body).color"), "rgb(27, 31, 36)");
        assert_eq!(browser.count_shown(".claim > summary"), browser.count(".claim"));
        for left_out in [".tabs", ".evidence", ".timeline", ".skip"] {
            assert_eq!(browser.count_shown(left_out), 0, "{left_out}");
        }
        // Everything above the page break has room on one page.
        let height = browser.value(
            "(document.querySelector('.rest') ?? document.querySelector('.claims')).getBoundingClientRect().top",
        );
        assert!(numbers(&height) < 1031.0, "{case}: {height}");
        let breaks = browser.value(
            "[...document.querySelectorAll('.rest')].map(it => getComputedStyle(it).breakBefore)",
        );
        let expected =
            if case == "green" { serde_json::json!([]) } else { serde_json::json!(["page"]) };
        assert_eq!(breaks, expected, "{case}");
        assert!(browser.print().starts_with(b"%PDF"));
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn text_of_a_cluster_stays_text_needs_browser() {
    let browser = Browser::start();
    let file = page(browser.directory(), "hostile");
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size < 1_000_000, "{size}");
    browser.open(&file);
    assert_ne!(browser.value("document.title"), "owned");
    let text = browser.value("document.body.textContent");
    let text = text.as_str().unwrap();
    assert!(text.contains("<script>") && text.contains("onerror="), "it is shown as it is written");
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{7}']));
    for made in ["script", "img", "[onerror]", "iframe", "style ~ style", "[style]"] {
        assert_eq!(browser.count(made), 0, "{made}");
    }
}
