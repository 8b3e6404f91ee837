//! What the kernel can do to packets: rules tried in a network namespace of meshcheck, and where its modules
//! are.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::{Kernel, Module, RuleTry};

use super::{KernelFiles, system};
use crate::process::{Call, ProcessError};

/// Rules of every sort that `istio-init` makes. They live and end with the namespace.
const RULES: &str = "*nat
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
COMMIT
";

/// Either does: istio-init takes the one that the kernel has.
const PROGRAMS: [&str; 2] = ["iptables-nft-restore", "iptables-legacy-restore"];

/// Where there are not two of them.
const PLAIN: &str = "iptables-restore";

/// The modules that the rules need, and the option with which each is built into a kernel.
const MODULES: [(&str, &str); 5] = [
    ("iptable_nat", "CONFIG_IP_NF_NAT"),
    ("nft_chain_nat", "CONFIG_NFT_NAT"),
    ("xt_REDIRECT", "CONFIG_NETFILTER_XT_TARGET_REDIRECT"),
    ("xt_owner", "CONFIG_NETFILTER_XT_MATCH_OWNER"),
    ("nf_conntrack", "CONFIG_NF_CONNTRACK"),
];

/// How much of a kernel's configuration is read. Seen: 300 KiB.
const CONFIG_LIMIT: u64 = 4 << 20;

/// Looks at it.
pub(super) async fn collect(kernel_files: &KernelFiles, limit: Duration) -> Observation<Kernel> {
    let release = system::read(kernel_files, limit, |kernel_files| {
        kernel_files.read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned())
    });
    let (release, as_root, modules) = tokio::join!(
        release,
        system::read(kernel_files, limit, |kernel_files| Ok(is_root(kernel_files))),
        system::read(kernel_files, limit, modules),
    );
    let as_root = as_root.value().copied().unwrap_or_default();
    let tries = tries(as_root, limit).await;
    release.map(|release| Kernel { release, as_root, tries, modules })
}

/// Whether we are root of the machine, not of a user namespace, where the kernel may refuse for other reasons.
fn is_root(kernel_files: &KernelFiles) -> bool {
    let map = kernel_files.read("/proc/self/uid_map").unwrap_or_default();
    let words: Vec<_> = map.split_whitespace().collect();
    nix::unistd::geteuid().is_root() && words == ["0", "0", "4294967295"]
}

/// Gives the rules to every program that is there, each in a namespace of its own.
async fn tries(as_root: bool, limit: Duration) -> Observation<Vec<RuleTry>> {
    let mut tried = Vec::new();
    let both = PROGRAMS.map(|program| try_with(program, as_root, limit));
    for outcome in futures::future::join_all(both).await {
        match outcome {
            Ok(one) => tried.extend(one),
            Err(reason) => return Observation::failed(reason),
        }
    }
    if tried.is_empty() {
        match try_with(PLAIN, as_root, limit).await {
            Ok(one) => tried.extend(one),
            Err(reason) => return Observation::failed(reason),
        }
    }
    Observation::seen(tried)
}

/// What a program made of the rules; nothing where there is no such program.
async fn try_with(
    program: &str,
    as_root: bool,
    limit: Duration,
) -> Result<Option<RuleTry>, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let own: &[&str] = if as_root { &["--net"] } else { &["--user", "--map-root-user", "--net"] };
    let call = Call::new("unshare")
        .args(own)
        .arg(program)
        // Where it is on Debian, and not on the PATH of who is not root.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C")
        .input(rules(as_root))
        .within(limit);
    match call.finish().await {
        Ok(ended) => outcome(program, ended.code, &ended.stderr),
        Err(ProcessError::Start { source, .. }) => Err(format!("starting `unshare`: {source}")),
        Err(error) => Err(error.to_string()),
    }
}

/// In a user namespace of meshcheck there is no user but the one that is us.
fn rules(as_root: bool) -> String {
    if as_root { RULES.to_owned() } else { RULES.replace("1337", "0") }
}

fn outcome(program: &str, code: Option<i32>, stderr: &str) -> Result<Option<RuleTry>, String> {
    let words = stderr.trim().to_owned();
    if code == Some(0) {
        return Ok(Some(RuleTry { program: program.to_owned(), taken: true, words }));
    }
    if words.starts_with("unshare:") {
        // util-linux says `failed to execute`, BusyBox `can't execute`.
        let missing = words.contains("execute") && words.contains("No such file");
        return if missing { Ok(None) } else { Err(words) };
    }
    Ok(Some(RuleTry { program: program.to_owned(), taken: false, words }))
}

