//! Chooses the cluster: one that options or the configuration name, or one that `up` created.

use std::path::PathBuf;
use std::time::Duration;

use super::arguments::Target;
use super::failure::Failure;
use crate::connect::Choice;
use crate::settings::Settings;
use crate::state::{ClusterState, State};

/// The cluster that options or the configuration name.
pub(super) struct NamedCluster {
    pub(super) context: Option<String>,
    pub(super) kubeconfig: Option<PathBuf>,
    /// Whether the kubeconfig was named, too: then it is not a cluster of meshcheck.
    is_elsewhere: bool,
    /// Whether the configuration names it.
    pub(super) is_configured: bool,
}

impl NamedCluster {
    /// Options win. A kubeconfig that is named there has contexts of its own.
    pub(super) fn new(target: &Target, settings: &Settings) -> Self {
        match (&target.kubeconfig, &target.context) {
            (Some(file), context) => Self {
                context: context.clone(),
                kubeconfig: Some(file.clone()),
                is_elsewhere: true,
                is_configured: false,
            },
            (None, Some(context)) => Self {
                context: Some(context.clone()),
                kubeconfig: settings.kubeconfig.clone(),
                is_elsewhere: false,
                is_configured: settings.context.as_ref() == Some(context),
            },
            (None, None) => Self {
                context: settings.context.clone(),
                kubeconfig: settings.kubeconfig.clone(),
                is_elsewhere: settings.kubeconfig.is_some(),
                is_configured: true,
            },
        }
    }

    /// Returns the cluster of meshcheck whose context is named, or the one that `up` created where nothing is
    /// named.
    pub(super) fn find_own(&self) -> Result<Option<ClusterState>, Failure> {
        if self.is_elsewhere {
            return Ok(None);
        }
        let state = State::from_environment()?;
        let mut kept: Vec<_> = state
            .names()?
            .iter()
            .filter_map(|name| state.read(name).ok())
            .filter(|cluster| cluster.keep)
            .collect();
        if let Some(context) = &self.context {
            return Ok(kept.into_iter().find(|cluster| cluster.context() == *context));
        }
        if kept.len() > 1 {
            let names: Vec<_> = kept.iter().map(ClusterState::context).collect();
            return Err(Failure::usage(
                format!("meshcheck has created {} clusters, and the call names none", names.len()),
                format!("name one of them with --context: {}", names.join(", ")),
            ));
        }
        Ok(kept.pop())
    }
}

/// Returns how to connect to a cluster of meshcheck.
pub(super) fn own_choice(cluster: &ClusterState, patience: Duration) -> Result<Choice, Failure> {
    Ok(Choice {
        kubeconfig: Some(State::from_environment()?.kubeconfig(&cluster.name)),
        context: Some(cluster.context()),
        bundle: Some(cluster.bundle.clone()),
        is_own: true,
        active: true,
        patience,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;
    use rstest::rstest;

    use super::*;
    use crate::cli::{Cli, Command};

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
        #[case] is_elsewhere: bool,
        #[case] is_configured: bool,
    ) {
        let cli = Cli::parse_from([&["meshcheck", "check"], options].concat());
        let Command::Check(check) = cli.command else { panic!("it is `check`") };
        let mut settings = Settings::default();
        settings.context = Some("vm7".into());
        settings.kubeconfig = Some("class.yaml".into());
        let named = NamedCluster::new(&check.target, &settings);
        assert_eq!(named.context.as_deref(), context);
        assert_eq!(named.kubeconfig.as_deref(), kubeconfig.map(Path::new));
        assert_eq!((named.is_elsewhere, named.is_configured), (is_elsewhere, is_configured));
        let nothing = NamedCluster::new(&check.target, &Settings::default());
        assert_eq!(nothing.context, check.target.context);
        assert_eq!(nothing.kubeconfig, check.target.kubeconfig);
    }
    #[test]
    fn namespaces_of_options_win_over_the_configuration() {
        let cli = Cli::parse_from(["meshcheck", "check", "-n", "shop"]);
        let Command::Check(check) = cli.command else { panic!("it is `check`") };
        let mut names = Settings::default().expectations("1.20.3", "");
        check.target.namespaces.apply(&mut names).unwrap();
        assert_eq!(
            (names.namespace.as_str(), names.istio_namespace.as_str()),
            ("shop", "istio-system")
        );
        names.istio_namespace = "shop".into();
        assert!(check.target.namespaces.apply(&mut names).is_err());
    }
}
