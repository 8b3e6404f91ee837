//! The page in a real browser: what it asks for, how it looks, and whether keyboards, phones and printers
//! get all of it. `cargo xtask test` runs this where a browser can be had.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod browser;
mod reports;

use browser::Browser;
use reports::{CASES, page};
use rstest::rstest;
use serde_json::Value;

/// The narrowest phone that is in use.
const PHONE: (u32, u32) = (360, 780);
const DESK: (u32, u32) = (1280, 900);

/// Keys, as `WebDriver` names them.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// What WCAG 2 asks for (level AA, 1.4.3).
const CONTRAST: f64 = 4.5;

fn numbers(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn it_asks_nothing_of_any_network_and_has_no_error_needs_browser() {
    let browser = Browser::start();
    for case in CASES {
        let file = page(browser.directory(), case);
        browser.requests();
        browser.open(&file);
        assert_eq!(browser.requests(), [format!("file://{}", file.display())], "{case}");
        let messages = browser.messages();
        assert!(messages.is_empty(), "{case}: {messages:#?}");
        // The policy lets the style through, and nothing else.
        assert_eq!(browser.value("getComputedStyle(document.body).maxWidth"), "1056px", "{case}");
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
            browser.value("document.querySelectorAll('details').forEach(it => it.open = true)");
            let width = numbers(&browser.value("document.documentElement.scrollWidth"));
            assert!(width <= f64::from(size.0), "{case}: {width} of {}", size.0);
            // Nor does anything scroll within the page.
            let hidden = browser.value(
                "[...document.querySelectorAll('body *')]
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

/// The contrast of every text that is shown, the worst first: its ratio and the text.
const CONTRASTS: &str = r"
(() => {
  const parse = text => (text.match(/[\d.]+/g) || []).map(Number);
  const light = rgb => {
    const [r, g, b] = rgb.map(it => it / 255)
      .map(it => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const solid = text => { const it = parse(text); return it.length == 3 || it[3] == 1; };
  const behind = element => {
    for (let it = element; it; it = it.parentElement) {
      const color = getComputedStyle(it).backgroundColor;
      if (solid(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [color, ground] = [style.color, behind(element)];
    const [a, b] = [light(parse(color).slice(0, 3)), light(parse(ground).slice(0, 3))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${color} on ${ground}: ${walker.currentNode.data.slice(0, 60)}`]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 400);
})()";

#[rstest]
#[case("light", 255)]
#[case("dark", 30)]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn every_text_can_be_read_needs_browser(#[case] scheme: &str, #[case] ground: u32) {
    let browser = Browser::start();
    browser.media("screen", scheme);
    for case in CASES {
        let file = page(browser.directory(), case);
        browser.open(&file);
        browser.value("document.querySelectorAll('details').forEach(it => it.open = true)");
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

/// What can be worked with and is shown.
const INTERACTIVE: &str = "[...document.querySelectorAll('a[href], summary, input')]
    .filter(it => it.checkVisibility())";

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn a_keyboard_reaches_everything_in_order_needs_browser() {
    let browser = Browser::start();
    browser.size(DESK.0, DESK.1, false);
    for case in ["scaled", "rules"] {
        let file = page(browser.directory(), case);
        browser.open(&file);
        let all = browser.value(&format!("(window.all = {INTERACTIVE}).length"));
        let all = all.as_u64().unwrap();
        assert!(all > 40, "{all}");
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

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn keys_fold_filter_and_skip_needs_browser() {
    let browser = Browser::start();
    let file = page(browser.directory(), "scaled");
    browser.open(&file);
    browser.press(TAB);
    browser.press(ENTER);
    assert_eq!(browser.value("document.activeElement.id"), "claims", "the first link skips");
    // The first that can be reached there is the filter's first box: what passes.
    browser.press(TAB);
    assert_eq!(browser.value("document.activeElement.id"), "show-pass");
    let shown = "[...document.querySelectorAll('.claim.is-VERDICT')].filter(it => it.checkVisibility()).length";
    let count = |verdict: &str| browser.value(&shown.replace("VERDICT", verdict)).as_u64().unwrap();
    let (pass, fail) = (count("pass"), count("fail"));
    assert!(pass > 20 && fail > 2, "{pass} {fail}");
    browser.press(' ');
    assert_eq!(browser.value(&shown.replace("VERDICT", "pass")), 0);
    assert_eq!(browser.value(&shown.replace("VERDICT", "fail")), fail);
    browser.press(' ');
    assert_eq!(browser.value(&shown.replace("VERDICT", "pass")), pass);
    // A folded claim opens.
    browser.value("document.querySelector('.claim.is-pass > summary').focus()");
    for open in [true, false] {
        browser.press(ENTER);
        assert_eq!(browser.value("document.querySelector('.claim.is-pass').open"), open);
    }
    // A link to a claim leads there.
    browser.value("document.querySelector('nav a').focus()");
    browser.press(ENTER);
    let target = browser.value(
        "document.getElementById(decodeURIComponent(location.hash.slice(1))).matches('details[open]')",
    );
    assert_eq!(target, true);
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
    assert_eq!(why, "could not be read: pods/log is forbidden");
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn a_printer_gets_everything_on_white_needs_browser() {
    let browser = Browser::start();
    // Also where the screen is dark.
    browser.media("print", "dark");
    for case in ["green", "rules"] {
        let file = page(browser.directory(), case);
        browser.open(&file);
        assert_eq!(
            browser.value("getComputedStyle(document.body).backgroundColor"),
            "rgb(255, 255, 255)"
        );
        assert_eq!(browser.value("getComputedStyle(document.body).color"), "rgb(27, 31, 36)");
        let closed = "[...document.querySelectorAll('details:not([open])')]";
        assert!(numbers(&browser.value(&format!("{closed}.length"))) > 10.0);
        let unseen = browser.value(&format!(
            "{closed}.map(it => it.lastElementChild)
                .filter(it => !it.checkVisibility() || it.getBoundingClientRect().height == 0)
                .map(it => it.outerHTML.slice(0, 100))"
        ));
        assert_eq!(unseen, serde_json::json!([]), "{case}");
        assert!(browser.print().starts_with(b"%PDF"));
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn what_a_cluster_says_stays_text_needs_browser() {
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
        let number = browser.value(&format!("document.querySelectorAll('{made}').length"));
        assert_eq!(number, 0, "{made}");
    }
}