/// Where the modules are, as far as that can be read without being root.
fn modules(kernel_files: &KernelFiles) -> Result<BTreeMap<String, Module>, String> {
    let release = kernel_files.read("/proc/sys/kernel/osrelease")?;
    let release = release.trim();
    let loaded = kernel_files.read("/proc/modules").unwrap_or_default();
    let directory = format!("/lib/modules/{release}");
    let built_in = kernel_files.read(&format!("{directory}/modules.builtin"));
    let on_disk = kernel_files.read(&format!("{directory}/modules.dep"));
    let config = config(kernel_files, release);
    let mut found = BTreeMap::new();
    for (name, option) in MODULES {
        let is_loaded = loaded.lines().any(|line| line.split(' ').next() == Some(name));
        let named = |text: &str| text.lines().any(|line| is_module(line, name));
        let state = if is_loaded {
            Module::Loaded
        } else if built_in.as_deref().is_ok_and(named) {
            Module::BuiltIn
        } else if on_disk.as_deref().is_ok_and(named) {
            Module::Loadable
        } else if let Ok(config) = &config {
            match config.lines().find_map(|line| line.strip_prefix(option)?.strip_prefix('=')) {
                Some("y") => Module::BuiltIn,
                // It was built as a module: whether that is on this disk, the lists would have told.
                Some("m") if on_disk.is_err() => continue,
                _ => Module::Missing,
            }
        } else if built_in.is_ok() && on_disk.is_ok() {
            Module::Missing
        } else {
            continue;
        };
        found.insert(name.to_owned(), state);
    }
    if found.is_empty() {
        let why = on_disk.err().or(built_in.err()).unwrap_or_default();
        return Err(format!("{why}; {}", config.err().unwrap_or_default()));
    }
    Ok(found)
}

/// Whether a line of `modules.dep` or `modules.builtin` is this module's:
/// `kernel/net/netfilter/xt_owner.ko.xz: kernel/net/netfilter/x_tables.ko.xz`.
fn is_module(line: &str, name: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split('.').next() == Some(name)
}

/// The configuration that the kernel was built with.
fn config(kernel_files: &KernelFiles, release: &str) -> Result<String, String> {
    if let Ok(text) = kernel_files.read(&format!("/boot/config-{release}")) {
        return Ok(text);
    }
    let packed = std::fs::File::open(kernel_files.at("/proc/config.gz"))
        .map_err(|error| format!("/proc/config.gz: {error}"))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .take(CONFIG_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| format!("/proc/config.gz: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    fn kernel(files: &[(&str, &str)]) -> (tempfile::TempDir, KernelFiles) {
        let root = tempfile::tempdir().unwrap();
        let all = [("proc/sys/kernel/osrelease", "6.1\n")];
        for (path, text) in all.iter().chain(files) {
            write(root.path(), path, text.as_bytes());
        }
        let kernel_files = KernelFiles::below(root.path());
        (root, kernel_files)
    }

    fn write(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    const DEP: &str = "kernel/net/netfilter/xt_owner.ko.xz: kernel/net/netfilter/x_tables.ko.xz\n\
                       kernel/net/ipv4/netfilter/iptable_nat.ko: kernel/x/xt_REDIRECT.ko\n";
    const BUILT_IN: &str = "kernel/net/netfilter/nf_conntrack.ko\n";

    #[test]
    fn loaded_and_built_in_modules_are_found() {
        let (_root, kernel_files) = kernel(&[
            ("lib/modules/6.1/modules.dep", DEP),
            ("lib/modules/6.1/modules.builtin", BUILT_IN),
            ("proc/modules", "iptable_nat 16384 1 - Live 0x0\nxt_REDIRECTS 1 0 - Live 0x0\n"),
        ]);
        let found = modules(&kernel_files).unwrap();
        assert_eq!(found["iptable_nat"], Module::Loaded);
        assert_eq!(found["xt_owner"], Module::Loadable);
        assert_eq!(found["nf_conntrack"], Module::BuiltIn);
        // Another module depends on it, and it is not there itself.
        assert_eq!(found["xt_REDIRECT"], Module::Missing);
    }

    #[test]
    fn one_list_of_modules_alone_shows_none_as_missing() {
        let (_root, kernel_files) = kernel(&[("lib/modules/6.1/modules.dep", DEP)]);
        let found = modules(&kernel_files).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["iptable_nat", "xt_owner"]);
    }

    #[test]
    fn kernel_without_modules_is_read_from_its_configuration() {
        let (root, kernel_files) = kernel(&[]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let text =
            "CONFIG_IP_NF_NAT=y\nCONFIG_NFT_NAT=m\n# CONFIG_NETFILTER_XT_MATCH_OWNER is not set\n";
        packed.write_all(text.as_bytes()).unwrap();
        write(root.path(), "proc/config.gz", &packed.finish().unwrap());
        let found = modules(&kernel_files).unwrap();
        assert_eq!(found["iptable_nat"], Module::BuiltIn);
        assert_eq!(found["xt_owner"], Module::Missing);
        assert!(!found.contains_key("nft_chain_nat"), "whether it is on the disk is not known");
    }

    #[test]
    fn unreadable_kernel_files_have_a_reason() {
        let (_root, kernel_files) = kernel(&[]);
        let reason = modules(&kernel_files).unwrap_err();
        assert!(reason.contains("modules.dep") && reason.contains("config.gz"), "{reason}");
    }

    #[rstest]
    #[case(Some(0), "", Some(true))]
    #[case(Some(1), "iptables-restore: unable to initialize table 'nat'", Some(false))]
    #[case(
        Some(127),
        "unshare: failed to execute iptables-nft-restore: No such file or directory",
        None
    )]
    fn exit_code_shows_the_result_of_the_attempt(
        #[case] code: Option<i32>,
        #[case] words: &str,
        #[case] taken: Option<bool>,
    ) {
        let outcome = outcome("iptables-nft-restore", code, words).unwrap();
        assert_eq!(outcome.map(|it| it.taken), taken);
    }

    #[test]
    fn unavailable_network_namespace_is_no_refusal() {
        let words = "unshare: unshare failed: Operation not permitted";
        assert_eq!(outcome("x", Some(1), words).unwrap_err(), words);
    }
}
