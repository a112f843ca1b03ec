//! The socket between parent and child, with deadlines on the parent's side.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Files that go with the first request.
const FILES_MAX: usize = 2;

/// A stream whose reads and writes all end by one deadline.
pub(super) struct Deadlined<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
}

impl<'a> Deadlined<'a> {
    pub(super) fn new(stream: &'a UnixStream, timeout: Duration) -> Self {
        Self {
            stream,
            deadline: Instant::now() + timeout,
        }
    }

    fn remaining(&self) -> io::Result<Duration> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(remaining)
    }
}

impl Read for Deadlined<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.remaining()?))?;
        let mut stream = self.stream;
        stream.read(buffer).map_err(would_block_is_timeout)
    }
}

impl Write for Deadlined<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.remaining()?))?;
        let mut stream = self.stream;
        stream.write(buffer).map_err(would_block_is_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block_is_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

/// Sends one byte that carries open files.
pub(super) fn send_files(
    socket: BorrowedFd<'_>,
    files: [BorrowedFd<'_>; FILES_MAX],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    let sent = rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&[0])],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    if sent == 1 {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Receives what [`send_files`] has sent.
///
/// # Errors
/// Those of the socket; `InvalidData` when the byte carries another number of files.
pub fn receive_files(socket: &impl AsFd) -> io::Result<[OwnedFd; FILES_MAX]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0_u8; 1];
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    files
        .try_into()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "two open files were due"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_cross_the_socket() {
        let (parent, child) = UnixStream::pair().unwrap();
        let first = tempfile::tempfile().unwrap();
        let second = tempfile::tempfile().unwrap();
        send_files(parent.as_fd(), [first.as_fd(), second.as_fd()]).unwrap();
        let [one, two] = receive_files(&child).unwrap().map(File::from);
        assert_eq!(
            one.metadata().unwrap().ino(),
            first.metadata().unwrap().ino()
        );
        assert_eq!(
            two.metadata().unwrap().ino(),
            second.metadata().unwrap().ino()
        );
    }

    #[test]
    fn a_silent_peer_times_out() {
        let (parent, _child) = UnixStream::pair().unwrap();
        let started = Instant::now();
        let mut stream = Deadlined::new(&parent, Duration::from_millis(30));
        let error = stream.read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
