//! A machine of a class, and the way to it.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The longest name of a host, in bytes. Source: RFC 1035, section 2.3.4.
const HOST: usize = 253;

/// The longest name of a machine that sends records, in bytes: files are named for it, on the board and in pods.
pub(crate) const LONGEST_NAME: usize = 200;

/// A machine of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name, which is unique in the class.
    pub name: String,
    /// How it is reached.
    pub way: Way,
}

/// How a machine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over `ssh`, with its configuration.
    Ssh {
        /// The host: a name, an address, or an alias of the configuration.
        address: String,
        /// The user; by default the configuration's.
        user: Option<String>,
        /// The port; by default the configuration's.
        port: Option<u16>,
        /// Further options of `ssh`, each a word.
        options: Vec<String>,
    },
    /// From here, with a kubeconfig.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context in it.
        context: String,
    },
    /// Not at all: its evidence was recorded in this file.
    Record(PathBuf),
}

/// What `--list --output json` has of a machine.
#[derive(Default, Serialize)]
struct Listed<'m> {
    name: &'m str,
    via: &'static str,
    address: Option<&'m str>,
    user: Option<&'m str>,
    port: Option<u16>,
    context: Option<&'m str>,
    kubeconfig: Option<&'m Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'m Path>,
}

impl Serialize for Machine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, way } = self;
        let listed = match way {
            Way::Ssh { address, user, port, options: _ } => Listed {
                via: "ssh",
                address: Some(address),
                user: user.as_deref(),
                port: *port,
                ..Listed::default()
            },
            Way::Kubeconfig { file, context } => Listed {
                via: "kubeconfig",
                context: Some(context),
                kubeconfig: Some(file),
                ..Listed::default()
            },
            Way::Record(file) => Listed { via: "record", record: Some(file), ..Listed::default() },
        };
        Listed { name, ..listed }.serialize(serializer)
    }
}

impl Machine {
    /// A machine that is reached over `ssh`, under its own name and with the defaults.
    ///
    /// # Errors
    ///
    /// When the text cannot be the name of a host.
    pub fn of_host(host: &str) -> Result<Self, String> {
        let (user, rest) = match host.rsplit_once('@') {
            Some((user, rest)) => (Some(checked(user, "user")?), rest),
            None => (None, host),
        };
        let (address, port) = split_port(rest)?;
        let address = checked(address, "host")?;
        let way = Way::Ssh { address: address.clone(), user, port, options: Vec::new() };
        Ok(Self { name: address, way })
    }
}

/// Splits `host:22` and `[::1]:22`; a bare IPv6 address has no port.
pub(super) fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) {
        let port = rest.strip_prefix(':').map(parse_port).transpose()?;
        return Ok((address, port));
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => Ok((address, Some(parse_port(port)?))),
        _ => Ok((text, None)),
    }
}

/// Reads a port.
pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("`{text}` is no port: write a number from 1 to 65535"))
}

/// Checks a host, a user or a name of a machine: it must not look like an option of `ssh`, nor like a path.
pub(super) fn checked(text: &str, what: &str) -> Result<String, String> {
    if text.contains("{{") || text.contains("{%") {
        return Err(format!("the {what} `{text}` is a template, which only Ansible can resolve"));
    }
    let is_good = |it: char| it.is_alphanumeric() || "._-:%+".contains(it);
    let is_word = !text.is_empty() && text.len() <= HOST && text.chars().all(is_good);
    if !is_word || text.starts_with(['-', '.']) {
        return Err(format!("`{text}` is no name of a {what}"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("vm01", "vm01", None, None)]
    #[case("student@vm01.example.com:2222", "vm01.example.com", Some("student"), Some(2222))]
    #[case("[2001:db8::1]:22", "2001:db8::1", None, Some(22))]
    #[case("2001:db8::1", "2001:db8::1", None, None)]
    fn host_has_an_address_a_user_and_a_port(
        #[case] text: &str,
        #[case] address: &str,
        #[case] user: Option<&str>,
        #[case] port: Option<u16>,
    ) {
        let way = Way::Ssh {
            address: address.into(),
            user: user.map(Into::into),
            port,
            options: Vec::new(),
        };
        assert_eq!(Machine::of_host(text), Ok(Machine { name: address.into(), way }));
    }

    #[rstest]
    #[case::option("-oProxyCommand=sh")]
    #[case::user_as_option("-l@vm1")]
    #[case::path("../vm1")]
    #[case::markup("<script>")]
    #[case::two_words("vm1 vm2")]
    #[case::empty("")]
    #[case::template("{{ host }}")]
    #[case::no_port("vm1:ssh")]
    #[case::port_zero("vm1:0")]
    fn text_that_is_no_host_is_refused(#[case] text: &str) {
        assert!(Machine::of_host(text).is_err());
    }
}
