//! `check`, `judge`: looking at a cluster that is there, and judging what was seen.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt as _;
use meshcheck_suites::evidence::{Evidence, Expectations, Observation, Provider};
use meshcheck_suites::hint;

use super::arguments::{Check, Judge, Target};
use super::failure::Failure;
use super::reported::{kept_and_judged, verdicts};
use super::{cluster, software};
use crate::collect::{self, Options, Timings, collect};
use crate::connect::{Choice, Connection, connect};
use crate::events::{Events, Phase};
use crate::evidence_file;
use crate::progress;
use crate::report::writable;
use crate::settings::Settings;
use crate::state::{ClusterState, State};

/// How long any one look may take, where nobody said.
const LOOK: Duration = Duration::from_secs(5);

/// How long rollouts may take to come to an end before the look.
const SETTLE: Duration = Duration::from_secs(30);

/// `meshcheck check`
pub(super) async fn check(arguments: Check, settings: &Settings) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    arguments.evidence.iter().try_for_each(|path| evidence_file::check_writable(path))?;
    let asked = Asked { include_logs: false, quiet: arguments.output.quiet };
    let seen = look(&arguments.target, settings, asked).await;
    let (evidence, timings) = seen.map_err(|failure| failure.in_phase(Some(Phase::Collect)))?;
    let report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    if arguments.output.verbose {
        tell_timings(&timings);
    }
    kept_and_judged(&evidence, &report, arguments.evidence.as_deref(), &arguments.output)
}

/// `meshcheck judge`. Evidence is judged by the names for which it was recorded: what has others was
/// never looked at. A configuration says which claims are skipped or may fail.
pub(super) fn judge(
    arguments: &Judge,
    settings: &Settings,
    file_was_named: bool,
) -> Result<u8, Failure> {
    let mut evidence = evidence_file::read(&arguments.file)?;
    if settings.file.is_some() {
        let others = settings.differences(&evidence.expectations);
        let told = |separator: &str| {
            let start = "the evidence was recorded for other names than";
            let others = others.join(separator);
            format!("{start} {} says:{separator}{others}", settings.source())
        };
        if !others.is_empty() && file_was_named {
            let hint = "record with this configuration, or judge without it";
            return Err(Failure::usage(told("\n"), hint.into()));
        }
        if !others.is_empty() {
            super::say(&format!("note: {}; its own are judged", told(" ")));
        }
    }
    if let Some(waivers) = &settings.waivers {
        evidence.expectations.waivers.clone_from(waivers);
    }
    let report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    verdicts(&report, Some(&evidence), &arguments.output)
}

/// How a look is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// With the ends of logs.
    pub(super) include_logs: bool,
    /// Without a word on what is waited for.
    pub(super) quiet: bool,
}

