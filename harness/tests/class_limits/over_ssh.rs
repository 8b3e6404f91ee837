//! A class over a stand-in for `ssh`, which prints recorded evidence.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use serde_json::Value;

use crate::run::Run;
use crate::support::class::{Place, rows};
use crate::support::scale::{count, figure, median, size};

/// How many machines a range such as `good[001-270]` has, and the range.
fn range(name: &str, machines: usize) -> String {
    format!("{name}[001-{machines:03}]")
}

/// Every tenth machine is broken.
fn inventory() -> (usize, usize, String) {
    let (good, broken) = (size(9, 270), size(1, 30));
    (good, broken, format!("{},{}", range("good", good), range("broken", broken)))
}

pub(crate) fn verdicts_of_all_machines() {
    let (good, broken, inventory) = inventory();
    let place = Place::new();
    let call = |inventory: &str| Run::of(&place.command(&[inventory, "--output", "json"]));
    let all = call(&inventory);
    let found = rows(&all.stdout);
    let is_green = |row: &&Value| row["section"] == "kiali";
    let is_broken = |row: &&Value| {
        row["name"].as_str().unwrap().starts_with("broken")
            && row["report"]["causes"][0]["claim"] == "demo::backend_service"
    };
    assert_eq!(found.len(), good + broken);
    assert_eq!(found.iter().filter(is_green).count(), good);
    assert_eq!(found.iter().filter(is_broken).count(), broken);
    assert_eq!(all.code, Some(1));
    let one = call("good001,");
    assert_eq!((rows(&one.stdout).len(), one.code), (1, Some(0)));
    let more = all.measured.peak.saturating_sub(one.measured.peak);
    let more = f64::from(u32::try_from(more).unwrap()) * 1024.0 / 1e6;
    figure("verdicts", all.seconds);
    figure("memory", more / count(good + broken - 1));
}

pub(crate) fn rows_of_all_machines() {
    let (good, broken, inventory) = inventory();
    let place = Place::new();
    // A screen on which all rows have a place.
    let lines = u16::try_from(good + broken + 10).unwrap();
    let screen = Winsize { ws_row: lines, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&screen, None).unwrap();
    let mut command = place.command(&[&inventory]);
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal.slave);
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    // With it goes the last writer of the terminal but the program.
    drop(command);
    let names = [("good", good), ("broken", broken)];
    let names =
        names.iter().flat_map(|(name, all)| (1..=*all).map(move |at| format!("{name}{at:03}")));
    let mut missing: Vec<String> = names.collect();
    let mut terminal = File::from(terminal.master);
    let (mut text, mut buffer) = (String::new(), [0; 16 << 10]);
    let mut shown = None;
    // A terminal whose writers are gone gives an error.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        if shown.is_some() {
            continue;
        }
        let from = text.len().saturating_sub(64);
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let from = (0..=from).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        missing.retain(|name| !text[from..].contains(name.as_str()));
        if missing.is_empty() {
            shown = Some(start.elapsed().as_secs_f64());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let shown = shown.unwrap_or_else(|| panic!("rows that were never shown: {missing:?}"));
    figure("rows", shown);
}

/// The median time to a verdict of the machines that answer.
fn time_to_verdict(place: &Place, inventory: &str, good: usize, deadline: &str) -> f64 {
    let run = Run::of(&place.command(&[inventory, "--deadline", deadline]));
    let is_verdict = |line: &str| line.starts_with("good") && line.contains("holds");
    let verdicts = run.lines.iter().filter(|(_, line)| is_verdict(line));
    let times: Vec<_> = verdicts.map(|(time, _)| *time).collect();
    assert_eq!(times.len(), good, "{:?}", run.lines);
    let reasons: BTreeMap<_, _> = run
        .lines
        .iter()
        .filter_map(|(_, line)| line.split_once("  "))
        .filter(|(name, _)| name.starts_with("hanging") || name.starts_with("dead"))
        .collect();
    let has_both = inventory.contains("hanging");
    assert_eq!(reasons.len(), if has_both { 2 } else { 0 }, "{:?}", run.lines);
    assert!(reasons.values().all(|it| it.contains("no answer within")), "{reasons:?}");
    assert_eq!(run.code, Some(if has_both { 3 } else { 0 }));
    median(times)
}

pub(crate) fn hanging_machine_costs_nothing() {
    let (good, deadline) = (size(6, 300), format!("{}s", size(5, 15)));
    let place = Place::new();
    let others = range("good", good);
    let with = format!("hanging1,dead1,{others}");
    let pair = |_| {
        let without = time_to_verdict(&place, &others, good, &deadline);
        time_to_verdict(&place, &with, good, &deadline) / without
    };
    // Runs that are neighbours have the same load of this machine.
    figure("hanging", median((0..size(1, 5)).map(pair).collect()));
}
