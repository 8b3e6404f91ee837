//! A directory with a stand-in for `ssh`, and calls of `meshcheck class` in it.

use std::ops::Deref;
use std::process::Command;

use serde_json::Value;

use super::run::Run;
use super::sandbox::Sandbox;
use super::scale;

/// The stand-in: the first letters of a host say how it behaves. `own…` is this machine: the script runs, with a home
/// of its own.
const SSH: &str = r#"#!/bin/bash
while [ "$1" != -- ]; do shift; done
host=$2 script=$3
echo "$host" >> "$PLACE/asked"
case $host in
  refused*) echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255 ;;
  hanging*) echo "SSH-2.0-banner" >&2; exec tail -f /dev/null ;;
  dead*) exec tail -f /dev/null ;;
  changed*) echo "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @" >&2
            echo "Host key verification failed." >&2; exit 255 ;;
  own*) mkdir -p "$PLACE/home-$host"; echo "Welcome to $host"
        HOME=$PLACE/home-$host XDG_CACHE_HOME= exec bash -c "$script" ;;
  broken*) echo meshcheck-has-it; exec zcat "$FIXTURES/faults/service-deleted/evidence.json.gz" ;;
  cut*) echo meshcheck-has-it; exec head -c 5000 "$FIXTURES/evidence/lab.json" ;;
  *) echo meshcheck-has-it; exec cat "$FIXTURES/evidence/lab.json" ;;
esac
"#;

/// A sandbox with the stand-in in its working directory.
pub(crate) struct Place(Sandbox);

impl Deref for Place {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.0
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.executable("ssh", SSH);
        Self(sandbox)
    }

    /// A call of `meshcheck class`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let directory = self.at("");
        let path = std::env::var("PATH").unwrap();
        let mut command = self.meshcheck(&[&["class"], arguments].concat());
        command
            .env("PATH", format!("{}:{path}", directory.display()))
            .env("PLACE", directory)
            .env("MESHCHECK", scale::program())
            .env("FIXTURES", concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"));
        command
    }

    /// Runs `meshcheck class`.
    pub(crate) fn class(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }
}

/// The rows of a report in JSON.
pub(crate) fn rows(report: &str) -> Vec<Value> {
    let report: Value =
        serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {report}"));
    assert_eq!(report["schema"], 1);
    report["machines"].as_array().unwrap().clone()
}
