//! The program at home in a shell: examples that work, completions, manual pages. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{CommandFactory as _, Parser as _};
use meshcheck::cli::Cli;
use rstest::rstest;
use support::run::{Run, compressed, recorded};

/// What an example needs docker, a cluster or a network for: it is parsed only.
const NEEDS_MORE: [&str; 9] =
    ["run", "up", "down", "check", "record", "bundle", "preflight", "matrix", "class"];

/// Somebody else's program that examples hand something to: it takes it, and does nothing.
const KUBECTL: &str = "kubectl() { cat > /dev/null; }";

/// Two contexts, and nothing behind them.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
clusters: [{ name: one, cluster: { server: \"https://192.0.2.1:6443\" } }]
users: [{ name: me, user: {} }]
contexts:
  - { name: training-vm-7, context: { cluster: one, user: me } }
  - { name: \"gke:eu:class\", context: { cluster: one, user: me } }
";

/// A directory to work in, with what the examples name.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut evidence = recorded();
    evidence["logs"] = serde_json::json!([{
        "namespace": "istio-system", "pod": "istiod-1", "container": "discovery",
        "text": { "state": "seen", "value": "it runs\n" }
    }]);
    let record = compressed(evidence.to_string().as_bytes());
    // Records of one mesh, whatever an example calls them.
    for name in ["vm7", "old", "new", "istio-1.20", "istio-1.31"] {
        fs::write(place.path().join(format!("{name}.json.gz")), &record).unwrap();
    }
    fs::write(place.path().join("kubeconfig"), KUBECONFIG).unwrap();
    place
}

/// A program in a place where `meshcheck` is the one under test.
fn program(name: &str, place: &Path) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_meshcheck")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [bin.to_owned()].into_iter().chain(std::env::split_paths(&path)).collect::<Vec<_>>(),
    );
    let mut command = Command::new(name);
    command
        .current_dir(place)
        .env("PATH", path.unwrap())
        .env("HOME", place)
        .env("MESHCHECK_STATE", place.join("state"))
        .env("KUBECONFIG", place.join("kubeconfig"))
        .env("TERM", "dumb")
        .env_remove("MESHCHECK_BUNDLE")
        .env_remove("MESHCHECK_CONFIG")
        .stdin(Stdio::null());
    command
}

/// The examples of each command, by its name; those of the whole program under none.
fn examples() -> Vec<(String, Vec<String>)> {
    let program = Cli::command();
    let of = |command: &clap::Command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
        let lines = examples.lines().take_while(|line| line.starts_with("  "));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let inner = program.get_subcommands().filter(|command| !command.is_hide_set());
    let inner = inner.map(|command| (command.get_name().to_owned(), of(command)));
    [(String::new(), of(&program))].into_iter().chain(inner).collect()
}

/// The calls of `meshcheck` in an example, as a shell makes them.
fn calls(example: &str) -> Vec<Vec<String>> {
    let place = place();
    let script = format!(
        "meshcheck() {{ printf '%s\\0' \"$@\" $'\\n' >> '{}/calls'; }}\n{KUBECTL}\n{example}\n",
        place.path().display()
    );
    let output = Run::of(program("bash", place.path()).args(["-c", &script]));
    assert!(output.code == Some(0), "`{example}`: {}", output.stderr);
    let calls = fs::read_to_string(place.path().join("calls")).unwrap();
    calls
        .split_terminator("\n\0")
        .map(|call| call.split_terminator('\0').map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_command_has_examples_and_all_can_be_typed() {
    for (command, lines) in examples() {
        assert!(!lines.is_empty(), "`meshcheck {command}` has no example");
        for line in lines {
            let calls = calls(&line);
            assert!(!calls.is_empty(), "`{line}` calls nothing");
            for call in calls {
                let parsed = Cli::try_parse_from([&["meshcheck".to_owned()], &call[..]].concat());
                assert!(parsed.is_ok(), "`{line}`: {}", parsed.unwrap_err());
            }
        }
    }
}

#[test]
fn examples_that_need_no_cluster_do_what_they_say() {
    let mut number = 0;
    for (_, lines) in examples() {
        // Those of one command build on each other.
        let place = place();
        for line in lines {
            let needs_more = |call: &Vec<String>| {
                call.iter()
                    .find(|word| !word.starts_with('-'))
                    .is_some_and(|word| NEEDS_MORE.contains(&word.as_str()))
            };
            if calls(&line).iter().any(needs_more) {
                continue;
            }
            let script = format!("{KUBECTL}\n{line}");
            let output = Run::of(program("bash", place.path()).args(["-c", &script]));
            assert!(output.code == Some(0), "`{line}`: {output:?}");
            number += 1;
        }
    }
    assert!(number >= 10, "{number} examples ran");
}

/// What bash makes of a line: a word begins at each space, `:` and `=`.
fn bash_completes(line: &str) -> Vec<String> {
    let place = place();
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in line.chars() {
        let breaks = |c: char| c == ':' || c == '=';
        if c == ' ' {
            // The next character begins a word.
        } else if last == ' ' || breaks(c) != breaks(last) {
            words.push(c.to_string());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
        last = c;
    }
    if line.ends_with(' ') {
        words.push(String::new());
    }
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(meshcheck completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
         _meshcheck meshcheck '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let output = Run::of(program("bash", place.path()).args(["-c", &script]));
    assert!(output.code == Some(0), "{output:?}");
    output.stdout.lines().map(|line| line.trim().to_owned()).collect()
}

#[rstest]
#[case("meshcheck jud", &["judge"])]
#[case("meshcheck check --acti", &["--active"])]
#[case("meshcheck check --output ", &["human", "json", "short", "commands"])]
#[case("meshcheck check --output=j", &["json"])]
// What the program alone knows.
#[case("meshcheck check --only kiali::r", &["running", "redirects_to_web_root", "reachable_on_exposed_port"])]
#[case("meshcheck check --only=kiali::ru", &["running"])]
#[case("meshcheck check --context tr", &["training-vm-7"])]
#[case("meshcheck check --context gke:eu", &["eu:class"])]
#[case("meshcheck check --context nobody", &[""])]
#[case("meshcheck judge vm", &["vm7.json.gz"])]
fn bash_completes_options_and_values(#[case] line: &str, #[case] words: &[&str]) {
    assert_eq!(bash_completes(line), words, "{line}");
}

#[rstest]
#[case("bash", "complete ")]
#[case("zsh", "#compdef meshcheck")]
#[case("fish", "complete ")]
#[case("elvish", "edit:completion")]
#[case("powershell", "Register-ArgumentCompleter")]
fn every_shell_has_its_script(#[case] shell: &str, #[case] words: &str) {
    let place = place();
    let output = Run::of(program("meshcheck", place.path()).args(["completions", shell]));
    let script = output.stdout;
    assert!(output.code == Some(0) && script.contains(words), "{script}");
    // It names the program, and no place where it lies today.
    assert!(!script.contains(env!("CARGO_MANIFEST_DIR")), "{script}");
}

/// A kubeconfig that cannot be read ends no completion with an error.
#[test]
fn completion_is_silent_if_the_kubeconfig_is_malformed() {
    let place = place();
    fs::write(place.path().join("kubeconfig"), "{ broken").unwrap();
    let output = Run::of(
        program("meshcheck", place.path())
            .args(["--", "meshcheck", "check", "--context", ""])
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", "3"),
    );
    assert!(output.code == Some(0) && output.stderr.is_empty(), "{output:?}");
}

fn pages(place: &Path) -> Vec<PathBuf> {
    let output = Run::of(program("meshcheck", place).args(["man", "--dir", "man/man1"]));
    assert!(output.code == Some(0), "{output:?}");
    let mut pages: Vec<_> =
        fs::read_dir(place.join("man/man1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

#[test]
fn every_command_has_a_page() {
    let place = place();
    let pages = pages(place.path());
    let names: Vec<_> =
        pages.iter().map(|page| page.file_stem().unwrap().to_str().unwrap()).collect();
    for (command, examples) in examples() {
        let name = format!("meshcheck{}{command}", if command.is_empty() { "" } else { "-" });
        assert!(names.contains(&name.as_str()), "{name} is not among {names:?}");
        let page = fs::read_to_string(place.path().join(format!("man/man1/{name}.1"))).unwrap();
        assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{name}");
        assert_eq!(page.matches("\n.nf\n").count(), page.matches("\n.fi\n").count(), "{name}");
        let shown = page.replace("\\-", "-").replace("\\*(Aq", "'");
        for example in examples {
            assert!(shown.contains(&example), "`{example}` is not on {name}");
        }
    }
    let main = fs::read_to_string(&pages[names.iter().position(|it| *it == "meshcheck").unwrap()]);
    assert!(main.as_ref().unwrap().contains(".SH \"EXIT STATUS\"\n"));
    // The page that is printed is that one.
    let printed = Run::of(program("meshcheck", place.path()).arg("man"));
    assert_eq!(printed.stdout, main.unwrap());
}

#[test]
fn unwritable_manual_page_is_an_error() {
    let place = place();
    fs::write(place.path().join("file"), "").unwrap();
    let output = Run::of(program("meshcheck", place.path()).args(["man", "--dir", "file/man1"]));
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.starts_with("error: cannot create file/man1: "), "{output:?}");
}

/// The lines of a document that a reader types: indented blocks, and the scripts of its CI jobs.
fn typed_lines(document: &str) -> Vec<String> {
    let scripts = ["- run: ", "- ", "sh '"];
    let mut is_job = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            is_job = !is_job;
        } else if is_job {
            let line = line.trim_start();
            let script = scripts.iter().find_map(|start| line.strip_prefix(start));
            let command = script.map(|script| script.trim_end_matches('\''));
            lines.extend(command.filter(|it| it.contains("meshcheck ")).map(str::to_owned));
        } else if let Some(line) = line.strip_prefix("    ") {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            lines.extend(line.starts_with("meshcheck ").then(|| line.to_owned()));
        }
    }
    lines
}

/// What a reader copies from a document is a call that the program understands.
#[test]
fn documents_show_calls_that_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut number = 0;
    for name in
        ["README.md", "ci.md", "configuration.md", "restricted-accounts.md", "troubleshooting.md"]
    {
        let path = if name == "README.md" { root.join(name) } else { root.join("docs").join(name) };
        for line in typed_lines(&fs::read_to_string(path).unwrap()) {
            let line = line.replace("target/debug/meshcheck ", "meshcheck ").replace("jq ", ": ");
            for call in calls(&line) {
                let parsed = Cli::try_parse_from([&["meshcheck".to_owned()], &call[..]].concat());
                let shown = parsed.as_ref().is_err_and(clap::Error::use_stderr);
                assert!(!shown, "{name}: `{line}`: {}", parsed.unwrap_err());
                number += 1;
            }
        }
    }
    assert!(number > 40, "{number} calls");
}
