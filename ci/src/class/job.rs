//! Kubernetes as the engine of a class: a Job on one cluster checks it and another one, and sends to a board outside.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio, id};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use super::trial::Trial;
use crate::cleanup::Cleanup;
use crate::command::Program;
use crate::live::{Cluster, Verdicts};
use crate::steps::build_image;
use crate::wait::until;

/// How long the Job may take. Its pods take 10 s on a machine with two processors.
const JOB: Duration = Duration::from_mins(3);

/// The token of the board, which lives as long as the test.
const TOKEN: &str = "a-token-of-one-test-0123456789";

/// Runs the Job on the healthy cluster; of the broken one these claims do not hold. Returns how many machines have the right
/// verdicts on the board: both, or an error.
pub(super) fn check(
    trial: &Trial,
    healthy: &Cluster,
    (broken, expected): (&Cluster, &BTreeSet<String>),
) -> Result<f64> {
    let image = format!("localhost/meshcheck-class:{}", id());
    build_image(trial.program(), &image)?;
    let _end = {
        let image = image.clone();
        Cleanup::new(move || {
            let remove = Program::new("docker").args(["image", "rm", "--force", &image]);
            // A removal that fails leaves an image without a use.
            drop(remove.run());
        })
    };
    let import = "ctr --namespace k8s.io images import -";
    healthy
        .typed(&format!("docker save {image} | docker exec --interactive \"$NODE\" {import}"))
        .run()
        .context("loading the image into the node")?;

    let directory = trial.at("job");
    let machines = directory.join("machines");
    fs::create_dir_all(&machines)?;
    for (name, cluster) in [("healthy", healthy), ("broken", broken)] {
        let text = fs::read_to_string(cluster.kubeconfig())?;
        let address = format!("https://{}:6443", network(cluster, "IPAddress")?);
        let text = text.replace(&cluster.server()?, &address);
        fs::write(machines.join(format!("{name}.yaml")), text)?;
    }
    fs::write(directory.join("token"), TOKEN)?;

    let board = Board::start(trial, &directory, &network(healthy, "Gateway")?)?;
    let bundle = healthy.bundle().display().to_string();
    Program::new(trial.program())
        .args(["class", "machines", "--bundle", &bundle, "--send", &board.url])
        .args(["--token-file", "token", "--job-out", "written", "--image", &image, "--pods", "2"])
        .dir(&directory)
        .run()?;
    let written = directory.join("written");
    healthy.typed(&format!("kubectl apply -f {}", written.display())).run()?;
    let job = "kubectl -n meshcheck-class get job";
    let state = format!("{job} -o 'jsonpath={{.items[0].status.conditions[*].type}}'");
    until("the Job of a class", Duration::from_millis(500), JOB, || {
        let state = healthy.typed(&state).read().map_err(|error| format!("{error:#}"))?;
        if state.split(' ').any(|it| it == "Complete") { Ok(()) } else { Err(state) }
    })?;

    let report = Program::new(trial.program())
        .args(["class", "history/records", "--output", "json"])
        .dir(&directory)
        .ended()?;
    let report: Value =
        serde_json::from_str(&report.stdout).context("the report of the records")?;
    let verdicts = |name: &str| {
        let machines = report["machines"].as_array().into_iter().flatten();
        let machine = machines.into_iter().find(|it| it["name"] == name);
        let machine = machine.with_context(|| format!("the board has no record of {name}"))?;
        Verdicts::read(&machine["report"].to_string(), String::new())
    };
    let (green, red) = (verdicts("healthy")?, verdicts("broken")?);
    // A pod makes no test objects, and enters no node: such claims are skipped.
    ensure!(green.exit_code() == 0, "the healthy cluster, checked by a pod: {green}");
    ensure!(red.red() == *expected, "the broken cluster, checked by a pod: {red}");
    Ok(2.0)
}

/// An address of a cluster's node in docker's network, by its key in `docker inspect`.
fn network(cluster: &Cluster, key: &str) -> Result<String> {
    let path = format!("{{{{.NetworkSettings.Networks.kind.{key}}}}}");
    cluster.typed(&format!("docker inspect --format '{path}' \"$NODE\"")).read()
}

/// A board on an address that pods reach.
struct Board {
    child: Child,
    url: String,
}

impl Board {
    fn start(trial: &Trial, directory: &Path, address: &str) -> Result<Self> {
        let mut child = trial
            .command()
            .args(["class", "machines", "--serve", &format!("{address}:0")])
            .args(["--token-file", "token", "--receive-only", "--history", "history"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a board")?;
        let mut lines = BufReader::new(child.stderr.take().context("no output")?).lines();
        let line = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let rest = line.strip_prefix("board: http://")?;
            Some(rest.split('/').next().unwrap_or(rest).to_owned())
        });
        // A pipe that nobody reads would end the board.
        thread::spawn(move || lines.for_each(drop));
        let mut board = Self { child, url: String::new() };
        board.url = format!("http://{}", line.context("the board does not start")?);
        Ok(board)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
