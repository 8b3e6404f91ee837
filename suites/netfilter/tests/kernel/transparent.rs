//! Interception without rewriting (`-m TPROXY`): who takes a connection, the proxy or the application, is
//! seen by taking it. A look at packets cannot tell: they are not changed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use meshcheck_netfilter::{Family, Outcome, Packet, parse, walk};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use rstest::rstest;
use std::os::fd::AsFd as _;

use crate::bench::Bench;
use crate::hosts::{POD, POD_SECOND, Place, batch, in_own_thread};
use crate::packets::{BEHIND, arriving};

/// The mark and the routing table that istio-init gives what its rules mark.
const ROUTED: &str = "rule add fwmark 1337 lookup 133
                      route add local default dev lo table 133";

/// How long a connection may take.
const CEILING: Duration = Duration::from_secs(5);

/// Where the applications of the pod listen.
const APPLICATIONS: [u16; 4] = [80, 5678, 15021, 15090];

/// What istio-init programs with `-m TPROXY`, with these ports left out, and the proxy at this one.
fn rules(left_out: &[u16], proxy: u16) -> String {
    let left_out: Vec<_> = left_out
        .iter()
        .map(|port| format!("-A ISTIO_INBOUND -p tcp --dport {port} -j RETURN\n"))
        .collect();
    let left_out = left_out.concat();
    format!(
        "*mangle
-N ISTIO_DIVERT
-N ISTIO_TPROXY
-N ISTIO_INBOUND
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port {proxy}
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp -m mark --mark 1337 -j RETURN
-A ISTIO_INBOUND -p tcp -s 127.0.0.6/32 -i lo -j RETURN
{left_out}-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
COMMIT
"
    )
}

/// Who listens in the pod, and at which port.
struct Listeners(Vec<(u16, TcpListener)>);

impl Listeners {
    fn new(proxies: &[u16]) -> Self {
        let listen = |port: &u16| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            (*port, listener)
        };
        let all: Vec<_> = APPLICATIONS.iter().chain(proxies).map(listen).collect();
        for (port, listener) in &all {
            if proxies.contains(port) {
                setsockopt(listener, sockopt::IpTransparent, &true).unwrap();
            }
        }
        Self(all)
    }

    /// The connection that comes next: who takes it, and where its other end believes to be.
    fn taken(&self) -> Option<(u16, TcpStream)> {
        let until = Instant::now() + CEILING;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let mut asked: Vec<_> =
                self.0.iter().map(|(_, it)| PollFd::new(it.as_fd(), PollFlags::POLLIN)).collect();
            poll(&mut asked, PollTimeout::try_from(left).unwrap()).unwrap();
            for (port, listener) in &self.0 {
                match listener.accept() {
                    Ok((stream, _)) => return Some((*port, stream)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("taking a connection: {error}"),
                }
            }
        }
        None
    }
}

#[rstest]
#[ignore = "needs root, iptables and network namespaces: `cargo xtask test` runs it"]
fn needs_netns_the_transparent_proxy_takes_what_the_walker_says(
    #[values("iptables-legacy", "iptables-nft")] flavour: &'static str,
) {
    in_own_thread(|| {
        let mut bench = Bench::new(flavour, Family::V4);
        bench.hosts.enter(Place::Pod);
        batch(ROUTED);
        let (mut by_proxy, mut by_application) = (0, 0);
        for proxy in [15006, 15007] {
            bench.hosts.enter(Place::Pod);
            let listeners = Listeners::new(&[proxy]);
            for choice in 0..1 << APPLICATIONS.len() {
                let chosen = |at: &usize| choice & (1 << at) != 0;
                let left_out: Vec<_> =
                    (0..APPLICATIONS.len()).filter(chosen).map(|at| APPLICATIONS[at]).collect();
                let text = rules(&left_out, proxy);
                bench.load(&text).unwrap_or_else(|said| panic!("{flavour}: {said}\n{text}"));
                let parsed = parse(&text).unwrap();
                for (to, interface) in [(POD, "eth0"), (POD_SECOND, "net1"), (BEHIND, "eth0")] {
                    for port in APPLICATIONS {
                        let from =
                            if interface == "net1" { [10, 245, 0, 1] } else { [10, 244, 0, 1] };
                        let packet = Packet {
                            destination_port: port,
                            ..arriving(from.into(), to, interface)
                        };
                        let taker = match walk(&parsed, &packet).outcome {
                            Outcome::TransparentlyProxied { port } => port,
                            Outcome::Accepted if packet.to_this_host => port,
                            // Nobody is there to take it.
                            Outcome::Accepted => continue,
                            other => panic!("{other}: {packet:?}\n{text}"),
                        };
                        bench.hosts.enter(Place::Peer);
                        let told = connection(&listeners, to, port);
                        assert_eq!(
                            told,
                            (taker, SocketAddr::from((to, port))),
                            "{packet:?}\n{text}"
                        );
                        *(if taker == proxy { &mut by_proxy } else { &mut by_application }) += 1;
                    }
                }
            }
        }
        println!("{flavour}: {by_proxy} taken by the proxy, {by_application} by the application");
        assert!(by_proxy >= 150 && by_application >= 100, "{by_proxy}, {by_application}");
    });
}

/// Connects, and sends a word each way: the first packet and those of a known connection go by rules of
/// their own. Who has taken it, and what that believes its own address to be.
fn connection(listeners: &Listeners, to: Ipv4Addr, port: u16) -> (u16, SocketAddr) {
    let address = SocketAddr::V4(SocketAddrV4::new(to, port));
    let mut out = TcpStream::connect_timeout(&address, CEILING)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    let (taker, mut inner) = listeners.taken().unwrap_or_else(|| panic!("nobody took {address}"));
    for stream in [&out, &inner] {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(CEILING)).unwrap();
    }
    let mut word = [0; 4];
    out.write_all(b"ping").unwrap();
    inner.read_exact(&mut word).unwrap_or_else(|error| panic!("the word to {address}: {error}"));
    inner.write_all(&word).unwrap();
    out.read_exact(&mut word).unwrap_or_else(|error| panic!("the answer of {address}: {error}"));
    assert_eq!(&word, b"ping");
    let own = inner.local_addr().unwrap();
    assert!(matches!(own.ip(), IpAddr::V4(_)));
    (taker, own)
}
