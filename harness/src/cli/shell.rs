//! `completions`, `man`, `config`: prints completion scripts, manual pages and configurations.

use std::fs;
use std::io;
use std::path::Path;

use clap::builder::Resettable;
use clap::{Command, CommandFactory as _};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use meshcheck_suites::evidence::Expectations;

use super::arguments::{self, Completions, Shell};
use super::command::Cli;
use super::failure::Failure;
use crate::atomic_file::is_wrong_path;
use crate::report::to_stdout;
use crate::settings::{DEFAULT, Found, Settings, format_duration};
use crate::source::DEFAULT_ISTIO;
use crate::text::io_reason;

/// The name of the program on the command line.
const NAME: &str = "meshcheck";

/// The variable by which a shell's script asks for completions.
const ASKING: &str = "COMPLETE";

/// Prints completions and ends where a shell asks for them.
pub(super) fn complete() {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(ASKING).bin(NAME).complete();
}

/// `meshcheck completions`
pub(super) fn completions(arguments: &Completions) -> Result<u8, Failure> {
    let shell: &dyn EnvCompleter = match arguments.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Elvish => &Elvish,
        Shell::Power => &Powershell,
    };
    let mut script = Vec::new();
    // By its name: the program may move after the script is installed.
    shell
        .write_registration(ASKING, NAME, NAME, NAME, &mut script)
        .map_err(|error| Failure::environment(format!("cannot write the script: {error}")))?;
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if arguments.shell == Shell::Bash {
        // The name by which bash calls it, in the last lines.
        script = script.replace("-F _clap_complete_meshcheck", "-F _meshcheck");
        script.insert_str(0, BASH);
    }
    to_stdout(&script)?;
    Ok(0)
}

/// Readline begins a word at each `:` and `=`, and claims are called `mesh::pods_ready`: words are put
/// together before they are completed, and what stands on the line already is taken off the answers.
const BASH: &str = r#"
_meshcheck() {
    local breaks='^[:=]+$' words=() last=-1 glued= word at
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ $last -ge 0 && ( -n $glued || $word =~ $breaks ) ]]; then
            words[last]+=$word
        else
            last=$((last + 1))
            words[last]=$word
        fi
        glued=
        [[ $word =~ $breaks ]] && glued=1
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$last
    local current=${words[last]}
    _clap_complete_meshcheck "$1" "$current" "$3"
    COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*[:=]}"}"}")
}
"#;

/// `meshcheck man`
pub(super) fn man(arguments: &arguments::Man) -> Result<u8, Failure> {
    let Some(directory) = &arguments.dir else {
        let main = Cli::command().disable_help_subcommand(true);
        to_stdout(&page(main).map_err(failed("write", Path::new("the page")))?)?;
        return Ok(0);
    };
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let pages = pages();
    for command in &pages {
        let file = directory.join(format!("{}.1", command.get_name()));
        let written = page(command.clone()).and_then(|text| fs::write(&file, text));
        written.map_err(failed("write", &file))?;
    }
    to_stdout(&format!("{} pages in {}\n", pages.len(), directory.display()))?;
    Ok(0)
}

fn failed(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let message = format!("cannot {action} {}: {}", path.display(), io_reason(&error));
        let fix = "name a directory where you may write with --dir DIR";
        if is_wrong_path(&error) {
            Failure::usage(message, fix.into())
        } else {
            Failure::environment(message).with_hint(fix)
        }
    }
}

/// Lists the commands that have a page, each by the name of its page: `meshcheck`, `meshcheck-check`.
fn pages() -> Vec<Command> {
    let mut whole = Cli::command();
    // Global options are on every page.
    whole.build();
    let inner = whole.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    let inner = inner.map(|inner| {
        let name: &'static str = format!("{NAME}-{}", inner.get_name()).leak();
        inner.clone().name(name).bin_name(format!("{NAME} {}", inner.get_name()))
    });
    std::iter::once(Cli::command().disable_help_subcommand(true)).chain(inner).collect()
}

/// Renders a page, with its examples and exit codes line by line in sections of their own.
fn page(command: Command) -> io::Result<String> {
    let more = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let name = command.get_name().to_owned();
    let version = concat!("meshcheck ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.after_help(Resettable::Reset));
    let mut page = Vec::new();
    man.title(name).source(version).manual(NAME).render(&mut page)?;
    let mut roff = Roff::new();
    for part in more.split("\n\n") {
        match part.split_once(":\n") {
            Some(("Examples", lines)) => listing(&mut roff, "EXAMPLES", lines),
            Some(("Exit codes", lines)) => listing(&mut roff, "EXIT STATUS", lines),
            _ => {
                roff.control("PP", []).text([roman(part)]);
            }
        }
    }
    roff.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A section whose lines stand as they are written.
fn listing(roff: &mut Roff, heading: &str, lines: &str) {
    roff.control("SH", [heading]).control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// `meshcheck config`
pub(super) fn config(
    arguments: &arguments::Config,
    found: Option<&Found>,
    settings: &Settings,
) -> Result<u8, Failure> {
    if !arguments.check {
        to_stdout(DEFAULT)?;
        return Ok(0);
    }
    let Some(found) = found else {
        return Err(Failure::usage(
            "this directory has no meshcheck.toml, and the call names no configuration".into(),
            "name one with --config FILE, or write one: `meshcheck config > meshcheck.toml`".into(),
        ));
    };
    let tutorial = Expectations::of_the_tutorial(DEFAULT_ISTIO, "the tutorial");
    let version = settings.istio_version.as_deref().unwrap_or(DEFAULT_ISTIO);
    let expected = settings.expectations(version, "");
    let mut lines: Vec<_> = expected.differences(&tutorial);
    let more = [
        ("kiali.image", expected.kiali_image.clone()),
        ("kiali.url", settings.kiali_url.clone()),
        ("cluster.context", settings.context.clone()),
        ("cluster.kubeconfig", settings.kubeconfig.as_ref().map(|it| it.display().to_string())),
        ("limits.look", settings.look.map(format_duration)),
        ("limits.settle", settings.settle.map(format_duration)),
    ];
    lines.extend(more.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?))));
    for waiver in &expected.waivers {
        let what = match waiver.asks {
            meshcheck_suites::evidence::Asks::Nothing => "skipped",
            meshcheck_suites::evidence::Asks::AVerdict => "may fail",
        };
        lines.push(format!("{what}: {}: {}", waiver.claims, waiver.reason));
    }
    if lines.is_empty() {
        lines.push("no difference from the tutorial".into());
    }
    let lines: Vec<_> = lines.iter().map(|line| crate::text::for_terminal(line)).collect();
    to_stdout(&format!("{}:\n  {}\n", found.path.display(), lines.join("\n  ")))?;
    Ok(0)
}
