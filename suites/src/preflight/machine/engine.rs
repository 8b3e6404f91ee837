//! The container engine: whether it can be used, and what stands still or was left there.

use super::super::evidence::{EngineAnswer, PreflightEvidence};
use super::engine;
use crate::format::{CLUSTER, NODE, count, excerpt, list};
use crate::hint::quote;
use crate::judgement::{Judged, Judgement, Look as _};

const OBJECT: &str = "the docker engine";

/// The oldest engine with which our runs were seen to work, by the first number of its version.
const OLDEST: u64 = 20;

/// What the kubelet of a node needs to be able to count and limit.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

pub(in super::super) fn docker_usable(evidence: &PreflightEvidence) -> Judged {
    let expected = "an engine that answers this user";
    let fail = |what: &str, observed: &str, hint: &str| {
        Err(Judgement::fail(what)
            .expected(expected)
            .observed(observed)
            .object(OBJECT)
            .legacy_hint(hint))
    };
    let engine = match evidence.machine.engine.look(OBJECT)? {
        EngineAnswer::Answers(engine) => engine,
        EngineAnswer::Refuses { words } => {
            return fail(
                "the docker engine runs, but this user may not use it",
                &excerpt(words),
                "`sudo usermod -aG docker $USER` lets you, once you have logged in again; `newgrp \
                 docker` then lets you in one shell at once",
            );
        }
        EngineAnswer::Silent { words } => {
            return fail(
                "the docker engine does not answer",
                &excerpt(words),
                "`sudo systemctl start docker` starts it (Docker Desktop: start the application); \
                 `docker context ls` shows which engine is asked, unless DOCKER_HOST names it",
            );
        }
        EngineAnswer::NoProgram => {
            return fail(
                "docker is not installed: there is no program `docker` on the PATH",
                "no program `docker`",
                "`sudo apt-get install docker.io` installs it on Debian and Ubuntu; elsewhere see \
                 https://docs.docker.com/engine/install/",
            );
        }
    };
    if engine.os != "linux" {
        return fail(
            "the docker engine runs no Linux containers",
            &format!("containers of {}", engine.os),
            "`docker info --format '{{.OSType}}'` must say linux: switch Docker Desktop to Linux \
             containers",
        );
    }
    let major = engine.version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return fail(
            &format!("the docker engine {} is too old", engine.version),
            &engine.version,
            "`sudo apt-get install --only-upgrade docker.io` brings a newer one: 20.10 is the \
             oldest that is known to do",
        );
    }
    let rootless = if engine.rootless { ", without root" } else { "" };
    Ok(Judgement::pass(format!("docker {} answers{rootless}", engine.version)))
}

pub(in super::super) fn cgroups(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let fail = |what: String, observed: String, hint: &str| {
        Err(Judgement::fail(what)
            .expected("control groups with which a node can limit cpu, memory and pids")
            .observed(observed)
            .object("the control groups of the engine")
            .legacy_hint(hint))
    };
    let version = &engine.cgroup_version;
    if engine.rootless && version == "1" {
        return fail(
            "an engine without root needs control groups of version 2".into(),
            "version 1".into(),
            "`sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1` brings \
             version 2 with the next reboot; or use an engine that runs as root",
        );
    }
    let kernel = evidence.machine.kernel.value();
    if kernel.is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!(
            "version {version}, on the engine's own kernel {}",
            engine.kernel
        )));
    }
    let there = &evidence.machine.cgroups.look("the control groups")?.controllers;
    let missing: Vec<_> =
        CONTROLLERS.into_iter().filter(|name| !there.iter().any(|it| it == name)).collect();
    if !missing.is_empty() {
        return fail(
            format!("the kernel offers no control groups for {}", list(&missing)),
            format!("version {version}, with {}", list(there)),
            "`cat /sys/fs/cgroup/cgroup.controllers` shows them; a Raspberry Pi, say, needs \
             `cgroup_enable=memory` in its kernel's command line, and a reboot",
        );
    }
    Ok(Judgement::pass(format!("version {version}, with {}", list(&CONTROLLERS))))
}

pub(in super::super) fn kind_nodes_run(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let nodes = evidence.machine.kind_nodes.look("the nodes of kind")?;
    let left = evidence.machine.leftovers.value();
    // What a killed run of ours left is told of elsewhere, with another hint.
    let left = |cluster: &String| left.is_some_and(|left| left.contains(cluster));
    // Where a cluster was named, the others are nobody's concern.
    let context = &evidence.cluster.seen.subject.context;
    let named = context.strip_prefix("kind-").filter(|_| evidence.cluster_named);
    let concerns = |cluster: &String| named.is_none_or(|named| named == cluster);
    let nodes: Vec<_> = nodes.iter().filter(|node| concerns(&node.cluster)).collect();
    let still: Vec<_> = nodes
        .iter()
        .copied()
        .filter(|node| node.state != "running" && !left(&node.cluster))
        .collect();
    let Some(first) = still.first() else {
        return Ok(Judgement::pass(match nodes.len() {
            0 => "there is no cluster of kind".to_owned(),
            number => format!("{} of kind, running", count(number, NODE)),
        }));
    };
    let cluster = quote(&first.cluster);
    let of_it: Vec<_> = still
        .iter()
        .filter(|node| node.cluster == first.cluster)
        .map(|node| quote(&node.name))
        .collect();
    let verb = if first.state == "paused" { "unpause" } else { "start" };
    Err(Judgement::fail(format!(
        "the cluster {} of kind stands still: its node {} does not run, as after a reboot",
        first.cluster, first.name
    ))
    .expected("every node running")
    .observed(format!("{}: {}", first.state, excerpt(&first.words)))
    .object(format!("container {}", first.name))
    .legacy_hint(format!(
        "`docker {verb} {}` wakes it up; or `kind delete cluster --name {cluster}` removes it",
        of_it.join(" ")
    )))
}

pub(in super::super) fn no_leftovers(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let left = evidence.machine.leftovers.look("what runs of meshcheck have left")?;
    let Some(first) = left.first() else {
        return Ok(Judgement::pass("nothing is left of a run that was killed"));
    };
    Err(Judgement::fail(format!(
        "{} left by runs of meshcheck that were killed",
        clusters(left.len())
    ))
    .expected("nothing")
    .observed(list(left))
    .object(format!("the cluster {first}"))
    .legacy_hint(format!(
        "`meshcheck down --name {}` removes it, and so does the next run",
        quote(first)
    )))
}

fn clusters(number: usize) -> String {
    format!("{} {}", count(number, CLUSTER), if number == 1 { "was" } else { "were" })
}
