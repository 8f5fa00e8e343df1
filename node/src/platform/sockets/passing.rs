//! Sockets over a socket: the kernel hands descriptors to another process beside a message, so that no number has to be
//! trusted.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::Named;

/// Most sockets in one message.
const SOCKETS_MAX: usize = 16;
/// Room for their names, in bytes.
const NAMES_BYTES: usize = 4 * 1024;

/// Passes `sockets` on.
pub(crate) fn send(to: &UnixStream, sockets: &[Named]) -> io::Result<()> {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
    let names = serde_json::json!(names).to_string();
    if sockets.len() > SOCKETS_MAX || names.len() > NAMES_BYTES {
        return Err(io::Error::other("too many sockets to pass on"));
    }
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let fits = beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(to, &[IoSlice::new(names.as_bytes())], &mut beside, SendFlags::NOSIGNAL)?;
    if fits && sent == names.len() {
        Ok(())
    } else {
        Err(io::Error::other("the sockets were not passed on whole"))
    }
}

/// Takes what [`send`] passed on. Waits as long as the timeout of `from` says.
pub(crate) fn receive(from: &UnixStream) -> io::Result<Vec<Named>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut names = [0; NAMES_BYTES];
    let read = recvmsg(from, &mut [IoSliceMut::new(&mut names)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors: Vec<OwnedFd> = beside
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        })
        .flatten()
        .collect();
    let names = names.get(..read.bytes).unwrap_or_default();
    let names: Vec<String> = serde_json::from_slice(names).map_err(io::Error::other)?;
    if names.len() != descriptors.len() {
        return Err(io::Error::other("there are not as many sockets as names"));
    }
    Ok(names.into_iter().zip(descriptors.into_iter().map(TcpListener::from)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_the_same_on_the_other_side() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sockets =
            ["gateway", "mesh"].map(|name| (name.to_owned(), TcpListener::bind("127.0.0.1:0").unwrap()));
        send(&ours, &sockets).unwrap();
        let received = receive(&theirs).unwrap();
        let describe = |sockets: &[Named]| -> Vec<_> {
            sockets.iter().map(|(name, socket)| (name.clone(), socket.local_addr().unwrap())).collect()
        };
        assert_eq!(describe(&received), describe(&sockets));
        drop(sockets);
        let address = received[0].1.local_addr().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok(), "it listens although the first owner is gone");
        drop(ours);
        assert!(receive(&theirs).is_err());
    }
}
