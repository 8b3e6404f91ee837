//! Looking at a machine, at the software and at a cluster before the install: everything at once, each look
//! with its own time limit, each failure kept with its reason.

mod machine;
mod software;

use std::time::Duration;

use jiff::Timestamp;
use meshcheck_suites::evidence::{Expectations, Observation, Subject};
use meshcheck_suites::preflight::evidence::{ClusterLook, PreflightEvidence};
use tokio::time::Instant;

use crate::collect::{Timings, before};
use crate::connect::{Choice, ConnectError, Connection, collected_on, connect};
use crate::source::Source;

pub use machine::KernelFiles;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is to be installed.
    pub expectations: Expectations,
    /// The software.
    pub source: Source,
    /// Whether the caller named its bundle.
    pub software_named: bool,
    /// The longest that any one look may take.
    pub limit: Duration,
    /// Where this machine's own files are.
    pub kernel_files: KernelFiles,
}

/// The cluster that was named, as far as it can be reached.
pub enum Cluster {
    /// None was named.
    NotNamed,
    /// It answers.
    Answers(Box<Connection>),
    /// It does not, or not as expected.
    Silent(Box<Subject>, ConnectError),
}

impl Cluster {
    /// Connects to the cluster that is asked for.
    ///
    /// # Errors
    ///
    /// When the call is wrong: the kubeconfig cannot be read, or has no such context. A server that does
    /// not answer is an answer.
    pub async fn reach(choice: &Choice) -> Result<Self, ConnectError> {
        let error = match connect(choice).await {
            Ok(connection) => return Ok(Self::Answers(Box::new(connection))),
            Err(error) => error,
        };
        let subject = match &error {
            ConnectError::Unreachable { server, context, .. } => choice.subject(context, server),
            ConnectError::Credentials { context, .. } => choice.subject(context, ""),
            _ => return Err(error),
        };
        Ok(Self::Silent(Box::new(subject), error))
    }

    /// The connection, where there is one.
    pub fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Answers(connection) => Some(connection),
            _ => None,
        }
    }
}

/// Looks at everything that checks need. Never fails: what could not be seen is reported with its reason.
pub async fn collect(cluster: &Cluster, options: &Options) -> (PreflightEvidence, Timings) {
    let start = Instant::now();
    let recorded_at = Timestamp::now();
    let images = software::images(&options.source, &options.expectations);
    let (machine, software, (cluster_look, mut timings)) = tokio::join!(
        timed("machine", machine::collect(&options.kernel_files, &options.source, options.limit)),
        timed("software", software::collect(&options.source, options.limit)),
        Box::pin(cluster_of(cluster, options, &images, recorded_at)),
    );
    timings.extend([machine.1, software.1]);
    let mut machine = machine.0;
    machine::proxies_to(&mut machine, &cluster_look);
    let evidence = PreflightEvidence {
        recorded_at,
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        cluster_named: !matches!(cluster, Cluster::NotNamed),
        software_named: options.software_named,
        machine,
        software: meshcheck_suites::preflight::evidence::SoftwareEvidence { images, ..software.0 },
        cluster: cluster_look,
    };
    (evidence, timings)
}

async fn timed<T>(
    name: &'static str,
    work: impl Future<Output = T>,
) -> (T, (&'static str, Duration)) {
    let start = Instant::now();
    let value = Box::pin(work).await;
    (value, (name, start.elapsed()))
}

async fn cluster_of(
    cluster: &Cluster,
    options: &Options,
    images: &[String],
    at: Timestamp,
) -> (ClusterLook, Timings) {
    let expectations = &options.expectations;
    match cluster {
        Cluster::Answers(connection) => {
            Box::pin(before(connection, expectations, images, options.limit)).await
        }
        Cluster::NotNamed => {
            (ClusterLook::not_named(expectations.clone(), at, collected_on()), Vec::new())
        }
        Cluster::Silent(subject, error) => {
            let refused = matches!(error, ConnectError::Credentials { .. });
            let why = Observation::failed(if refused {
                "the credentials cannot be used"
            } else {
                "the server does not answer"
            });
            let mut look = ClusterLook::without_observations(
                (**subject).clone(),
                expectations.clone(),
                at,
                &why,
            );
            look.credentials_refused = refused;
            look.server = Observation::absent(crate::chain(error));
            look.nodes_are_containers = machine::is_kind_cluster_here(&subject.context).await;
            (look, Vec::new())
        }
    }
}