/// Looks at the cluster that the options name.
pub(super) async fn look(
    target: &Target,
    settings: &Settings,
    asked: Asked,
) -> Result<(Evidence, Timings), Failure> {
    let cancel = cluster::listen()?;
    let wanted = Wanted::of(target, settings);
    let ours = ours(&wanted)?;
    let mut expectations = match (&ours, &target.source.istio, &target.source.bundle) {
        (Some(state), None, None) => cluster::expectations(settings, state),
        _ => software::expectations(&target.source, settings)?,
    };
    if let Some(state) = &ours
        && expectations.kiali_image.is_none()
        && expectations.istio_version == state.istio_version
    {
        expectations.kiali_image = Some(state.kiali_image.clone());
    }
    if let Some(installed) = ours.as_ref().and_then(|state| state.expectations.as_ref()) {
        if settings.file.is_none() {
            // What `up` was told holds until another word.
            let Expectations { istio_version, istio_version_source, kiali_image, waivers, .. } =
                expectations;
            expectations = Expectations {
                istio_version,
                istio_version_source,
                kiali_image,
                waivers,
                ..installed.clone()
            };
        } else {
            let others = settings.differences(installed);
            if let Some(first) = others.first() {
                let file = settings.source();
                super::say(&format!(
                    "note: `up` called things otherwise than {file} does now: {first}{}",
                    match others.len() {
                        1 => String::new(),
                        number => format!(", and {} more", number - 1),
                    }
                ));
            }
        }
    }
    // The configuration's URL is that of its cluster: another one's Kiali would be green for this one.
    let configured_url =
        settings.kiali_url.clone().filter(|_| ours.is_none() && wanted.is_configured);
    let limit = target.timeout.or(settings.look).unwrap_or(LOOK);
    let choice = match &ours {
        Some(state) => Choice {
            kubeconfig: Some(State::from_environment()?.kubeconfig(&state.name)),
            context: Some(format!("kind-{}", state.name)),
            bundle: Some(state.bundle.clone()),
            ours: true,
            active: true,
            patience: limit,
        },
        None => Choice {
            kubeconfig: wanted.kubeconfig,
            context: wanted.context,
            bundle: None,
            ours: false,
            active: target.active,
            patience: limit,
        },
    };
    let connection = tokio::select! {
        connection = connect(&choice) => connection?,
        // Nothing was made yet.
        () = cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let (events, receiver) = Events::channel();
    let shown = progress::show(receiver, asked.quiet);
    let options = Options {
        expectations,
        kiali_url: target.kiali_url.clone().or(configured_url),
        limit,
        settle: settings.settle.unwrap_or(SETTLE),
        load_balancer_probe: Observation::not_asked(
            "a service of ours asks for an address before the install only",
        ),
        istioctl_version: match ours.and_then(|state| state.istioctl_version) {
            Some(version) => Observation::seen(version),
            None => Observation::not_asked("this run used no istioctl"),
        },
        include_logs: asked.include_logs,
        events,
    };
    let looking = AssertUnwindSafe(Box::pin(collect(&connection, &options))).catch_unwind();
    let outcome = tokio::select! {
        seen = looking => seen.map_err(|_| Failure::bug()),
        () = cancel.cancelled() => Err(Failure::interrupted()),
    };
    // What was waited for stands before what was found.
    drop(options);
    let _ = shown.await;
    match outcome {
        Ok(seen) => {
            after_the_look(&connection).await;
            Ok(seen)
        }
        Err(failure) => Err(after_the_end(&connection, failure).await),
    }
}

/// Probes remove what they made. Where the cluster did not answer just then, it is asked once more: what
/// was seen is kept, whatever comes of it.
pub(super) async fn after_the_look(connection: &Connection) {
    let subject = &connection.subject;
    if !subject.active || subject.provider == Provider::Kind {
        return;
    }
    if let Err(reason) = collect::remove_own(&connection.client).await {
        let context = hint::quote(&subject.context);
        Failure::left(&reason, &format!("meshcheck down --leftovers --context {context}")).tell();
    }
}

/// Which cluster is named, by options or by the configuration.
struct Wanted {
    context: Option<String>,
    kubeconfig: Option<PathBuf>,
    /// Whether the context was named beside the file in which it stands: it is not one of ours.
    elsewhere: bool,
    /// Whether it is the one that the configuration means.
    is_configured: bool,
}

impl Wanted {
    /// Options win. A kubeconfig that is named there has contexts of its own.
    fn of(target: &Target, settings: &Settings) -> Self {
        match (&target.kubeconfig, &target.context) {
            (Some(file), context) => Self {
                context: context.clone(),
                kubeconfig: Some(file.clone()),
                elsewhere: true,
                is_configured: false,
            },
            (None, Some(context)) => Self {
                context: Some(context.clone()),
                kubeconfig: settings.kubeconfig.clone(),
                elsewhere: false,
                is_configured: settings.context.as_ref() == Some(context),
            },
            (None, None) => Self {
                context: settings.context.clone(),
                kubeconfig: settings.kubeconfig.clone(),
                elsewhere: settings.kubeconfig.is_some(),
                is_configured: true,
            },
        }
    }
}

/// Removes what probes of ours may have left, after they were cancelled or came to an end by a bug.
pub(super) async fn after_the_end(connection: &Connection, mut failure: Failure) -> Failure {
    // Where there is no engine on this machine there is no container of ours.
    let _ = crate::cluster::remove_own_helpers().await;
    if connection.subject.active
        && let Err(reason) = collect::remove_own(&connection.client).await
    {
        let context = hint::quote(&connection.subject.context);
        let command = format!("meshcheck down --leftovers --context {context}");
        failure = failure.and(&Failure::left(&reason, &command));
    }
    failure
}

/// The cluster of ours that is meant: the one whose context is named, or the one that `up` left where
/// nothing is named.
fn ours(wanted: &Wanted) -> Result<Option<ClusterState>, Failure> {
    if wanted.elsewhere {
        return Ok(None);
    }
    let state = State::from_environment()?;
    let mut kept: Vec<_> = state
        .names()?
        .iter()
        .filter_map(|name| state.read(name).ok())
        .filter(|cluster| cluster.keep)
        .collect();
    if let Some(context) = &wanted.context {
        return Ok(kept.into_iter().find(|it| format!("kind-{}", it.name) == *context));
    }
    if kept.len() > 1 {
        let names: Vec<_> = kept.iter().map(|it| format!("kind-{}", it.name)).collect();
        return Err(Failure::usage(
            format!("there are {} clusters of ours: {}", names.len(), names.join(", ")),
            "name one of them with --context NAME".into(),
        ));
    }
    Ok(kept.pop())
}

pub(super) fn tell_timings(timings: &Timings) {
    use std::io::Write as _;
    let mut timings = timings.clone();
    timings.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let mut to = std::io::stderr().lock();
    for (name, took) in timings {
        let _ = writeln!(to, "{:6} ms  {name}", took.as_millis());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;
    use rstest::rstest;
    use std::path::Path;

    #[rstest]
    #[case(&[], Some("vm7"), Some("class.yaml"), true, true)]
    #[case(&["--context", "vm8"], Some("vm8"), Some("class.yaml"), false, false)]
    #[case(&["--context", "vm7"], Some("vm7"), Some("class.yaml"), false, true)]
    #[case(&["--kubeconfig", "own.yaml"], None, Some("own.yaml"), true, false)]
    #[case(&["--kubeconfig", "own.yaml", "--context", "vm7"], Some("vm7"), Some("own.yaml"), true, false)]
    fn options_win_over_the_configuration(
        #[case] options: &[&str],
        #[case] context: Option<&str>,
        #[case] kubeconfig: Option<&str>,
        #[case] elsewhere: bool,
        #[case] is_configured: bool,
    ) {
        let cli = Cli::parse_from([&["meshcheck", "check"], options].concat());
        let Command::Check(check) = cli.command else { panic!("it is `check`") };
        let mut settings = Settings::default();
        settings.context = Some("vm7".into());
        settings.kubeconfig = Some("class.yaml".into());
        let wanted = Wanted::of(&check.target, &settings);
        assert_eq!(wanted.context.as_deref(), context);
        assert_eq!(wanted.kubeconfig.as_deref(), kubeconfig.map(Path::new));
        assert_eq!((wanted.elsewhere, wanted.is_configured), (elsewhere, is_configured));
        let nothing = Wanted::of(&check.target, &Settings::default());
        assert_eq!(nothing.context, check.target.context);
        assert_eq!(nothing.kubeconfig, check.target.kubeconfig);
    }
}
