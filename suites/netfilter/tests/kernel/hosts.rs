//! Two hosts of meshcheck: a pod, in which the rules are loaded, and its peer, which answers for every
//! other address.
//!
//! A host is a network namespace without a name: only threads and files of this process hold it. So it
//! goes with the process, interfaces and rules included, however that ends.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd as _;
use std::panic::resume_unwind;
use std::process::{Command, Stdio, id};
use std::sync::{Mutex, PoisonError};
use std::thread;

use meshcheck_netfilter::Family;
use nix::sched::{CloneFlags, setns, unshare};

/// The pod's address on `eth0`.
pub(crate) const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 7);
/// The pod's address on `net1`.
pub(crate) const POD_SECOND: Ipv4Addr = Ipv4Addr::new(10, 245, 0, 7);

const POD_LINK: &str = "02:00:00:00:00:11";
const POD_SECOND_LINK: &str = "02:00:00:00:00:21";
const PEER_LINK: &str = "02:00:00:00:00:12";
const PEER_SECOND_LINK: &str = "02:00:00:00:00:22";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The one with the rules.
    Pod,
    /// The rest of the world.
    Peer,
}

/// The address of a family that stands for one of IPv4, by which these tests name all of them: `::1`, `::6`, and
/// those of a network whose last bits are the other's.
pub(crate) fn in_family(family: Family, address: Ipv4Addr) -> IpAddr {
    match family {
        Family::V4 => address.into(),
        Family::V6 if address.is_loopback() => {
            Ipv6Addr::from(u128::from(address.octets()[3])).into()
        }
        Family::V6 => {
            let network = u128::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0));
            Ipv6Addr::from(network | u128::from(address.to_bits())).into()
        }
    }
}

/// Where an address is, seen from the pod.
pub(crate) fn place_of(address: IpAddr) -> Place {
    let own = [POD, POD_SECOND, Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 6)];
    let family = Family::of(address);
    let is_own = own.into_iter().any(|it| in_family(family, it) == address);
    if is_own || address.is_loopback() { Place::Pod } else { Place::Peer }
}

/// The interface by which the pod reaches an address.
pub(crate) fn interface_to(address: Ipv4Addr) -> &'static str {
    match (place_of(address.into()), address.octets()) {
        (Place::Pod, _) => "lo",
        (Place::Peer, [10, 245, 0, _] | [198, 51, 100, _]) => "net1",
        (Place::Peer, _) => "eth0",
    }
}

/// One at a time. A program that another thread starts holds this one's sockets until it has begun: a
/// listener that is closed here would still take connections there.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs something in a thread of its own: a thread that has been in a namespace of meshcheck serves for
/// nothing else.
pub(crate) fn in_own_thread(work: impl FnOnce() + Send) {
    // What fails leaves nothing behind that others would see.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("meshcheck-kernel-test".into());
        if let Err(panicked) = thread.spawn_scoped(scope, work).unwrap().join() {
            resume_unwind(panicked);
        }
    });
}

/// Both hosts.
pub(crate) struct Hosts {
    pod: File,
    peer: File,
}

impl Hosts {
    /// Makes both, and what connects them.
    pub(crate) fn new() -> Self {
        let hosts = Self { pod: namespace(), peer: namespace() };
        for place in [Place::Pod, Place::Peer] {
            hosts.enter(place);
            settings(place);
        }
        hosts.enter(Place::Pod);
        let peer = format!("/proc/{}/fd/{}", id(), hosts.peer.as_raw_fd());
        batch(&format!(
            "link set lo up
             link add eth0 type veth peer name eth0 netns {peer}
             link add net1 type veth peer name net1 netns {peer}
             link set eth0 alias meshcheck-kernel-test
             link set net1 alias meshcheck-kernel-test
             link set eth0 address {POD_LINK}
             link set net1 address {POD_SECOND_LINK}
             address add {POD}/24 dev eth0
             address add {POD_SECOND}/24 dev net1
             link set eth0 up
             link set net1 up"
        ));
        hosts.enter(Place::Peer);
        batch(&format!(
            "link set eth0 address {PEER_LINK}
             link set net1 address {PEER_SECOND_LINK}"
        ));
        // Addresses of all networks of a local route are the peer's own. 192.0.2.0/24 is behind the pod
        // for what the peer sends, and the peer's own for what arrives there.
        batch(&format!(
            "link set lo up
             address add 10.244.0.1/24 dev eth0
             address add 10.245.0.1/24 dev net1
             link set eth0 up
             link set net1 up
             route add local 10.96.0.0/12 dev lo
             route add local 203.0.113.0/24 dev lo
             route add local 198.51.100.0/24 dev lo
             route add 192.0.2.0/24 via {POD}
             rule add iif eth0 lookup 100
             route add local 192.0.2.0/24 dev lo table 100"
        ));
        hosts.enter(Place::Pod);
        batch(
            "route add default via 10.244.0.1
             route add 198.51.100.0/24 via 10.245.0.1",
        );
        hosts.connect_v6();
        hosts
    }

