//! Places where nothing can be written: what was there stays, and every message is still printed.

use std::fs;

use crate::Cases;
use crate::environment::{docker, up};
use crate::mesh::Mesh;
use crate::program::{Call, Outcome, Stdout, check, judge, meshcheck};
use crate::sandbox::Sandbox;
use crate::server::Server;
use crate::support::run::recorded;

pub(crate) const CASES: Cases = &[
    ("no_directory", |sandbox| {
        each_kind(sandbox, |sandbox, kind| {
            report_fails(judge_to(sandbox, kind, "none/r"), "mkdir -p")
        })
    }),
    ("directory", |sandbox| {
        fs::create_dir(sandbox.at("there")).unwrap();
        each_kind(sandbox, |sandbox, kind| {
            report_fails(judge_to(sandbox, kind, "there"), "name a file in this directory")
        })
    }),
    ("no_rights", |sandbox| {
        fs::write(sandbox.at("r"), "old").unwrap();
        each_kind(sandbox, |sandbox, kind| {
            let call = judge_to(sandbox, kind, "r").without_rights();
            let ended = report_fails(call, "where you may write");
            assert_eq!(fs::read_to_string(sandbox.at("r")).unwrap(), "old");
            ended
        })
    }),
    ("check", |sandbox| {
        let server = Server::start(|_| panic!("nobody is asked"));
        check(sandbox, server.kubeconfig(sandbox))
            .args(&["--report", "html=none/r.html"])
            .run()
            .error(2, &["r.html", "mkdir -p"])
    }),
    ("record", |sandbox| {
        let server = Server::start(|_| panic!("nobody is asked"));
        server.kubeconfig(sandbox);
        let call = meshcheck(
            sandbox,
            &["record", "--kubeconfig", "kubeconfig", "--out", "none/e.json.gz"],
        );
        call.run().error(2, &["e.json.gz", "mkdir -p"])
    }),
    ("run", |sandbox| {
        meshcheck(sandbox, &["run", "--bundle", "/nowhere", "--evidence", "none/e.json"])
            .run()
            .error(2, &["e.json", "mkdir -p"])
    }),
    ("record_that_fails", |sandbox| {
        sandbox.file("e.json", "old");
        sandbox
            .file("kubeconfig", crate::server::kubeconfig("https://127.0.0.1:1", "", "token: a"));
        meshcheck(sandbox, &["record", "--kubeconfig", "kubeconfig", "--out", "e.json"])
            .run()
            .error(3, &["refused"])
    }),
    ("stdout_closed", |sandbox| {
        sandbox.file("e.json", recorded().to_string());
        for output in ["human", "json"] {
            let call = meshcheck(sandbox, &["judge", "e.json", "--output", output]);
            let ended = call.stdout(Stdout::Closed).run();
            assert!(ended.exit == Some(0) && ended.stderr.is_empty(), "{ended}");
        }
        let ended = meshcheck(sandbox, &["claims"]).stdout(Stdout::Closed).run();
        assert!(ended.exit == Some(0) && ended.stderr.is_empty(), "{ended}");
        ended
    }),
    ("stdout_full", |sandbox| {
        let full = || Stdout::File("/dev/full".into());
        meshcheck(sandbox, &["claims"])
            .stdout(full())
            .run()
            .error(3, &["standard output", "No space left"]);
        judge(sandbox, recorded().to_string())
            .stdout(full())
            .run()
            .error(3, &["standard output", "No space left"])
    }),
    ("help_full", |sandbox| {
        let ended = meshcheck(sandbox, &["--help"]).stdout(Stdout::File("/dev/full".into())).run();
        assert_eq!(ended.exit, Some(0), "{ended}");
        ended
    }),
    ("cache", |sandbox| {
        let file = sandbox.file("cache", "");
        meshcheck(sandbox, &["bundle"]).env("MESHCHECK_CACHE", &file).run().error(3, &["cache"])
    }),
    ("cache_no_rights", |sandbox| {
        let call = meshcheck(sandbox, &["bundle"]).env("MESHCHECK_CACHE", sandbox.at("cache"));
        call.without_rights().run().error(3, &["cache", "Permission denied"])
    }),
    ("state", |sandbox| {
        let file = sandbox.file("state", "");
        meshcheck(sandbox, &["check"]).env("MESHCHECK_STATE", &file).run().error(3, &["state"])
    }),
    ("state_no_rights", |sandbox| {
        up(sandbox)
            .env("PATH", docker(sandbox, "exit 0"))
            .without_rights()
            .run()
            .error(3, &["state", "Permission denied"])
    }),
    ("needs_mount_full", |sandbox| {
        each_kind(sandbox, |sandbox, kind| {
            on_a_full_disk(sandbox, &["judge", "../e.json", "--report", &format!("{kind}=r")])
        })
    }),
    ("needs_mount_full_record", |sandbox| {
        let file = Mesh::healthy().serve().kubeconfig(sandbox);
        on_a_full_disk(sandbox, &["record", "--kubeconfig", file.to_str().unwrap(), "--out", "r"])
    }),
    ("needs_mount_full_state", |sandbox| {
        let call = up(sandbox).env("PATH", docker(sandbox, "exit 0"));
        let call = call.env("MESHCHECK_STATE", sandbox.at("disk"));
        mounted(call, sandbox, "dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null")
            .run()
            .error(3, &["disk", "No space left"])
    }),
];

