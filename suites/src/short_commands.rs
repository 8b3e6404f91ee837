//! Shortens the commands of a report: what they have in common stands once, as a line to type before them.

use crate::hint::{quote, quote_path};
use crate::report::{ClusterFacts, Report};

/// The programs whose commands name the context, and their option for it.
const PROGRAMS: [(&str, &str); 3] =
    [("kubectl", "--context"), ("istioctl", "--context"), ("helm", "--kube-context")];

impl ClusterFacts {
    /// A command without the options that [`Report::setup`] replaces.
    pub fn shorten(&self, command: &str) -> String {
        let mut short = command.to_owned();
        if let Some(file) = &self.kubeconfig {
            short = short.replace(&format!(" --kubeconfig {}", quote_path(file)), "");
        }
        for (long, program) in self.contexts() {
            short = short.replace(&long, program);
        }
        short
    }

    /// The same cluster for commands that keep their context: a script knows no aliases.
    #[must_use]
    pub fn of_any_context(&self) -> Self {
        Self { context: String::new(), ..self.clone() }
    }

    /// The same cluster for commands that stay whole: a page about several clusters has no line to type before them.
    #[must_use]
    pub fn of_any_cluster(&self) -> Self {
        Self { kubeconfig: None, ..self.of_any_context() }
    }

    /// Each program with its option for the context of this cluster, and the program alone.
    fn contexts(&self) -> impl Iterator<Item = (String, &'static str)> {
        let context = (!self.context.is_empty()).then(|| quote(&self.context));
        let named = move |(program, option)| {
            Some((format!("{program} {option} {}", context.as_ref()?), program))
        };
        PROGRAMS.into_iter().filter_map(named)
    }
}

impl Report {
    /// The line to type before the commands of this report, as [`ClusterFacts::shorten`] writes them; none if they
    /// need none. An alias holds for one shell: two clusters in two terminals do not disturb each other.
    pub fn setup(&self) -> Option<String> {
        let lines: Vec<_> = self.export().into_iter().chain(self.aliases()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// The line that names the kubeconfig to all commands, where they need one.
    pub fn export(&self) -> Option<String> {
        let file = quote_path(self.cluster.kubeconfig.as_deref()?);
        let option = format!(" --kubeconfig {file}");
        self.commands().any(|it| it.contains(&option)).then(|| format!("export KUBECONFIG={file}"))
    }

    fn aliases(&self) -> Option<String> {
        if self.cluster.context_is_current {
            return None;
        }
        let with_context = self.cluster.of_any_context();
        let is_used =
            |long: &str| self.commands().any(|it| with_context.shorten(it).contains(long));
        let used = self.cluster.contexts().filter(|(long, _)| is_used(long));
        let aliases: Vec<_> =
            used.map(|(long, program)| format!("{program}={}", quote(&long))).collect();
        (!aliases.is_empty()).then(|| format!("alias {}", aliases.join(" ")))
    }

    /// The commands that reports show: a claim with a cause leaves them to the cause.
    fn commands(&self) -> impl Iterator<Item = &String> {
        let causes = self.causes.iter().flat_map(|cause| &cause.commands);
        let alone = self.claims.iter().filter(|claim| claim.because.is_none());
        alone.flat_map(|claim| &claim.commands).chain(causes)
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::{Evidence, Provider};
    use crate::judge;
    use rstest::rstest;

    /// Kiali is scaled to zero: the report has a command.
    fn broken(change: impl Fn(&mut Evidence)) -> Evidence {
        let mut evidence = crate::testing::healthy();
        evidence.install.pods.value_mut().unwrap().retain(|it| !it.name.starts_with("kiali"));
        for deployment in evidence.install.deployments.value_mut().unwrap() {
            if deployment.name == "kiali" {
                deployment.replicas = 0;
            }
        }
        change(&mut evidence);
        evidence
    }

    #[rstest]
    #[case::of_another_context(None, false, Some("alias kubectl='kubectl --context vm7'"))]
    #[case::of_the_current_context(None, true, None)]
    #[case::of_a_file(Some("~/a b.yaml"), true, Some("export KUBECONFIG=~/'a b.yaml'"))]
    #[case::of_a_context_in_a_file(
        Some("k.yaml"),
        false,
        Some("export KUBECONFIG=k.yaml; alias kubectl='kubectl --context vm7'")
    )]
    fn commands_share_one_setup_line(
        #[case] kubeconfig: Option<&str>,
        #[case] context_is_current: bool,
        #[case] setup: Option<&str>,
    ) {
        let report = judge(
            &broken(|evidence| {
                evidence.subject.provider = Provider::Existing;
                evidence.subject.context = "vm7".into();
                evidence.subject.kubeconfig = kubeconfig.map(Into::into);
                evidence.subject.context_is_current = context_is_current;
            }),
            &[],
        );
        assert_eq!(report.setup().as_deref(), setup);
        let command = &report.causes[0].commands[0];
        assert!(command.contains(" --context vm7 "), "{command}");
        let short = report.cluster.shorten(command);
        assert!(short.starts_with("kubectl -n istio-system "), "{short}");
        assert_eq!(report.cluster.of_any_cluster().shorten(command), *command);
    }

    #[test]
    fn healthy_mesh_needs_no_setup() {
        assert_eq!(judge(&crate::testing::healthy(), &[]).setup(), None);
    }
}
