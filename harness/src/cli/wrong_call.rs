//! Reads the command line, and describes a wrong call: one error, one fix.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::command::Cli;
use super::failure::Failure;
use crate::suggest::nearest;

/// Reads the command line. Help and version are printed, and end the program.
pub(super) fn parse() -> Result<Cli, Failure> {
    match Cli::try_parse() {
        Ok(cli) if cli.global.quiet && cli.global.verbose => Err(Failure::usage(
            "--quiet and --verbose exclude each other".into(),
            "leave one of them out".into(),
        )),
        Ok(cli) => Ok(cli.resolved()),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
            _ => Err(failure(&error, &command_line())),
        },
    }
}

/// The words of the call, as far as they are text.
fn command_line() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn failure(error: &clap::Error, words: &[String]) -> Failure {
    let commands = commands();
    let command = words.iter().find(|word| commands.contains(word)).filter(|it| *it != "help");
    let help = match command {
        Some(command) => format!("see `meshcheck {command} --help`"),
        None => "see `meshcheck --help`".to_owned(),
    };
    let value = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    // `--only <PATTERN>`
    let argument = value(ContextKind::InvalidArg).unwrap_or_default();
    let plain = argument.replace("...", "").replace(['<', '>'], "");
    let option = argument.split_once(" <").map_or(plain.as_str(), |(option, _)| option);
    let given = value(ContextKind::InvalidValue).unwrap_or_default();
    let (message, fix) = match error.kind() {
        ErrorKind::UnknownArgument => {
            let near = value(ContextKind::SuggestedArg).map(|it| format!("did you mean `{it}`?"));
            let fix = unknown_argument(command.map_or("", String::as_str), &argument);
            let fix = fix.or_else(|| option_of_others(&argument)).or(near);
            (format!("unexpected argument `{argument}`"), fix)
        }
        ErrorKind::InvalidSubcommand => {
            let wrong = value(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = nearest(&wrong, commands.into_iter().map(|it| (it.clone(), it)));
            (
                format!("there is no command `{wrong}`"),
                near.map(|it| format!("did you mean `{it}`?")),
            )
        }
        ErrorKind::InvalidValue if given.is_empty() => (format!("{option} has no value"), None),
        ErrorKind::InvalidValue => {
            let known =
                value(ContextKind::ValidValue).map(|known| format!("write one of: {known}"));
            (format!("{option} {given}: not a known value"), known)
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error).map(ToString::to_string);
            let reason = reason.unwrap_or_default();
            let (reason, fix) = reason.split_once('\n').unwrap_or((&reason, ""));
            let given = if given.is_empty() { "''" } else { &given };
            let fix = Some(fix).filter(|fix| !fix.is_empty()).map(str::to_owned);
            (format!("{option} {given}: {reason}"), fix)
        }
        ErrorKind::MissingRequiredArgument => {
            // Its value is optional: the word behind it is not the file.
            let has_logs = words.iter().any(|word| word == "--logs");
            let fix = has_logs.then(|| "write the file first: `meshcheck show FILE --logs`".into());
            let verb = if plain.contains(", ") { "are" } else { "is" };
            // A group is one of its options.
            let all = plain.replace(", ", " and ").replace('|', " or ");
            (format!("{all} {verb} missing"), fix)
        }
        ErrorKind::ArgumentConflict => {
            let other = value(ContextKind::PriorArg).unwrap_or_default();
            let other = other.split(" <").next().unwrap_or_default().to_owned();
            (
                format!("{option} and {other} exclude each other"),
                Some("leave one of them out".into()),
            )
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            (first.trim_start_matches("error: ").replace('\'', "`"), None)
        }
    };
    Failure::usage(message, fix.unwrap_or(help))
}

/// The names of the commands.
fn commands() -> Vec<String> {
    let cli = Cli::command();
    let shown = cli.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).chain(["help".to_owned()]).collect()
}

/// Returns the fix for an option that only other commands have.
fn option_of_others(argument: &str) -> Option<String> {
    let name = argument.strip_prefix("--")?.split('=').next();
    let cli = Cli::command();
    let has_option = |command: &&clap::Command| {
        !command.is_hide_set() && command.get_arguments().any(|it| it.get_long() == name)
    };
    let commands = cli.get_subcommands().filter(has_option).map(clap::Command::get_name);
    let commands: Vec<_> = commands.collect();
    (!commands.is_empty()).then(|| format!("only these commands take it: {}", commands.join(", ")))
}

/// Returns the fix for an argument that people expect.
fn unknown_argument(command: &str, argument: &str) -> Option<String> {
    let judges = ["run", "check", "judge", "preflight"].contains(&command);
    let name = argument.split('=').next().unwrap_or_default();
    Some(match name {
        "--html" | "--junit" | "--json" if judges => {
            let kind = name.trim_start_matches('-');
            format!("write `--report {kind}=FILE`")
        }
        "-o" if judges => "write `--output json`".to_owned(),
        _ if argument.starts_with('-') => return None,
        _ if command == "claims" => format!("write `meshcheck claims --only {argument}`"),
        _ if ["check", "record", "preflight"].contains(&command) => {
            let looks_like_file = argument.contains(['.', '/']);
            let option = if looks_like_file { "--kubeconfig" } else { "--context" };
            format!("write `meshcheck {command} {option} {argument}`")
        }
        _ => return None,
    })
}
