//! Environments that lack what everybody has, or have what nobody expects.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::Cases;
use crate::bundle::written;
use crate::mesh::{ISTIO, Mesh};
use crate::program::{Call, Outcome, check, judge, meshcheck};
use crate::sandbox::Sandbox;
use crate::support::run::recorded;

pub(crate) const CASES: Cases = &[
    ("no_home", |sandbox| {
        meshcheck(sandbox, &["check"]).env_remove("HOME").run().error(3, &["HOME"])
    }),
    ("no_home_judge", |sandbox| {
        judge(sandbox, recorded().to_string()).env_remove("HOME").run().report(0)
    }),
    ("no_home_bundle", |sandbox| {
        meshcheck(sandbox, &["bundle"]).env_remove("HOME").run().error(3, &["HOME"])
    }),
    ("home_nowhere", |sandbox| {
        meshcheck(sandbox, &["check"])
            .env("HOME", "/nowhere")
            .run()
            .error(2, &["~/.kube/config", "No such file"])
    }),
    ("no_tmpdir", |sandbox| {
        let file = sandbox.at("r.html");
        let call = judge(sandbox, recorded().to_string())
            .args(&["--report", &format!("html={}", file.display())])
            .writes(file);
        call.env("TMPDIR", "/nowhere").run().report(0)
    }),
    ("nothing", |sandbox| {
        ["PATH", "HOME", "TMPDIR"]
            .into_iter()
            .fold(judge(sandbox, recorded().to_string()), Call::env_remove)
            .run()
            .report(0)
    }),
    ("terminal", |sandbox| {
        let variables =
            [("TERM", "dumb"), ("LANG", "C"), ("LC_ALL", "C"), ("COLUMNS", "1"), ("LINES", "0")];
        let call = variables
            .into_iter()
            .fold(judge(sandbox, recorded().to_string()), |call, (name, value)| {
                call.env(name, value)
            });
        call.run().report(0)
    }),
    ("nonsense", |sandbox| {
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
            .fold(judge(sandbox, recorded().to_string()), |call, name| call.env(name, nonsense))
            .run()
            .report(0)
    }),
    ("bundle_nowhere", |sandbox| {
        meshcheck(sandbox, &["run"])
            .env("MESHCHECK_BUNDLE", "/nowhere")
            .run()
            .error(2, &["/nowhere", "not a bundle"])
    }),
    ("state_device", |sandbox| {
        meshcheck(sandbox, &["down"])
            .env("MESHCHECK_STATE", "/dev/null")
            .run()
            .error(3, &["/dev/null"])
    }),
    ("cache_device", |sandbox| {
        meshcheck(sandbox, &["bundle"])
            .env("MESHCHECK_CACHE", "/dev/null")
            .run()
            .error(3, &["/dev/null"])
    }),
    ("releases_nonsense", |sandbox| {
        meshcheck(sandbox, &["bundle"])
            .env("MESHCHECK_ISTIO_RELEASES", "not a url")
            .run()
            .error(2, &["MESHCHECK_ISTIO_RELEASES"])
    }),
    ("proxy_nonsense", |sandbox| {
        mesh(sandbox, |call| call.env("HTTPS_PROXY", "::not a url::"))
            .error(2, &["proxy", "env | grep -i proxy"])
    }),
    ("no_proxy_nonsense", |sandbox| {
        mesh(sandbox, |call| {
            call.env("NO_PROXY", ",,[::/999,*.,:").env("HTTPS_PROXY", "http://127.0.0.1:1")
        })
        .error(2, &["proxy", "env | grep -i proxy"])
    }),
    ("kubeconfigs_nonsense", |sandbox| {
        meshcheck(sandbox, &["check"])
            .env("KUBECONFIG", "/nowhere:/nothing::")
            .run()
            .error(2, &["KUBECONFIG", "/nowhere"])
    }),
    ("words_that_are_no_text", |sandbox| {
        let word = |bytes: &[u8]| OsString::from(OsStr::from_bytes(bytes));
        meshcheck(sandbox, &[word(b"judge"), word(b"\xff.json")])
            .run()
            .error(2, &[".json", "No such file"]);
        meshcheck(sandbox, &[word(b"judge"), word(b"x"), word(b"--report"), word(b"html=\xff")])
            .run()
            .error(2, &["UTF-8"]);
        meshcheck(sandbox, &[word(b"\xff\xfe")]).run().error(2, &[])
    }),
    ("long_word", |sandbox| {
        let ended = meshcheck(sandbox, &["judge", "x", "--only", &"x".repeat(100_000)]).run();
        // It quotes the argument, and is as long.
        assert!(ended.exit == Some(2) && ended.stderr.starts_with("error: "), "{ended}");
        ended
    }),
    ("few_files", |sandbox| {
        let ended = judge(sandbox, recorded().to_string())
            .through(&["sh", "-c"], "ulimit -n 12; exec \"$0\" \"$@\"")
            .run();
        ended.report(0)
    }),
    ("no_room_for_files", |sandbox| {
        check(sandbox, Mesh::healthy().serve().kubeconfig(sandbox))
            .through(&["sh", "-c"], "ulimit -n 8; exec \"$0\" \"$@\"")
            .run()
            .error(3, &["Too many open files"])
    }),
    ("no_working_directory", |sandbox| {
        let file = sandbox.file("e.json", recorded().to_string());
        meshcheck(sandbox, &["judge"])
            .arg(file)
            .through(&["sh", "-c"], "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"")
            .run()
            .report(0)
    }),
    ("no_docker", |sandbox| {
        up(sandbox).env("PATH", sandbox.at("")).run().error(3, &["docker", "not on the PATH"])
    }),
    ("no_docker_down", |sandbox| {
        let ended = meshcheck(sandbox, &["down"]).env("PATH", sandbox.at("")).run();
        assert_eq!(ended.exit, Some(0), "{ended}");
        ended
    }),
    ("docker_fails", |sandbox| {
        let docker = docker(sandbox, "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
        up(sandbox)
            .env("PATH", docker)
            .run()
            .error(3, &["Cannot connect", "systemctl start docker"])
    }),
    ("docker_on_cgroup_v1", |sandbox| {
        // No address of a publisher is asked: there is none here.
        let docker = docker(sandbox, "case $1 in info) echo 1 ;; *) exit 1 ;; esac");
        meshcheck(sandbox, &["up", "--istio", "1.31.1"])
            .env("MESHCHECK_STATE", sandbox.at("state"))
            .env("MESHCHECK_CACHE", sandbox.at("cache"))
            .env("PATH", docker)
            .run()
            .error(3, &["Kubernetes v1.36.4 needs cgroup v2", "--kubernetes 1.34.11"])
    }),
    ("docker_without_rights", |sandbox| {
        let docker = docker(sandbox, "");
        let path = PathBuf::from(&docker).join("docker");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        up(sandbox).env("PATH", docker).run().error(3, &["docker", "Permission denied"])
    }),
    ("ctrl_c_reaches_docker_first", |sandbox| {
        // As on a terminal, where a program that has just been started is still in the same process group.
        let late = "(sleep 0.3; kill -INT $PPID) > /dev/null 2>&1 &";
        let docker = docker(sandbox, &format!("case $1 in ps) {late} kill -INT $$ ;; esac"));
        let ended = up(sandbox).env("PATH", docker).run();
        assert_eq!(ended.exit, Some(130), "{ended}");
        assert_eq!(ended.stderr, "error: interrupted; nothing of this run is left\n");
        ended
    }),
    ("docker_kills_at_the_second_attempt", |sandbox| {
        let [asked, gone] = ["asked", "gone"].map(|name| sandbox.at(name));
        let (asked_path, gone_path) = (asked.display(), gone.display());
        let helper = "echo container-1 $(hostname | cut -c 1-30).1.0";
        let late = "echo 'tried to kill container, but did not receive an exit event' >&2; exit 1";
        let docker = docker(
            sandbox,
            &format!(
                "case \"$*\" in *meshcheck.dev/maker*) [ -e {gone_path} ] || {helper} ;; \
                 rm*) if [ -e {asked_path} ]; then : > {gone_path}; else : > {asked_path}; {late}; fi ;; esac"
            ),
        );
        let down = meshcheck(sandbox, &["down", "--leftovers"]).env("PATH", docker);
        let ended =
            down.env("MESHCHECK_STATE", sandbox.at("state")).writes(&asked).writes(&gone).run();
        assert_eq!(ended.exit, Some(0), "{ended}");
        assert_eq!(ended.stdout, "deleted: container container-1\n");
        ended
    }),
    ("docker_hangs", |sandbox| {
        let docker = docker(sandbox, "exec tail -f /dev/null");
        up(sandbox).env("PATH", docker).within(40).run().error(3, &["docker", "did not end within"])
    }),
];

/// Provisions from a bundle of two small parts, with its state in the working directory.
pub(crate) fn up(sandbox: &Sandbox) -> Call<'_> {
    written(sandbox);
    meshcheck(sandbox, &["up", "--bundle", "bundle"]).env("MESHCHECK_STATE", sandbox.at("state"))
}

fn mesh(sandbox: &Sandbox, with: impl FnOnce(Call<'_>) -> Call<'_>) -> Outcome {
    let file = Mesh::healthy().serve().kubeconfig(sandbox);
    with(check(sandbox, file).args(&["--istio", ISTIO])).run()
}

/// A directory with a docker that is this script, for the `PATH`: in front of the real one's.
pub(crate) fn docker(sandbox: &Sandbox, script: &str) -> OsString {
    let directory = sandbox.path().join("bin");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("docker");
    fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory.into()
}