    /// The same with addresses of IPv6. Who has which is given, not asked for: the rules would apply to the questions.
    fn connect_v6(&self) {
        let v6 = |a, b, c, d| in_family(Family::V6, Ipv4Addr::new(a, b, c, d));
        let (pod, second) = (in_family(Family::V6, POD), in_family(Family::V6, POD_SECOND));
        let (gateway, second_gateway) = (v6(10, 244, 0, 1), v6(10, 245, 0, 1));
        let passthrough = v6(127, 0, 0, 6);
        batch_v6(&format!(
            "address add {pod}/120 dev eth0 nodad
             address add {second}/120 dev net1 nodad
             address add {passthrough}/128 dev lo
             neighbour add {gateway} lladdr {PEER_LINK} dev eth0 nud permanent
             neighbour add {second_gateway} lladdr {PEER_SECOND_LINK} dev net1 nud permanent
             route add default via {gateway}
             route add {}/120 via {second_gateway}",
            v6(198, 51, 100, 0)
        ));
        self.enter(Place::Peer);
        let behind = v6(192, 0, 2, 0);
        batch_v6(&format!(
            "address add {gateway}/120 dev eth0 nodad
             address add {second_gateway}/120 dev net1 nodad
             neighbour add {pod} lladdr {POD_LINK} dev eth0 nud permanent
             neighbour add {second} lladdr {POD_SECOND_LINK} dev net1 nud permanent
             route add local {}/108 dev lo
             route add local {}/120 dev lo
             route add local {}/120 dev lo
             route add {behind}/120 via {pod}
             rule add iif eth0 lookup 100
             route add local {behind}/120 dev lo table 100",
            v6(10, 96, 0, 0),
            v6(203, 0, 113, 0),
            v6(198, 51, 100, 0)
        ));
        self.enter(Place::Pod);
    }

    /// From here on this thread, and what it starts, is on that host.
    pub(crate) fn enter(&self, place: Place) {
        let namespace = if place == Place::Pod { &self.pod } else { &self.peer };
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("a network namespace of our own");
    }
}

fn namespace() -> File {
    unshare(CloneFlags::CLONE_NEWNET)
        .expect("this test makes network namespaces: run it as root, outside of a sandbox");
    File::open("/proc/thread-self/ns/net").expect("/proc")
}

/// Only the rules are to decide: nothing is refused for where it seems to come from, and every
/// refusal is reported.
fn settings(place: Place) {
    let set = |name: &str, value: &str| {
        let path = format!("/proc/sys/net/{name}");
        fs::write(&path, value).unwrap_or_else(|error| panic!("setting {path}: {error}"));
    };
    // It sets others, so it comes first.
    let forwards = if place == Place::Pod { "1" } else { "0" };
    set("ipv4/ip_forward", forwards);
    for whose in ["all", "default"] {
        for (name, value) in [
            ("ipv4/conf/*/rp_filter", "0"),
            ("ipv4/conf/*/accept_local", "1"),
            ("ipv4/conf/*/route_localnet", "1"),
            ("ipv4/conf/*/send_redirects", "0"),
            ("ipv6/conf/*/disable_ipv6", "0"),
            ("ipv6/conf/*/forwarding", forwards),
            ("ipv6/conf/*/accept_ra", "0"),
            ("ipv6/conf/*/accept_dad", "0"),
            ("ipv6/conf/*/router_solicitations", "0"),
        ] {
            set(&name.replace('*', whose), value);
        }
    }
    set("ipv4/icmp_ratelimit", "0");
    set("ipv4/icmp_ratemask", "0");
    set("ipv6/icmp/ratelimit", "0");
    // For addresses of a local route, of which none is an interface's own.
    set("ipv6/ip_nonlocal_bind", "1");
}

/// Runs commands of `ip` on this host.
pub(crate) fn batch(commands: &str) {
    run("ip", &["-batch", "-"], commands).unwrap_or_else(|said| panic!("ip: {said}"));
}

fn batch_v6(commands: &str) {
    run("ip", &["-6", "-batch", "-"], commands).unwrap_or_else(|said| panic!("ip -6: {said}"));
}

/// Runs a program with a text as its input: what it printed, or what it complained of.
pub(crate) fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    // They are where only root's `PATH` looks.
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("this test needs {program}, of Debian's packages iptables and iproute2: {error}")
        });
    // A program that refuses what it has read may be gone before the rest: it says why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
