//! The coders behind one face: bytes go in, compressed bytes gather until they are taken.

use std::fmt;
use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::buf::Writer;
use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Coding;
use crate::limits::{COMPRESS_FRAME_BYTES, COMPRESS_WINDOW_BITS};

type Out = Writer<BytesMut>;

/// Input that the coder of brotli gathers before it looks at it.
const BROTLI_BUFFER_BYTES: usize = 4 * 1024;

/// How hard coders try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) gzip: u32,
    pub(super) brotli: u32,
    /// Unused where zstd is not in the build.
    #[cfg_attr(not(feature = "zstd"), expect(dead_code, reason = "the file has the value all the same"))]
    pub(super) zstd: u32,
}

/// A coder at work on one answer.
pub(super) enum Coder {
    Gzip(Box<GzEncoder<Out>>),
    Br(Box<CompressorWriter<Out>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, Out>),
}

impl Levels {
    /// A new coder.
    ///
    /// # Errors
    /// Memory for it could not be had, or it is not in this build.
    pub(super) fn coder(self, coding: Coding) -> io::Result<Coder> {
        let out = BytesMut::new().writer();
        match coding {
            Coding::Gzip => Ok(Coder::Gzip(Box::new(GzEncoder::new(out, Compression::new(self.gzip))))),
            Coding::Br => {
                let params = BrotliEncoderParams {
                    quality: self.brotli.cast_signed(),
                    lgwin: COMPRESS_WINDOW_BITS.cast_signed(),
                    ..BrotliEncoderParams::default()
                };
                Ok(Coder::Br(Box::new(CompressorWriter::with_params(out, BROTLI_BUFFER_BYTES, &params))))
            }
            #[cfg(feature = "zstd")]
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, self.zstd.cast_signed())?;
                encoder.window_log(COMPRESS_WINDOW_BITS)?;
                Ok(Coder::Zstd(encoder))
            }
            #[cfg(not(feature = "zstd"))]
            Coding::Zstd => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Coder {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Br(encoder) => encoder,
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder,
        }
    }

    fn out(&mut self) -> &mut BytesMut {
        match self {
            Self::Gzip(encoder) => encoder.get_mut().get_mut(),
            Self::Br(encoder) => encoder.get_mut().get_mut(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.get_mut().get_mut(),
        }
    }

    /// Takes input in.
    pub(super) fn write(&mut self, input: &[u8]) -> io::Result<()> {
        self.writer().write_all(input)
    }

    /// Lets all that went in come out, at the price of a few bytes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }

    /// Whether enough has come out to be sent.
    pub(super) fn is_full(&mut self) -> bool {
        self.out().len() >= COMPRESS_FRAME_BYTES
    }

    /// What has come out.
    pub(super) fn take(&mut self) -> Bytes {
        self.out().split().freeze()
    }

    /// The end: the rest comes out.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        let out = match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Br(encoder) => encoder.into_inner(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.finish()?,
        };
        Ok(out.into_inner().freeze())
    }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Br(_) => "Br",
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => "Zstd",
        })
    }
}
