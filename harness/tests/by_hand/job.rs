//! Kubernetes as the engine of a class: a Job checks the cluster that it runs on and a machine that is gone, and sends
//! to a board outside.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use meshcheck_bundle::Bundle;
use serde_json::Value;
use tempfile::TempDir;

use super::cluster::{ByHand, Run, must};

const PROGRAM: &str = env!("CARGO_BIN_EXE_meshcheck");

const TOKEN: &str = "0123456789abcdefghij";

/// An image of the program; it is removed from the engine when it goes out of scope.
struct Image(String);

impl Image {
    /// Builds it from the Containerfile, with the libraries that a program needs that is not static.
    fn build(directory: &Path) -> Self {
        let root = directory.join("root");
        fs::create_dir(&root).unwrap();
        must(Command::new("strip").arg("-o").arg(root.join("meshcheck")).arg(PROGRAM));
        let libraries = must(Command::new("ldd").arg(PROGRAM));
        for library in libraries.split_whitespace().filter(|it| it.starts_with('/')) {
            let place = root.join(&library[1..]);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(library, place).unwrap();
        }
        let image = Self(format!("localhost/meshcheck-test:{}", std::process::id()));
        must(
            Command::new("docker")
                .args(["build", "--quiet", "--network=none", "--tag", &image.0, "--file"])
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Containerfile"))
                .arg(directory),
        );
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", "--force", &self.0]).output();
    }
}

/// A board that takes records from everywhere.
struct Board {
    child: Child,
    port: String,
}

impl Board {
    fn start(place: &Path) -> Self {
        let mut child = meshcheck(place)
            .args(["--serve", "0.0.0.0:0", "--token-file", "token", "--receive-only"])
            .args(["--history", "history"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("board: http://")).unwrap();
        let port = line.trim_start_matches("board: http://").split([':', '/']).nth(1).unwrap();
        let port = port.to_owned();
        // A pipe that nobody reads would end the board.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `meshcheck class` with the machines of this place.
fn meshcheck(place: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["class", "machines"]).current_dir(place);
    for variable in ["KUBECONFIG", "MESHCHECK_CONFIG", "MESHCHECK_BUNDLE", "MESHCHECK_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

/// Writes the Job of the machines.
fn write_job(place: &Path, board: &str, image: &Image, arguments: &[&str]) -> Run {
    let call = meshcheck(place)
        .args(["--send", board, "--token-file", "token", "--image", &image.0, "--pods", "2"])
        .args(arguments)
        .output()
        .unwrap();
    let run = Run::of(&call);
    assert!(run.code == 0 && run.stdout.is_empty(), "{run:?}");
    assert!(!run.stderr.contains(TOKEN) && !run.stderr.contains("LS0tLS"), "{run:?}");
    run
}

/// A directory with the kubeconfigs of the cluster itself and of a machine that is gone, and a token.
fn place(hand: &ByHand) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let machines = place.path().join("machines");
    fs::create_dir(&machines).unwrap();
    let mut config: Value =
        serde_json::from_str(&hand.kubectl(&["config", "view", "--raw", "-o", "json"])).unwrap();
    let node = hand.network("IPAddress");
    for (name, server) in
        [("own", format!("https://{node}:6443")), ("gone", format!("https://{node}:1"))]
    {
        config["clusters"][0]["cluster"]["server"] = server.into();
        fs::write(machines.join(format!("{name}.yaml")), config.to_string()).unwrap();
    }
    fs::write(place.path().join("token"), TOKEN).unwrap();
    place
}

#[test]
#[ignore = "needs docker, kubectl and a bundle (MESHCHECK_BUNDLE): `cargo xtask test` runs it"]
fn needs_docker_a_job_sends_the_records_of_all_machines_that_it_reaches() {
    let directory = std::env::var_os("MESHCHECK_BUNDLE").map(PathBuf::from);
    let directory = directory.expect("MESHCHECK_BUNDLE must name a bundle");
    let hand = ByHand::create(&Bundle::open(&directory).unwrap());
    let place = place(&hand);
    let place = place.path();
    let image = Image::build(place);
    hand.load_image(&image.0);
    let board = Board::start(place);
    let url = format!("http://{}:{}", hand.network("Gateway"), board.port);

    // The API server takes what was written as it is.
    write_job(place, &url, &image, &["--job-out", "job"]);
    let file = |name: &str| place.join("job").join(name).display().to_string();
    hand.kubectl(&["apply", "-f", &file("0-namespace.yaml")]);
    hand.kubectl(&["-n", "meshcheck-class", "get", "serviceaccount"]);
    let all = place.join("job").display().to_string();
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
    let records = place.join("history/records");
    let names: Vec<_> = fs::read_dir(&records).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["own.json.gz"]);
    let report =
        Command::new(PROGRAM).args(["class", "--output", "json"]).arg(&records).output().unwrap();
    assert_eq!(report.status.code(), Some(1), "{report:?}");
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let cluster = &report["machines"][0]["report"]["cluster"];
    assert_eq!(cluster["server"], format!("https://{}:6443", hand.network("IPAddress")));

    // Only the machine that is gone has no record.
    let failed =
        write_job(place, &url, &image, &["--job-out", "again", "--failed", "history/records"]);
    assert!(failed.stderr.contains("machines without a record: 1 of 2"), "{failed:?}");
    let list = fs::read_to_string(place.join("again/2-machines.yaml")).unwrap();
    assert!(list.contains("gone") && !list.contains("own"), "{list}");

    hand.kubectl(&["delete", "-f", &all, "--timeout=60s"]);
    let left = hand.try_kubectl(&["get", "namespace", "meshcheck-class"]);
    assert!(left.unwrap_err().contains("NotFound"));
}
