//! Places where nothing can be written: what was there stays, and what could be told is told.

use std::fs;

use crate::case::{Case, Place};
use crate::mesh::{Mesh, recorded};
use crate::program::{Call, Ended, Stdout, arguments};
use crate::server::{Server, Way};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "unwritable::no_directory",
            "`--report` of each kind in a directory that is not there",
            |place| each_kind(place, |place, kind| told(judge(place, kind, "none/r"), "mkdir -p")),
        ),
        Case::new("unwritable::directory", "`--report` of each kind to a directory", |place| {
            fs::create_dir(place.at("there")).unwrap();
            each_kind(place, |place, kind| told(judge(place, kind, "there"), "it is a directory"))
        }),
        Case::new(
            "unwritable::no_rights",
            "`--report` of each kind where the user may not write",
            |place| {
                fs::write(place.at("r"), "old").unwrap();
                each_kind(place, |place, kind| {
                    let call = judge(place, kind, "r").without_rights();
                    let ended = told(call, "where you may write");
                    assert_eq!(fs::read_to_string(place.at("r")).unwrap(), "old");
                    ended
                })
            },
        ),
        Case::new(
            "unwritable::check",
            "`check --report` where nothing can be written: told before the look",
            |place| {
                let server = Server::start(|_| panic!("nobody is asked"));
                let file = server.kubeconfig(place);
                let report = format!("html={}", place.at("none/r.html").display());
                let words = arguments(&[&"check", &"--kubeconfig", &file, &"--report", &report]);
                place.meshcheck(&words).run().error(3, &["r.html", "mkdir -p"])
            },
        ),
        Case::new(
            "unwritable::record",
            "`record --out` where nothing can be written: told before the look",
            |place| {
                let server = Server::start(|_| panic!("nobody is asked"));
                let file = server.kubeconfig(place);
                let words = arguments(&[
                    &"record",
                    &"--kubeconfig",
                    &file,
                    &"--out",
                    &place.at("none/e.json.gz"),
                ]);
                place.meshcheck(&words).run().error(3, &["e.json.gz", "mkdir -p"])
            },
        ),
        Case::new(
            "unwritable::run",
            "`run --evidence` where nothing can be written: told before the run",
            |place| {
                let words = arguments(&[
                    &"run",
                    &"--bundle",
                    &"/nowhere",
                    &"--evidence",
                    &place.at("none/e.json"),
                ]);
                place.meshcheck(&words).run().error(3, &["e.json", "mkdir -p"])
            },
        ),
        Case::new(
            "unwritable::record_that_fails",
            "`record --out` over a file, and no cluster answers",
            |place| {
                let old = place.file("e.json", "old");
                let file = place.file(
                    "kubeconfig",
                    crate::server::kubeconfig("https://127.0.0.1:1", "", "token: a"),
                );
                let words = arguments(&[&"record", &"--kubeconfig", &file, &"--out", &old]);
                place.meshcheck(&words).run().error(3, &["refused"])
            },
        ),
        Case::new(
            "unwritable::stdout_closed",
            "standard output whose reader is gone (`| head -1`)",
            |place| {
                let file = place.file("e.json", recorded().to_string());
                for output in ["human", "json"] {
                    let words = arguments(&[&"judge", &file, &"--output", &output]);
                    let ended = place.meshcheck(&words).stdout(Stdout::Closed).run();
                    assert!(ended.exit == Some(0) && ended.stderr.is_empty(), "{ended}");
                }
                let ended = place.meshcheck(&["claims"]).stdout(Stdout::Closed).run();
                assert!(ended.exit == Some(0) && ended.stderr.is_empty(), "{ended}");
                ended.told("nothing: nobody reads it")
            },
        ),
        Case::new("unwritable::stdout_full", "standard output to `/dev/full`", |place| {
            let file = place.file("e.json", recorded().to_string());
            let full = || Stdout::File("/dev/full".into());
            place
                .meshcheck(&["claims"])
                .stdout(full())
                .run()
                .error(3, &["standard output", "No space left"]);
            let words = arguments(&[&"judge", &file]);
            place
                .meshcheck(&words)
                .stdout(full())
                .run()
                .error(3, &["standard output", "No space left"])
        }),
        Case::new("unwritable::help_full", "`--help` to `/dev/full`", |place| {
            let ended = place.meshcheck(&["--help"]).stdout(Stdout::File("/dev/full".into())).run();
            ended.told("what the system says")
        }),
        Case::new("unwritable::cache", "a cache directory that is a file", |place| {
            let file = place.file("cache", "");
            place.meshcheck(&["bundle"]).env("MESHCHECK_CACHE", &file).run().error(3, &["cache"])
        }),
        Case::new(
            "unwritable::cache_no_rights",
            "a cache directory where the user may not write",
            |place| {
                let call = place.meshcheck(&["bundle"]).env("MESHCHECK_CACHE", place.at("cache"));
                call.without_rights().run().error(3, &["cache", "Permission denied"])
            },
        ),
        Case::new("unwritable::state", "a state directory that is a file", |place| {
            let file = place.file("state", "");
            place.meshcheck(&["check"]).env("MESHCHECK_STATE", &file).run().error(3, &["state"])
        }),
        Case::new(
            "unwritable::state_no_rights",
            "a state directory where the user may not write",
            |place| {
                let bundle = crate::bundle::written(place);
                let docker = crate::environment::docker(place, "exit 0");
                let call = place.meshcheck(&arguments(&[&"up", &"--bundle", &bundle]));
                let call = call.env("MESHCHECK_STATE", place.at("state")).env("PATH", docker);
                call.without_rights().run().error(3, &["state", "Permission denied"])
            },
        ),
        Case::new(
            "unwritable::needs_mount_full",
            "`--report` of each kind on a disk that is full, over a file",
            |place| {
                each_kind(place, |place, kind| {
                    on_a_full_disk(place, &["judge", "../e.json", "--report", &format!("{kind}=r")])
                })
            },
        ),
        Case::new(
            "unwritable::needs_mount_full_record",
            "`record --out` on a disk that is full, over a file",
            |place| {
                let mesh = Mesh::healthy();
                let server = Server::start(move |request| Way::Whole(mesh.answer(request)));
                let file = server.kubeconfig(place);
                on_a_full_disk(
                    place,
                    &["record", "--kubeconfig", file.to_str().unwrap(), "--out", "r"],
                )
            },
        ),
        Case::new("unwritable::needs_mount_full_state", "`up` on a disk that is full", |place| {
            let bundle = crate::bundle::written(place);
            let docker = crate::environment::docker(place, "exit 0");
            let call = place.meshcheck(&arguments(&[&"up", &"--bundle", &bundle]));
            let call = call.env("MESHCHECK_STATE", place.at("disk")).env("PATH", docker);
            mounted(call, place, "dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null")
                .run()
                .error(3, &["disk", "No space left"])
        }),
    ]
}

