//! A kubeconfig file: its current context is chosen, or it is refused.
#![no_main]

use std::io::{Seek as _, Write as _};
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

static FILE: LazyLock<Mutex<NamedTempFile>> =
    LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("there is room for a file")));

fuzz_target!(|content: &[u8]| {
    let mut file = FILE.lock().expect("one at a time");
    file.as_file().set_len(0).expect("it can be written");
    file.rewind().expect("it can be written");
    file.write_all(content).expect("it can be written");
    // What is wrong with it can be told.
    let _ = meshcheck::connect::read_kubeconfig(file.path()).map_err(|error| error.to_string());
});