const KINDS: [&str; 3] = ["junit", "html", "json"];

/// The same with each kind of report.
fn each_kind(sandbox: &Sandbox, run: impl Fn(&Sandbox, &str) -> Outcome) -> Outcome {
    sandbox.file("e.json", recorded().to_string());
    KINDS.map(|kind| run(sandbox, kind)).into_iter().next().unwrap()
}

fn judge_to<'a>(sandbox: &'a Sandbox, kind: &str, file: &str) -> Call<'a> {
    meshcheck(
        sandbox,
        &["judge", "e.json", "--report", &format!("{kind}={}", sandbox.at(file).display())],
    )
}

/// An error before anything is judged.
fn report_fails(call: Call<'_>, hint: &str) -> Outcome {
    let ended = call.run().error(2, &["cannot write the report", hint]);
    assert_eq!(ended.stdout, "", "nothing is judged: {ended}");
    ended
}

/// A call in a mount namespace of its own, where `disk` is a small file system that goes with it. Afterwards
/// nothing is there but `fill` and the file `r`, which is as it was.
fn mounted<'a>(call: Call<'a>, sandbox: &Sandbox, prepare: &str) -> Call<'a> {
    fs::create_dir_all(sandbox.at("disk")).unwrap();
    let script = format!(
        "own=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin; mount -t tmpfs -o size=64k tmpfs disk || exit 77; echo old > disk/r; {prepare}; PATH=$own \"$0\" \"$@\"; code=$?; \
         cd \"$HOME/../work/disk\"; test \"$(cat r)\" = old || exit 78; \
         for it in $(ls -A); do case $it in fill|r|*.lock|clusters) ;; *) echo left: $it; exit 79;; esac; done; \
         exit $code"
    );
    let root = nix::unistd::geteuid().is_root();
    let unshare: &[&str] = if root {
        &["/usr/bin/unshare", "--mount", "/bin/sh", "-c"]
    } else {
        &["/usr/bin/unshare", "--mount", "--user", "--map-root-user", "/bin/sh", "-c"]
    };
    call.through(unshare, &script)
}

/// A call in a directory on a full disk, with a file `r` that is to be written again.
fn on_a_full_disk(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let prepare = "dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null; cd disk";
    mounted(meshcheck(sandbox, words), sandbox, prepare)
        .run()
        .error(3, &["No space left", "the disk is full"])
}
