//! The rules walker against the kernel: rules are loaded, packets are sent, and each must end where the
//! walker says.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it has seen"
)]

mod bench;
mod conditions;
mod hosts;
mod packets;
mod real;
mod rules;
mod sender;
mod sightings;
mod transparent;

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use meshcheck_netfilter::Family;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rstest::rstest;

use bench::Bench;
use hosts::in_own_thread;

/// How many sets of rules in a round, each with some packets.
const SETS: u32 = 150;
/// How many rounds there may be until every kind of packet was compared often enough.
const ROUNDS: usize = 5;

/// What must have been compared at least, by what it shows: a generator that makes packets of one kind
/// only proves nothing.
const FLOORS: [(&str, usize); 16] = [
    ("compared", 300),
    ("outbound", 150),
    ("inbound", 100),
    ("TCP", 150),
    ("UDP", 50),
    ("ICMP", 10),
    ("accepted", 100),
    ("redirected", 50),
    ("redirected to the same port", 10),
    ("sent elsewhere", 10),
    ("dropped", 20),
    ("rejected", 10),
    ("returned by owner", 20),
    ("by a goto", 20),
    ("established", 20),
    ("invalid", 20),
];

/// The run is random; the same number makes the same run again.
const SEED: &str = "MESHCHECK_KERNEL_SEED";

fn seed() -> u64 {
    match env::var(SEED) {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("{SEED} is a number, not {number}")),
        Err(_) => RandomState::new().hash_one(()),
    }
}

#[rstest]
#[ignore = "needs root, iptables and network namespaces: `cargo xtask test` runs it"]
fn needs_netns_random_packets_end_where_the_walker_says(
    #[values("iptables-legacy", "iptables-nft")] flavour: &'static str,
    #[values(Family::V4, Family::V6)] family: Family,
) {
    in_own_thread(|| random(flavour, family));
}

fn random(flavour: &'static str, family: Family) {
    let seed = seed();
    let start = Instant::now();
    println!("{flavour}, {family}, {SEED}={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: SETS,
        // A case that failed becomes a unit test of the walker, which everybody can run.
        failure_persistence: None,
        max_shrink_iters: 2000,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let bench = std::cell::RefCell::new(Bench::new(flavour, family));
    for _ in 0..ROUNDS {
        let outcome = runner.run(&(rules::rules(), packets::packets()), |(rules, packets)| {
            let mut bench = bench.borrow_mut();
            let first = bench.ports(usize::from(bench::MOST_PACKETS));
            let packets = packets::numbered(&packets, first);
            bench.compare(&rules.written(first), &packets).map_err(TestCaseError::fail)
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, (rules, packets))) => panic!(
                "{flavour}, {family}, {SEED}={seed}: {why}\n\nwhole, with source ports from 0:\n{}\n{packets:?}",
                rules.written(0)
            ),
            Err(TestError::Abort(why)) => panic!("{flavour}, {SEED}={seed}: given up, {why}"),
        }
        if too_few(&bench.borrow().totals).is_none() {
            break;
        }
    }
    let totals = bench.into_inner().totals;
    println!("{totals:#?}\nin {:?}", start.elapsed());
    if let Some(what) = too_few(&totals) {
        panic!("{SEED}={seed}: {what}");
    }
}

/// What was not compared often enough.
fn too_few(totals: &BTreeMap<String, usize>) -> Option<String> {
    let count = |what: &str| totals.get(what).copied().unwrap_or_default();
    let (what, floor) = FLOORS.into_iter().find(|it| count(it.0) < it.1)?;
    Some(format!("{} times {what}, {floor} are needed", count(what)))
}
