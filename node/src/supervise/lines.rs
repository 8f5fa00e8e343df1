//! What a child says, line by line, each after the name of the child.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::printer::Printer;
use crate::output;

/// Longest line that is kept together, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How the lines of one child are marked, and who writes them.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    text: String,
    printer: Printer,
}

impl Mark {
    /// The mark of the child `name`, which is number `number` and shares a margin of `width` with the others.
    pub(crate) fn new(name: &str, number: usize, width: usize, printer: Printer) -> Self {
        let text = output::colour(output::stderr_is_coloured(), number, &format!("{name:<width$} |"));
        Self { text, printer }
    }

    fn write(&self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut whole = Vec::with_capacity(self.text.len() + line.len() + 2);
        whole.extend_from_slice(self.text.as_bytes());
        whole.push(b' ');
        whole.extend_from_slice(line);
        whole.push(b'\n');
        self.printer.line(whole);
    }

    /// Says something about the child.
    pub(crate) fn talk(&self, text: &str) {
        self.printer.talk(text);
    }
}

/// Hands on what comes from `source`, until it ends.
pub(crate) async fn forward(mut source: impl AsyncRead + Unpin, mark: Mark) {
    let (mut line, mut chunk) = (Vec::new(), vec![0; 8 * 1024]);
    while let Ok(read @ 1..) = source.read(&mut chunk).await {
        for piece in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    line.extend_from_slice(end);
                    mark.write(&line);
                    line.clear();
                }
                None => line.extend_from_slice(piece),
            }
            if line.len() >= LINE_BYTES_MAX {
                mark.write(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        mark.write(&line);
    }
}
