//! The terminal: drawn over again each time, read key by key, and left as it was found.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::screen::Size;

/// Another screen and no cursor; and back again.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal that is drawn on until this is dropped.
pub(super) struct Terminal {
    before: Option<Termios>,
    keys: mpsc::Receiver<u8>,
    interrupt: Signal,
    terminate: Signal,
}

/// Whether a person looks at stdout, and has not asked for plain text.
pub(super) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Terminal {
    /// The terminal that stdout is; `None` when it is none.
    pub(super) fn open() -> Option<Self> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        let terminate = signal(SignalKind::terminate()).ok()?;
        let before = key_by_key();
        let (pressed, keys) = mpsc::channel(16);
        // It waits for a key when the program ends, and ends with it.
        std::thread::spawn(move || {
            for key in io::stdin().lock().bytes().map_while(Result::ok) {
                if pressed.blocking_send(key).is_err() {
                    return;
                }
            }
        });
        write(ENTER);
        Some(Self { before, keys, interrupt, terminate })
    }

    /// Whether somebody wants to quit before `time` is over.
    pub(super) async fn quits_within(&mut self, time: Duration) -> bool {
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return false,
                _ = self.interrupt.recv() => return true,
                _ = self.terminate.recv() => return true,
                Some(key) = self.keys.recv() => if matches!(key, b'q' | b'Q') {
                    return true;
                },
            }
        }
    }

    /// Draws what `page` makes for a screen of the size that it has now.
    pub(super) fn draw(&mut self, page: impl FnOnce(Size) -> String) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = size.map_or(Size::of(80, 24), |size| Size::of(size.ws_col.into(), size.ws_row.into()));
        // Each line clears what was right of it, the last one what was below it: nothing flickers.
        let page = page(size).replace('\n', "\x1b[K\r\n");
        write(&format!("\x1b[H{}\x1b[J", page.trim_end_matches("\r\n")));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        write(LEAVE);
        if let Some(before) = &self.before {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Keys arrive as they are pressed, and are not shown; what the terminal was set to before.
fn key_by_key() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut keys = before.clone();
    keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &keys).ok()?;
    Some(before)
}

/// Whoever closed the terminal does not want to see it.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
