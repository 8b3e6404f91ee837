//! Kubernetes as the engine of a class: a Job checks the cluster that it runs on and a machine that is gone, and sends
//! to a board outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use meshcheck_bundle::Bundle;

use super::cluster::{ByHand, must};
use crate::support::board::{Board, TOKEN};
use crate::support::run::Run;
use crate::support::sandbox::{Sandbox, files};

/// An image of the program; it is removed from the engine when it goes out of scope.
struct Image(String);

impl Image {
    /// Builds it, and writes it to an archive.
    fn build(archive: &Path) -> Self {
        let image = Self(format!("localhost/meshcheck-test:{}", std::process::id()));
        must(
            Command::new(env!("CARGO"))
                .args(["xtask", "image", "--program", env!("CARGO_BIN_EXE_meshcheck")])
                .args(["--tag", &image.0, "--archive"])
                .arg(archive)
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        );
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", "--force", &self.0]).output();
    }
}

/// Writes the Job of the machines.
fn write_job(place: &Sandbox, board: &str, image: &Image, arguments: &[&str]) -> Run {
    let mut call = place.meshcheck(&["class", "machines", "--send", board]);
    call.args(["--token-file", "token", "--image", &image.0, "--pods", "2"]);
    let run = Run::of(call.args(arguments));
    assert!(run.code == Some(0) && run.stdout.is_empty(), "{run:?}");
    assert!(!run.stderr.contains(TOKEN) && !run.stderr.contains("LS0tLS"), "{run:?}");
    run
}

/// A sandbox with the kubeconfigs of the cluster itself and of a machine that is gone, and a token.
fn place(hand: &ByHand) -> Sandbox {
    let place = Sandbox::new();
    fs::create_dir(place.at("machines")).unwrap();
    let (mut config, node) = (hand.config(), hand.network("IPAddress"));
    for (name, port) in [("own", 6443), ("gone", 1)] {
        config["clusters"][0]["cluster"]["server"] = format!("https://{node}:{port}").into();
        place.file(&format!("machines/{name}.yaml"), config.to_string());
    }
    place.file("token", TOKEN);
    place
}

#[test]
#[ignore = "needs docker, kubectl and a bundle (MESHCHECK_BUNDLE): `cargo xtask test` runs it"]
fn needs_docker_a_job_sends_the_records_of_all_machines_that_it_reaches() {
    let directory = std::env::var_os("MESHCHECK_BUNDLE").map(PathBuf::from);
    let directory = directory.expect("MESHCHECK_BUNDLE must name a bundle");
    let hand = ByHand::create(&Bundle::open(&directory).unwrap());
    let place = place(&hand);
    let archive = place.at("image.tar");
    let image = Image::build(&archive);
    hand.load_image(&archive);
    let board = Board::listening("0.0.0.0:0", "own,gone", &["--receive-only"]);
    let url = format!("http://{}:{}", hand.network("Gateway"), board.port());

    // The API server takes what was written as it is.
    write_job(&place, &url, &image, &["--job-out", "job"]);
    hand.apply(&place.read("job/0-namespace.yaml"));
    hand.kubectl(&["-n", "meshcheck-class", "get", "serviceaccount"]);
    let all = place.at("job").display().to_string();
    hand.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", &all]);
    hand.kubectl(&["apply", "-f", &all]);
    let job = |path: &str| {
        let path = format!("jsonpath={{.items[0].status.{path}}}");
        hand.try_kubectl(&["-n", "meshcheck-class", "get", "job", "-o", &path])
    };

    // The machine that is gone fails its own index only. The mesh is not installed: that fails no pod.
    hand.eventually("the Job to end", |hand| {
        let done = job("conditions[?(@.type==\"Failed\")].reason")?;
        let pods = ["-n", "meshcheck-class", "get", "pods", "-o", "wide"];
        if done == "FailedIndexes" { Ok(()) } else { Err(hand.try_kubectl(&pods)?) }
    });
    let logs = |index: &str| {
        let label = format!("batch.kubernetes.io/job-completion-index={index}");
        hand.kubectl(&["-n", "meshcheck-class", "logs", "-l", &label, "--tail=-1"])
    };
    // By name, `gone` comes before `own`.
    assert_eq!(job("failedIndexes").unwrap(), "0", "{}", logs("0"));
    assert_eq!(job("completedIndexes").unwrap(), "1", "{}", logs("1"));
    assert!(logs("0").contains("does not answer"), "{}", logs("0"));
    let records = board.history().join("records");
    assert_eq!(files(&records), ["own.json.gz"]);
    let records = records.display().to_string();
    let report = place.run(&["class", "--output", "json", &records]);
    assert_eq!(report.code, Some(1), "{report:?}");
    let report = report.json();
    let cluster = &report["machines"][0]["report"]["cluster"];
    assert_eq!(cluster["server"], format!("https://{}:6443", hand.network("IPAddress")));

    // Only the machine that is gone has no record.
    let failed = write_job(&place, &url, &image, &["--job-out", "again", "--failed", &records]);
    assert!(failed.stderr.contains("machines without a record: 1 of 2"), "{failed:?}");
    let list = place.read("again/2-machines.yaml");
    assert!(list.contains("gone") && !list.contains("own"), "{list}");

    hand.kubectl(&["delete", "-f", &all, "--timeout=60s"]);
    let left = hand.try_kubectl(&["get", "namespace", "meshcheck-class"]);
    assert!(left.unwrap_err().contains("NotFound"));
}
