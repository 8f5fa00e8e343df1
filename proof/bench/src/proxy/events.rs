//! Which sockets have something to say: epoll, without a runtime between it and those who measure.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Sockets that are waited for, each with a token.
pub(crate) struct Events {
    epoll: OwnedFd,
    ready: Vec<Event>,
}

/// What is waited for at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Both,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN | EventFlags::RDHUP,
            Self::Both => EventFlags::IN | EventFlags::RDHUP | EventFlags::OUT,
        }
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { epoll: epoll::create(CreateFlags::CLOEXEC).unwrap(), ready: Vec::with_capacity(256) }
    }

    /// A socket that is closed leaves by itself.
    pub(crate) fn add(&self, socket: &impl AsFd, token: u64) {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), Interest::Read.flags()).unwrap();
    }

    pub(crate) fn modify(&self, socket: &impl AsFd, token: u64, interest: Interest) {
        epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest.flags()).unwrap();
    }

    /// The tokens of those that are ready; waits until there is one.
    pub(crate) fn wait(&mut self) -> impl Iterator<Item = u64> + use<> {
        self.ready.clear();
        // A signal is no event; the next call waits on.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut self.ready), None);
        let tokens: Vec<u64> = self.ready.iter().map(|event| event.data.u64()).collect();
        tokens.into_iter()
    }
}
