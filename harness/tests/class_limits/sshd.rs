//! A real `sshd` on loopback with a configuration, keys and a home of its own. No daemon stays: the test listens, and
//! starts one `sshd` for each connection, which ends with it.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::unistd::{User, geteuid};

use crate::support::class::Place;
use crate::support::scale::FIGURES;
use crate::support::server::{black_hole, closed_port};

/// Where `sshd` gives up its rights, as Debian builds it.
const PRIVILEGES: &str = "/run/sshd";

/// Machines that only `ssh` reaches, and a client that knows them alone.
pub(crate) struct Sshd {
    directory: PathBuf,
    /// The directory of [`PRIVILEGES`], where this test made it.
    made: Option<&'static Path>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.made.map(fs::remove_dir);
    }
}

impl Sshd {
    /// Starts in an empty directory. The variables are those of its sessions.
    pub(crate) fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let place = directory.display();
        for key in ["host", "another", "client"] {
            let mut make = Command::new(program("ssh-keygen"));
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(key));
            assert!(make.status().unwrap().success());
        }
        let public = |key: &str| fs::read_to_string(directory.join(format!("{key}.pub"))).unwrap();
        fs::write(directory.join("authorized_keys"), public("client")).unwrap();
        let known = format!("own {}changed {}", public("host"), public("another"));
        fs::write(directory.join("known_hosts"), known).unwrap();
        let home = directory.join("home");
        fs::create_dir(&home).unwrap();
        // What runs in a session has the mark of its test, too.
        let mark = std::env::var(FIGURES).ok();
        let mark = mark.as_deref().map(|it| (FIGURES, it));
        let variables = variables.iter().copied().chain(mark);
        let variables = variables.map(|(name, value)| format!(" {name}={value}"));
        let server = format!(
            "HostKey {place}/host\nAuthorizedKeysFile {place}/authorized_keys\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             SetEnv HOME={}{}\n",
            home.display(),
            variables.collect::<String>()
        );
        fs::write(directory.join("sshd_config"), server).unwrap();
        let privileges = Path::new(PRIVILEGES);
        let made = geteuid().is_root() && !privileges.exists();
        if made {
            fs::create_dir(privileges).unwrap();
        }
        let sshd = Self { directory: directory.to_owned(), made: made.then_some(privileges) };
        sshd.write_client(listen(directory));
        sshd
    }

    /// The home of its sessions.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// Puts an `ssh` into a place that reads no other configuration than this one's. The real one finds the user's by
    /// the system's list of users, whatever `HOME` says.
    pub(crate) fn put_client(&self, place: &Place) {
        let (ssh, directory) = (program("ssh"), self.directory.display());
        let script = format!("#!/bin/sh\nexec {} -F {directory}/config \"$@\"\n", ssh.display());
        place.executable("ssh", &script);
    }

    /// Writes the configuration of the client: hosts that are well, refuse, hang, and have another key.
    fn write_client(&self, port: u16) {
        let place = self.directory.display();
        let hosts = [
            ("own", port),
            ("changed", port),
            ("unknown", port),
            ("refused", closed_port()),
            ("hanging", black_hole(b"SSH-2.0-OpenSSH_9.2\r\n").port()),
        ];
        let hosts = hosts
            .iter()
            .map(|(name, port)| format!("Host {name}\nPort {port}\nHostKeyAlias {name}\n"));
        let user = User::from_uid(geteuid()).unwrap().unwrap().name;
        let all = format!(
            "Host *\nHostName 127.0.0.1\nUser {user}\nIdentityFile {place}/client\nIdentitiesOnly yes\n\
             IdentityAgent none\nUserKnownHostsFile {place}/known_hosts\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\n"
        );
        fs::write(self.directory.join("config"), hosts.collect::<String>() + &all).unwrap();
    }

    /// What `sshd` said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

/// Listens on a port, and starts `sshd` for each connection.
fn listen(directory: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let directory = directory.to_owned();
    let sshd = program("sshd");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(input) = stream.try_clone() else { continue };
            let mut server = Command::new(&sshd);
            server.arg("-i").arg("-f").arg(directory.join("sshd_config"));
            server.arg("-E").arg(directory.join("log"));
            server.stdin(Stdio::from(OwnedFd::from(input)));
            server.stdout(Stdio::from(OwnedFd::from(stream))).stderr(Stdio::null());
            let Ok(mut child) = server.spawn() else { continue };
            // It holds the connection, which its end must close.
            drop(server);
            thread::spawn(move || child.wait());
        }
    });
    port
}

/// Finds a program, also where only root's `PATH` looks.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut all = std::env::split_paths(&path).chain(more).map(|it| it.join(name));
    all.find(|it| it.is_file()).unwrap_or_else(|| panic!("there is no {name}"))
}
