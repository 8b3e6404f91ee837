//! A slow way to a server: every piece that a client sends is held up before it goes on.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A proxy on the loopback interface. It ends with the program.
pub(crate) struct Slow {
    address: SocketAddr,
}

impl Slow {
    /// Listens, and hands everything on to `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) fn before(server: &str, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on loopback")?;
        let address = listener.local_addr()?;
        let server = server.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that gets no connection sees that it is closed.
                if let Ok(server) = TcpStream::connect(&server) {
                    let _ = hand_on(&client, &server, delay);
                }
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn hand_on(client: &TcpStream, server: &TcpStream, delay: Duration) -> std::io::Result<()> {
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from, to, Some(delay)));
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || copy(from, to, None));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, delay: Option<Duration>) {
    // Nobody ever sends: the receiver is a clock that can be waited on.
    let (_sender, clock) = mpsc::channel::<()>();
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if let Some(delay) = delay {
            let _ = clock.recv_timeout(delay);
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_a_client_sends_arrives_late_and_whole() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let delay = Duration::from_millis(60);
        let slow = Slow::before(&server.local_addr().unwrap().to_string(), delay).unwrap();
        let mut client = TcpStream::connect(slow.address()).unwrap();
        let (mut peer, _) = server.accept().unwrap();
        let start = Instant::now();
        client.write_all(b"hello").unwrap();
        let mut seen = [0; 5];
        peer.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"hello");
        assert!(start.elapsed() >= delay);
    }
}
