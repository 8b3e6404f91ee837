//! Which build of a program fits this machine, in the words of each publisher.

use std::env::consts;

use serde::{Deserialize, Serialize};

use super::SourceError;

/// A machine that releases exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    mac: bool,
    arm: bool,
}

impl Platform {
    /// This machine.
    ///
    /// # Errors
    /// When no release is published for it.
    pub fn here() -> Result<Self, SourceError> {
        Self::new(consts::OS, consts::ARCH)
    }

    /// The platform with the names that Rust gives it: `linux`, `x86_64`.
    ///
    /// # Errors
    /// When no release is published for it.
    pub fn new(system: &str, architecture: &str) -> Result<Self, SourceError> {
        let unknown = || SourceError::Platform {
            system: system.to_owned(),
            architecture: architecture.to_owned(),
        };
        let mac = match system {
            "linux" => false,
            "macos" => true,
            _ => return Err(unknown()),
        };
        let arm = match architecture {
            "x86_64" => false,
            "aarch64" => true,
            _ => return Err(unknown()),
        };
        Ok(Self { mac, arm })
    }

    /// The architecture as Go and image registries name it.
    pub fn architecture(self) -> &'static str {
        if self.arm { "arm64" } else { "amd64" }
    }

    /// The platform as kind names its programs.
    pub fn kind(self) -> &'static str {
        match (self.mac, self.arm) {
            (false, false) => "linux-amd64",
            (false, true) => "linux-arm64",
            (true, false) => "darwin-amd64",
            (true, true) => "darwin-arm64",
        }
    }

    /// The platform as Istio names its archives: its Intel Mac build has no architecture.
    pub fn istio(self) -> &'static str {
        match (self.mac, self.arm) {
            (false, false) => "linux-amd64",
            (false, true) => "linux-arm64",
            (true, false) => "osx",
            (true, true) => "osx-arm64",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("linux", "x86_64", "linux-amd64", "linux-amd64", "amd64")]
    #[case("linux", "aarch64", "linux-arm64", "linux-arm64", "arm64")]
    #[case("macos", "x86_64", "osx", "darwin-amd64", "amd64")]
    #[case("macos", "aarch64", "osx-arm64", "darwin-arm64", "arm64")]
    fn each_publisher_has_its_own_names(
        #[case] system: &str,
        #[case] architecture: &str,
        #[case] istio: &str,
        #[case] kind: &str,
        #[case] image: &str,
    ) {
        let platform = Platform::new(system, architecture).unwrap();
        assert_eq!(platform.istio(), istio);
        assert_eq!(platform.kind(), kind);
        assert_eq!(platform.architecture(), image);
    }

    #[rstest]
    #[case("windows", "x86_64")]
    #[case("linux", "riscv64")]
    fn other_machines_are_refused_by_name(#[case] system: &str, #[case] architecture: &str) {
        let error = Platform::new(system, architecture).unwrap_err().to_string();
        assert!(error.contains(system) && error.contains(architecture), "{error}");
    }
}