const KINDS: [&str; 3] = ["junit", "html", "json"];

/// The same with each kind of report.
fn each_kind(place: &Place, run: impl Fn(&Place, &str) -> Ended) -> Ended {
    place.file("e.json", recorded().to_string());
    KINDS.map(|kind| run(place, kind)).into_iter().next().unwrap()
}

fn judge<'a>(place: &'a Place, kind: &str, file: &str) -> Call<'a> {
    place.meshcheck(&[
        "judge",
        "e.json",
        "--report",
        &format!("{kind}={}", place.at(file).display()),
    ])
}

/// An error, and the report on standard output all the same.
fn told(call: Call<'_>, hint: &str) -> Ended {
    let ended = call.run().error(3, &["writing the report", hint]);
    assert!(ended.stdout.contains(" claims: "), "{ended}");
    ended
}

/// A call in a mount namespace of its own, where `disk` is a small file system that goes with it. Afterwards
/// nothing is there but `fill` and the file `r`, which is as it was.
fn mounted<'a>(call: Call<'a>, place: &Place, prepare: &str) -> Call<'a> {
    fs::create_dir_all(place.at("disk")).unwrap();
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

/// A call in a directory on a full disk, with a file `r` that is to be written anew.
fn on_a_full_disk(place: &Place, words: &[&str]) -> Ended {
    let prepare = "dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null; cd disk";
    mounted(place.meshcheck(words), place, prepare)
        .run()
        .error(3, &["No space left", "the disk is full"])
}
