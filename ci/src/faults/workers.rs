//! Several clusters at once, each of which takes the next case: most of a case is waiting.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Works through cases with so many workers. `begin` makes what a worker works with, in its own thread;
/// `work` does one case with it. After a failure nobody takes another case.
pub(super) fn work_through<C: Send, W>(
    cases: impl IntoIterator<Item = C>,
    workers: usize,
    begin: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&W, C) -> Result<()> + Sync,
) -> Result<()> {
    let left: Mutex<VecDeque<C>> = Mutex::new(cases.into_iter().collect());
    let queue = || left.lock().unwrap_or_else(PoisonError::into_inner);
    let works = || {
        let outcome = begin().and_then(|with| {
            loop {
                // Not held while the case runs.
                let next = queue().pop_front();
                let Some(case) = next else { return Ok(()) };
                work(&with, case)?;
            }
        });
        if outcome.is_err() {
            queue().clear();
        }
        outcome
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(works)).collect();
        // All are waited for, whatever the first of them says.
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended.into_iter().try_for_each(|outcome| outcome.unwrap_or_else(|it| resume_unwind(it)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{bail, ensure};
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    #[test]
    fn each_case_runs_once() {
        let done = Mutex::new(Vec::new());
        let note = |(): &(), case: u32| {
            done.lock().unwrap().push(case);
            Ok(())
        };
        work_through(0..100, 3, || Ok(()), note).unwrap();
        let done = done.into_inner().unwrap();
        assert_eq!((done.len(), done.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    }

    #[test]
    fn workers_run_at_the_same_time() {
        let both = Barrier::new(2);
        let meet = |(): &(), _| {
            both.wait();
            Ok(())
        };
        work_through([1, 2], 2, || Ok(()), meet).unwrap();
    }

    #[test]
    fn failed_case_ends_the_workers() {
        let done = Mutex::new(0);
        let work = |(): &(), case| {
            *done.lock().unwrap() += 1;
            ensure!(case != 3, "no more green");
            Ok(())
        };
        let error = work_through(1..9, 1, || Ok(()), work);
        assert_eq!(error.unwrap_err().to_string(), "no more green");
        assert_eq!(done.into_inner().unwrap(), 3);
        let error = work_through([1], 1, || bail!("no docker"), |(): &(), _: i32| Ok(()));
        assert_eq!(error.unwrap_err().to_string(), "no docker");
    }
}
