//! A TCP proxy that delays what passes, as distance does: bytes arrive later, no fewer of them in a second.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes passed on in one piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces on their way in one direction of a connection.
const PIECES_MAX: usize = 256;

/// A listening proxy. Its threads end with their connections; the listener ends with the process.
#[derive(Debug)]
pub(super) struct DelayProxy {
    address: SocketAddr,
}

type Piece = (Instant, Vec<u8>);

impl DelayProxy {
    /// Listens on loopback and passes connections on to `server`; `round_trip` is added to each round trip, half of it
    /// in either direction.
    ///
    /// # Errors
    /// When no port can be had.
    pub(super) fn start(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to listen on loopback")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is gone closes the client's connection, which says it.
                let _ = TcpStream::connect(server)
                    .and_then(|server| join(client, server, round_trip / 2));
            }
        });
        Ok(Self { address })
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn join(client: TcpStream, server: TcpStream, delay: Duration) -> std::io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    carry(client.try_clone()?, server.try_clone()?, delay);
    carry(server, client, delay);
    Ok(())
}

/// Carries one direction: one thread reads, another writes what is due.
fn carry(from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, receiver) = sync_channel(PIECES_MAX);
    thread::spawn(move || read(from, &sender, delay));
    thread::spawn(move || write(to, &receiver));
}

fn read(mut from: TcpStream, pieces: &SyncSender<Piece>, delay: Duration) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let piece = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => buffer[..bytes].to_vec(),
        };
        if pieces.send((Instant::now() + delay, piece)).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, pieces: &Receiver<Piece>) {
    for (due, piece) in pieces {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // The other side has ended, and so does this one.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_the_delay_and_carries_every_byte() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = echo.local_addr().unwrap();
        thread::spawn(move || {
            for stream in echo.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = stream.try_clone().unwrap();
                std::io::copy(&mut reader, &mut stream).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            }
        });
        let proxy = DelayProxy::start(server, Duration::from_millis(40)).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let started = Instant::now();
        let mut writer = client.try_clone().unwrap();
        let text = sent.clone();
        thread::spawn(move || {
            writer.write_all(&text).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(40));
        assert!(received == sent);
    }
}
