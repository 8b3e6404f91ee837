//! A measured run of the program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::measured::{Measured, measuring};

/// A run that has ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    /// The lines of standard error, each with its time in seconds after the start.
    pub(crate) lines: Vec<(f64, String)>,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    pub(crate) measured: Measured,
}

impl Run {
    /// Runs a command to its end.
    pub(crate) fn of(command: &Command) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("measured");
        let mut measure = measuring(command, &file, "");
        measure.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let start = Instant::now();
        let mut child = measure.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok);
            lines.map(|line| (start.elapsed().as_secs_f64(), line)).collect::<Vec<_>>()
        });
        let stdout = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        let code = child.wait().unwrap().code();
        let seconds = start.elapsed().as_secs_f64();
        let lines = lines.join().unwrap();
        let measured = Measured::read(&file);
        let measured = measured.unwrap_or_else(|| panic!("it was not measured: {lines:?}"));
        Self { code, stdout, lines, seconds, measured }
    }
}
