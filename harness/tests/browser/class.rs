//! Tests of the board of a class in a real browser: how it looks, and whether it lives.

use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::scripts::CONTRASTS;
use crate::support::board::{Board, PATIENCE, broken, healthy};
use crate::support::wait::wait_until;

/// The faults of a class of thirty, by the numbers of their machines.
const FAULTS: [(&str, &[u32]); 5] = [
    ("istiod-scaled-to-zero", &[3, 4, 11, 19, 27]),
    ("pool-exhausted", &[8]),
    ("node-cordoned", &[22]),
    ("backend-scaled-to-zero", &[2, 17]),
    ("label-removed", &[24]),
];

/// Machines that send nothing.
const SILENT: [u32; 2] = [13, 29];

/// A board of thirty machines.
fn thirty() -> Board {
    let board = Board::start("vm[01-30]", &["--receive-only"]);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/faults");
    for number in (1..=30).filter(|number| !SILENT.contains(number)) {
        let fault = FAULTS.iter().find(|(_, machines)| machines.contains(&number));
        let evidence = match fault {
            Some((name, _)) => std::fs::read(fixtures.join(name).join("evidence.json.gz")).unwrap(),
            None => healthy(),
        };
        assert_eq!(board.put(&format!("vm{number:02}"), &evidence).status, 204);
    }
    board.wait_for("18 of 30 machines hold the tutorial");
    board
}

fn until(browser: &Browser, expression: &str, expected: &Value) {
    wait_until(expression, PATIENCE, || {
        let value = browser.value(expression);
        if value == *expected { Ok(()) } else { Err(format!("{value}, not {expected}")) }
    });
}

#[rstest]
#[case::phone((390, 844), true, "phone")]
#[case::desk((1280, 900), false, "desk")]
#[case::projector((1920, 1080), false, "projector")]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn board_fits_and_can_be_read_needs_browser(
    #[case] (width, height): (u32, u32),
    #[case] mobile: bool,
    #[case] name: &str,
) {
    let board = thirty();
    let browser = Browser::start();
    browser.size(width, height, mobile);
    for scheme in ["light", "dark"] {
        browser.media("screen", scheme);
        browser.open_url(&format!("http://{}/", board.address()));
        browser.keep_picture(&format!("class-{name}-{scheme}.png"));
        assert_eq!(browser.count("tbody tr"), 30);
        let wide = browser.value("document.documentElement.scrollWidth").as_f64().unwrap();
        assert!(wide <= f64::from(width), "{name}: {wide}");
        let texts = browser.value(CONTRASTS);
        let worst = &texts[0];
        assert!(worst[0].as_f64().unwrap() >= 4.5, "{name}, {scheme}: {worst}");
        let messages = browser.messages();
        assert!(messages.is_empty(), "{messages:#?}");
    }
    if name == "projector" {
        let bottom =
            browser.value("document.querySelector('table').getBoundingClientRect().bottom");
        assert!(
            bottom.as_f64().unwrap() <= f64::from(height),
            "thirty rows on one screen: {bottom}"
        );
    }
}

#[test]
#[ignore = "needs a browser: `cargo xtask test` runs it"]
fn board_lives_without_reloading_and_says_when_it_does_not_needs_browser() {
    let mut board = Board::start("vm[1-3]", &["--receive-only"]);
    board.put("vm1", &healthy());
    board.put("vm2", &healthy());
    board.wait_for("2 of 3 machines hold");
    let browser = Browser::start();
    browser.open_url(&format!("http://{}/", board.address()));
    let order = "[...document.querySelectorAll('tbody tr')].map(it => it.id + it.className)";
    until(&browser, order, &json!(["m2wait", "m0pass", "m1pass"]));
    browser.value("(window.mark = 1, document.querySelector('#m1 a').focus())");
    board.put("vm2", &broken());
    until(&browser, order, &json!(["m1fail", "m2wait", "m0pass"]));
    assert_eq!(browser.value("window.mark"), 1, "it was not loaded again");
    let title = "1 of 3 machines holds the tutorial; 1 does not, 1 is not checked yet · meshcheck";
    until(&browser, "document.title", &json!(title));
    assert_eq!(browser.value("document.activeElement.textContent"), "vm2");
    until(&browser, "document.querySelectorAll('#faults .card').length", &json!(1));
    let lost = "document.querySelector('.lost-note').checkVisibility()";
    assert_eq!(browser.value(lost), false);
    board.kill();
    until(&browser, lost, &json!(true));
    board.restart();
    until(&browser, "window.mark ?? 'loaded again'", &json!("loaded again"));
    until(&browser, order, &json!(["m1fail", "m2wait", "m0pass"]));
    assert_eq!(browser.value(lost), false);
    browser.value("document.querySelector('#m1 a').click()");
    until(&browser, "!!document.getElementById('claims')", &json!(true));
    assert_eq!(browser.value("getComputedStyle(document.body).maxWidth"), "1216px");
}
