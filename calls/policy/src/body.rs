//! A body that holds something until it has ended: a permit of a call ends with the body of the answer, not with its
//! head, for until then whoever was asked is at work.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body, and what is dropped when the body has ended, failed, or is dropped itself.
    #[derive(Debug)]
    pub struct Held<B, G> {
        #[pin]
        body: B,
        guard: Option<G>,
    }
}

impl<B: Body, G> Held<B, G> {
    /// `body` holds `guard`. One that has ended already holds nothing.
    pub fn new(body: B, guard: G) -> Self {
        let guard = (!body.is_end_stream()).then_some(guard);
        Self { body, guard }
    }

    /// The body alone; what it held is dropped.
    pub fn into_body(self) -> B {
        self.body
    }
}

impl<B: Body, G> Body for Held<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(task);
        let ended = match &frame {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if ended {
            *this.guard = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full, StreamBody};

    use super::*;

    fn pieces(ends_well: bool) -> impl Body<Data = Bytes, Error = &'static str> + Unpin {
        let pieces = [
            Ok(Frame::data(Bytes::from("a"))),
            if ends_well { Ok(Frame::data(Bytes::from("b"))) } else { Err("broken") },
        ];
        StreamBody::new(Pieces(pieces.into_iter()))
    }

    struct Pieces<I>(I);

    impl<I: Iterator + Unpin> futures_util::Stream for Pieces<I> {
        type Item = I::Item;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
            Poll::Ready(self.0.next())
        }
    }

    #[tokio::test]
    async fn what_is_held_ends_with_the_body() {
        let guard = Arc::new(());
        let held = |body| Held::new(body, Arc::clone(&guard));
        let mut body = held(pieces(true));
        for _ in 0..2 {
            assert!(body.frame().await.unwrap().is_ok());
            assert_eq!(Arc::strong_count(&guard), 2);
        }
        assert!(body.frame().await.is_none());
        assert_eq!(Arc::strong_count(&guard), 1, "the end");
        let mut broken = held(pieces(false));
        assert!(broken.frame().await.unwrap().is_ok());
        assert!(broken.frame().await.unwrap().is_err());
        assert_eq!(Arc::strong_count(&guard), 1, "a failure");
        drop(held(pieces(true)));
        assert_eq!(Arc::strong_count(&guard), 1, "dropped by a client that left");
    }

    #[tokio::test]
    async fn a_body_that_tells_its_end_with_its_last_piece_holds_nothing_longer() {
        let guard = Arc::new(());
        let mut full = Held::new(Full::new(Bytes::from("x")), Arc::clone(&guard));
        assert_eq!(Arc::strong_count(&guard), 2);
        assert!(full.frame().await.is_some());
        assert_eq!(Arc::strong_count(&guard), 1);
        let _empty = Held::new(Empty::<Bytes>::new(), Arc::clone(&guard));
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
