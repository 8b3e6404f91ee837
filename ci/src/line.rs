//! The way to a server: it can be cut and fixed, and it can be slow.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::wait::pass;

/// A proxy on the loopback interface. It ends with the program.
pub(crate) struct Line {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    open: Vec<TcpStream>,
}

impl Line {
    /// Listens, and hands everything on to `server`; what a client sends is held up for so long.
    pub(crate) fn new(server: &str, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on loopback")?;
        let address = listener.local_addr()?;
        let state: Arc<Mutex<State>> = Arc::default();
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that gets no connection sees that it is closed.
                let _ = hand_on(&client, &server, delay, &shared);
            }
        });
        Ok(Self { address, state })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and takes no other.
    pub(crate) fn cut(&self) {
        let mut state = locked(&self.state);
        state.cut = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub(crate) fn mend(&self) {
        locked(&self.state).cut = false;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hand_on(
    client: &TcpStream,
    server: &str,
    delay: Duration,
    state: &Mutex<State>,
) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    {
        let mut state = locked(state);
        if state.cut {
            return client.shutdown(Shutdown::Both);
        }
        state.open.extend([client.try_clone()?, server.try_clone()?]);
    }
    for (from, to, delay) in [(client, &server, delay), (&server, client, Duration::ZERO)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || copy(from, to, delay));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if !delay.is_zero() {
            pass(delay);
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
    fn cut_line_does_not_answer_until_it_is_restored() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line::new(&server.local_addr().unwrap().to_string(), Duration::ZERO).unwrap();
        let echo = |text: &[u8]| -> io::Result<Vec<u8>> {
            let mut client = TcpStream::connect(line.address())?;
            client.write_all(text)?;
            client.shutdown(Shutdown::Write)?;
            let mut seen = Vec::new();
            client.read_to_end(&mut seen)?;
            Ok(seen)
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                for mut peer in server.incoming().take(3).flatten() {
                    let mut seen = Vec::new();
                    let _ = peer.read_to_end(&mut seen);
                    let _ = peer.write_all(&seen);
                }
            });
            assert_eq!(echo(b"one").unwrap(), b"one");
            line.cut();
            assert_ne!(echo(b"two").unwrap_or_default(), b"two");
            line.mend();
            assert_eq!(echo(b"three").unwrap(), b"three");
        });
    }

    #[test]
    fn slow_line_delivers_everything_late() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let delay = Duration::from_millis(60);
        let slow = Line::new(&server.local_addr().unwrap().to_string(), delay).unwrap();
        let mut client = TcpStream::connect(slow.address()).unwrap();
        let (mut peer, _) = server.accept().unwrap();
        let start = Instant::now();
        client.write_all(b"hello").unwrap();
        let mut received = [0; 5];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"hello");
        assert!(start.elapsed() >= delay);
    }
}
