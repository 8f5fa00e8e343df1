//! What is said on a connection of HTTP/1.1 before an answer, past its parser, which cannot say it: written whole, in a
//! moment in which the parser has nothing left to write and has not begun with the answer; or not at all.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Interim answers on their way out; nothing most of the time.
#[derive(Debug, Default)]
pub(super) struct Meanwhile(RefCell<Option<Box<Saying>>>);

#[derive(Debug)]
struct Saying {
    bytes: Vec<u8>,
    written: usize,
}

impl Meanwhile {
    /// Has `bytes` written, which are whole interim answers. They are dropped where others still wait.
    pub(super) fn says(&self, bytes: Vec<u8>) {
        self.0.borrow_mut().get_or_insert_with(|| Box::new(Saying { bytes, written: 0 }));
    }

    /// The answer is there: what is not written yet is dropped, unless it is in part.
    pub(super) fn is_over(&self) {
        self.0.borrow_mut().take_if(|saying| saying.written == 0);
    }

    /// Writes to `socket`, whose parser has nothing to write.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut waiting = self.0.borrow_mut();
        while let Some(Saying { bytes, written }) = waiting.as_deref_mut() {
            match ready!(Pin::new(&mut *socket).poll_write(cx, &bytes[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
            if *written == bytes.len() {
                *waiting = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the rest of what is written in part: whatever else there is to write, it comes after that.
    pub(super) fn poll_rest<S: AsyncWrite + Unpin>(
        &self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let has_begun = self.0.borrow().as_ref().is_some_and(|saying| saying.written > 0);
        if has_begun { self.poll_write(socket, cx) } else { Poll::Ready(Ok(())) }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Waker;

    use mamparo_context::Clock;
    use proptest::prelude::*;
    use tokio::io::{AsyncRead, ReadBuf};

    use super::super::wire::{Wire, WireIo};
    use super::*;
    use crate::limits::Limits;

    /// A socket that has room for a few bytes now and then.
    #[derive(Default)]
    struct Narrow {
        room: Rc<RefCell<usize>>,
        taken: Rc<RefCell<Vec<u8>>>,
    }

    impl AsyncRead for Narrow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let mut room = self.room.borrow_mut();
            let count = buf.len().min(*room);
            if count == 0 {
                return Poll::Pending;
            }
            *room -= count;
            self.taken.borrow_mut().extend(&buf[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// The socket has room for so many bytes more.
        Room(usize),
        /// Something is said before an answer.
        Say(usize),
        /// The answer is there, with so many bytes.
        Answer(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..9_usize).prop_map(Step::Room),
            (1..6_usize).prop_map(Step::Say),
            (1..6_usize).prop_map(Step::Answer),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// What the parser does whenever it is polled: writes all it has, then flushes.
    fn poll(io: &mut WireIo<Narrow>, unwritten: &mut Vec<u8>) {
        let cx = &mut Context::from_waker(Waker::noop());
        while !unwritten.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, unwritten) {
                Poll::Ready(count) => drop(unwritten.drain(..count.unwrap())),
                Poll::Pending => return,
            }
        }
        let _ = Pin::new(io).poll_flush(cx);
    }

    proptest! {
        /// Answers are digits, each as often as it is long; what is said meanwhile is `<`, dots and `>`.
        #[test]
        fn what_is_said_meanwhile_stands_whole_between_answers(steps in steps()) {
            let wire = Rc::new(Wire::new(Clock::manual().0.now()));
            let socket = Narrow::default();
            let (room, taken) = (Rc::clone(&socket.room), Rc::clone(&socket.taken));
            let clock = Clock::manual().0;
            let mut io = WireIo::passing(socket, Vec::new(), &Limits::default(), Rc::clone(&wire), clock);
            let (mut unwritten, mut answers, mut expected) = (Vec::new(), 0_u8, Vec::new());
            for step in steps {
                match step {
                    Step::Room(more) => *room.borrow_mut() += more,
                    Step::Say(length) => {
                        let said = [b"<".as_slice(), &vec![b'.'; length], b">"].concat();
                        wire.meanwhile.says(said);
                    }
                    Step::Answer(length) => {
                        wire.meanwhile.is_over();
                        let digits = vec![b'0' + answers % 10; length];
                        unwritten.extend(&digits);
                        expected.extend(&digits);
                        answers += 1;
                    }
                }
                poll(&mut io, &mut unwritten);
            }
            *room.borrow_mut() = usize::MAX;
            wire.meanwhile.is_over();
            poll(&mut io, &mut unwritten);
            let taken = String::from_utf8(taken.borrow().clone()).unwrap();
            let mut digits = Vec::new();
            let mut rest = taken.as_str();
            while let Some((before, said)) = rest.split_once('<') {
                let (said, after) = said.split_once('>').unwrap();
                prop_assert!(said.bytes().all(|byte| byte == b'.'), "{}", taken);
                // Not within an answer: those before it are whole.
                digits.extend(before.bytes());
                let whole = expected.get(digits.len()).is_none_or(|next| digits.last() != Some(next));
                prop_assert!(whole, "{}", taken);
                rest = after;
            }
            digits.extend(rest.bytes());
            prop_assert_eq!(digits, expected);
        }
    }
}
