//! Environments that lack what everybody has, or have what nobody expects.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::bundle::written;
use crate::case::{Case, Place};
use crate::mesh::{ISTIO, Mesh, recorded};
use crate::program::{Call, Ended, arguments};
use crate::server::{Server, Way};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("environment::no_home", "no `HOME`, nothing named", |place| {
            place.meshcheck(&["check"]).without("HOME").run().error(3, &["HOME"])
        }),
        Case::new("environment::no_home_judge", "no `HOME`, `judge`", |place| {
            judge(place).without("HOME").run().report(0)
        }),
        Case::new("environment::no_home_bundle", "no `HOME`, `bundle`", |place| {
            place.meshcheck(&["bundle"]).without("HOME").run().error(3, &["HOME"])
        }),
        Case::new("environment::home_nowhere", "`HOME` that is not there", |place| {
            place
                .meshcheck(&["check"])
                .env("HOME", "/nowhere")
                .run()
                .error(2, &["~/.kube/config", "No such file"])
        }),
        Case::new("environment::no_tmpdir", "`TMPDIR` that is not there, and a report", |place| {
            let file = place.at("r.html");
            let call =
                judge(place).more(&["--report", &format!("html={}", file.display())]).writes(file);
            call.env("TMPDIR", "/nowhere").run().report(0)
        }),
        Case::new("environment::nothing", "no variable at all", |place| {
            ["PATH", "HOME", "TMPDIR"].into_iter().fold(judge(place), Call::without).run().report(0)
        }),
        Case::new("environment::terminal", "`TERM=dumb LANG=C COLUMNS=1 LINES=0`", |place| {
            let variables = [
                ("TERM", "dumb"),
                ("LANG", "C"),
                ("LC_ALL", "C"),
                ("COLUMNS", "1"),
                ("LINES", "0"),
            ];
            let call = variables
                .into_iter()
                .fold(judge(place), |call, (name, value)| call.env(name, value));
            call.run().report(0)
        }),
        Case::new(
            "environment::nonsense",
            "a value that is no text in variables that are ours or everybody's",
            |place| {
                let nonsense = OsStr::from_bytes(b"\xff\xfe\x1b[31m");
                let names = [
                    "COLUMNS",
                    "TERM",
                    "LANG",
                    "NO_COLOR",
                    "CLICOLOR_FORCE",
                    "TZ",
                    "RUST_LOG",
                    "HTTPS_PROXY",
                    "NO_PROXY",
                    "MESHCHECK_EVIDENCE",
                    "MESHCHECK_STATE",
                    "MESHCHECK_CACHE",
                    "MESHCHECK_REGISTRY_MIRROR",
                    "KUBECONFIG",
                ];
                names
                    .into_iter()
                    .fold(judge(place), |call, name| call.env(name, nonsense))
                    .run()
                    .report(0)
            },
        ),
        Case::new("environment::bundle_nowhere", "`MESHCHECK_BUNDLE` that is not there", |place| {
            place
                .meshcheck(&["run"])
                .env("MESHCHECK_BUNDLE", "/nowhere")
                .run()
                .error(2, &["/nowhere", "not a bundle"])
        }),
        Case::new("environment::state_device", "`MESHCHECK_STATE=/dev/null`", |place| {
            place
                .meshcheck(&["down"])
                .env("MESHCHECK_STATE", "/dev/null")
                .run()
                .error(3, &["/dev/null"])
        }),
        Case::new("environment::cache_device", "`MESHCHECK_CACHE=/dev/null`", |place| {
            place
                .meshcheck(&["bundle"])
                .env("MESHCHECK_CACHE", "/dev/null")
                .run()
                .error(3, &["/dev/null"])
        }),
        Case::new(
            "environment::releases_nonsense",
            "`MESHCHECK_ISTIO_RELEASES` that is no URL",
            |place| {
                place
                    .meshcheck(&["bundle"])
                    .env("MESHCHECK_ISTIO_RELEASES", "not a url")
                    .run()
                    .error(2, &["MESHCHECK_ISTIO_RELEASES"])
            },
        ),
        Case::new(
            "environment::proxy_nonsense",
            "`HTTPS_PROXY` that is no URL, and a cluster on this machine",
            |place| {
                mesh(place, |call| call.env("HTTPS_PROXY", "::not a url::"))
                    .error(2, &["proxy", "env | grep -i proxy"])
            },
        ),
        Case::new(
            "environment::no_proxy_nonsense",
            "`NO_PROXY=,,[::/999,*.,:` with a proxy",
            |place| {
                mesh(place, |call| {
                    call.env("NO_PROXY", ",,[::/999,*.,:").env("HTTPS_PROXY", "http://127.0.0.1:1")
                })
                .error(2, &["proxy", "env | grep -i proxy"])
            },
        ),
        Case::new(
            "environment::kubeconfigs_nonsense",
            "`KUBECONFIG` of many files that are not there",
            |place| {
                place
                    .meshcheck(&["check"])
                    .env("KUBECONFIG", "/nowhere:/nothing::")
                    .run()
                    .error(2, &["KUBECONFIG", "/nowhere"])
            },
        ),
        Case::new("environment::words_that_are_no_text", "arguments that are no text", |place| {
            let word = |bytes: &[u8]| OsString::from(OsStr::from_bytes(bytes));
            place
                .meshcheck(&[word(b"judge"), word(b"\xff.json")])
                .run()
                .error(2, &[".json", "No such file"]);
            place
                .meshcheck(&[word(b"judge"), word(b"x"), word(b"--report"), word(b"html=\xff")])
                .run()
                .error(2, &["UTF-8"]);
            place.meshcheck(&[word(b"\xff\xfe")]).run().error(2, &[])
        }),
        Case::new("environment::long_word", "an argument of 100 KB", |place| {
            place
                .meshcheck(&["judge", "x", "--only", &"x".repeat(100_000)])
                .run()
                .told("")
                .long_error(2)
        }),
        Case::new("environment::few_files", "12 open files at the most", |place| {
            let ended =
                judge(place).through(&["sh", "-c"], "ulimit -n 12; exec \"$0\" \"$@\"").run();
            ended.report(0)
        }),
        Case::new("environment::no_room_for_files", "8 open files at the most, `check`", |place| {
            let server = Server::start(|request| Way::Whole(Mesh::healthy().answer(request)));
            let file = server.kubeconfig(place);
            let call = place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]));
            call.through(&["sh", "-c"], "ulimit -n 8; exec \"$0\" \"$@\"")
                .run()
                .error(3, &["Too many open files"])
        }),
        Case::new(
            "environment::no_working_directory",
            "a working directory that was removed",
            |place| {
                let file = place.file("e.json", recorded().to_string());
                let call = place.meshcheck(&arguments(&[&"judge", &file]));
                call.through(
                    &["sh", "-c"],
                    "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"",
                )
                .run()
                .report(0)
            },
        ),
        Case::new("environment::no_docker", "no docker on the `PATH`, `up`", |place| {
            up(place).env("PATH", place.at("")).run().error(3, &["docker", "not on the PATH"])
        }),
        Case::new(
            "environment::no_docker_down",
            "no docker on the `PATH`, `down`, nothing of ours there",
            |place| {
                let ended = place.meshcheck(&["down"]).env("PATH", place.at("")).run();
                assert_eq!(ended.exit, Some(0), "{ended}");
                let told = ended.stdout.trim().to_owned();
                ended.told(told)
            },
        ),
        Case::new("environment::docker_fails", "a docker that fails", |place| {
            let docker = docker(place, "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
            up(place)
                .env("PATH", docker)
                .run()
                .error(3, &["Cannot connect", "systemctl start docker"])
        }),
        Case::new("environment::docker_without_rights", "a docker that may not be run", |place| {
            let docker = docker(place, "");
            let path = PathBuf::from(&docker).join("docker");
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
            up(place).env("PATH", docker).run().error(3, &["docker", "Permission denied"])
        }),
        Case::new("environment::docker_hangs", "a docker that never ends", |place| {
            let docker = docker(place, "exec tail -f /dev/null");
            up(place)
                .env("PATH", docker)
                .within(40)
                .run()
                .error(3, &["docker", "did not end within"])
        }),
    ]
}

impl Ended {
    /// An error about something long: its text is that long as well.
    fn long_error(mut self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        assert!(self.stderr.starts_with("error: "), "{self}");
        self.told = "error: the argument, and what would be right".into();
        self
    }
}

fn judge(place: &Place) -> Call<'_> {
    let file = place.file("e.json", recorded().to_string());
    place.meshcheck(&arguments(&[&"judge", &file]))
}

fn up(place: &Place) -> Call<'_> {
    let bundle = written(place);
    place
        .meshcheck(&arguments(&[&"up", &"--bundle", &bundle]))
        .env("MESHCHECK_STATE", place.at("state"))
}

fn mesh(place: &Place, with: impl FnOnce(Call<'_>) -> Call<'_>) -> Ended {
    let server = Server::start(|request| Way::Whole(Mesh::healthy().answer(request)));
    let file = server.kubeconfig(place);
    with(place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file, &"--istio", &ISTIO]))).run()
}

/// A directory with a docker that is this script, for the `PATH`: in front of the real one's.
pub(crate) fn docker(place: &Place, script: &str) -> OsString {
    let directory = place.path().join("bin");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("docker");
    fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory.into()
}
