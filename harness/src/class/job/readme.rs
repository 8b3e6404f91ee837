//! The README beside the manifests of a Job.

use super::{JOB, KEPT, MARK, Objects, RETRIES};

/// Returns how the Job is started, followed and deleted.
pub(super) fn text(job: &Objects<'_>) -> String {
    let Objects { name, namespace, pods, plan } = job;
    let machines = plan.machines.len();
    let delete = if plan.namespace.is_some() {
        "The namespace stays."
    } else {
        "This also deletes the namespace."
    };
    let runs = RETRIES + 1;
    let hours = KEPT / 3600;
    format!(
        "{MARK}

{pods} pods check {machines} machines, and send their records to {board}.
The files contain the kubeconfigs and the token of the board: share this directory with nobody.

## Start

    kubectl apply -f .

The nodes need the image `{image}`.

## Follow

    kubectl -n {namespace} get job {name} --watch
    kubectl -n {namespace} logs -l job-name={name} --prefix --tail=-1

A pod fails where a machine of its share was not reached, or the board did not take a record. Kubernetes runs it
{runs} times at the most. A claim that fails is no failure of the pod: the board shows it.
The failed indexes, and the machines of each index:

    kubectl -n {namespace} get job {name} -o jsonpath='{{.status.failedIndexes}}'
    kubectl -n {namespace} get configmap {name} -o yaml

## Check again

    kubectl replace --force -f {JOB}.yaml

For the machines without a record only, write another directory with `--failed` and the directory of the records.

## Delete

    kubectl delete -f .

{delete} The Job goes by itself {hours} hours after its end; the Secrets stay until you delete them.
",
        board = plan.board,
        image = plan.image,
    )
}
