//! Bodies without their encoding.
//!
//! A body is fed in pieces as they come from the network and what is inside is handed on at once, so that
//! neither a large attachment nor a bomb is ever whole in memory: whoever takes the pieces says when it is
//! enough.
//!
//! `deflate` is zlib's format with the clients that send it (raven), as its specification has it; some
//! servers and proxies mean the raw stream. The first two bytes tell which it is. Old clients said nothing
//! and sent base64 of zlib, which [`undo_base64`] is for.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use brotli_decompressor::DecompressorWriter;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self, Operation};

use crate::refusal::Refusal;

/// Windows of zstd up to 8 MiB, which RFC 8878 wants every decoder to have; more is more memory for a stranger.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Windows of gzip: as large as the format has them.
const WINDOW_BITS: u8 = 15;

/// Takes what was inside.
pub(crate) trait Sink {
    /// The next piece. An error ends it all.
    fn take(&mut self, piece: &[u8]) -> Result<(), Refusal>;
}

/// A sink in the clothes of a writer. Its refusal waits until the decoder has given up.
struct Tap<S> {
    sink: S,
    refusal: Option<Refusal>,
    left: usize,
    limit: usize,
}

impl<S: Sink> Write for Tap<S> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.refusal.is_some() {
            return Err(io::Error::other("refused"));
        }
        let taken = match self.left.checked_sub(piece.len()) {
            Some(left) => {
                self.left = left;
                self.sink.take(piece)
            }
            None => Err(Refusal::too_large(format!("the body is larger than {} bytes", self.limit))),
        };
        taken.map(|()| piece.len()).map_err(|refusal| {
            self.refusal = Some(refusal);
            io::Error::other("refused")
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of output that are made at a time.
const BUFFER: usize = 16 << 10;

/// A format that flate2 knows, and whether its end has been seen.
struct Inflate {
    state: Decompress,
    gzip: bool,
    ended: bool,
}

impl Inflate {
    fn new(gzip: bool, state: Decompress) -> Self {
        Inflate { state, gzip, ended: false }
    }

    fn feed(&mut self, mut piece: &[u8], out: &mut impl Write) -> io::Result<()> {
        let mut buffer = [0u8; BUFFER];
        loop {
            if self.ended {
                // a second member of gzip may follow, and so may zeros that fill a block
                if !self.gzip || piece.iter().all(|byte| *byte == 0) {
                    return Ok(());
                }
                *self = Inflate::new(true, Decompress::new_gzip(WINDOW_BITS));
            }
            let (taken, made) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(piece, &mut buffer, FlushDecompress::None)?;
            let taken = (self.state.total_in() - taken) as usize;
            let made = (self.state.total_out() - made) as usize;
            out.write_all(&buffer[..made])?;
            piece = &piece[taken..];
            self.ended = status == Status::StreamEnd;
            if !self.ended && made < BUFFER && (piece.is_empty() || taken == 0) {
                return Ok(());
            }
        }
    }
}

/// Zstandard, and whether it stands between two frames.
struct Unzstd {
    state: raw::Decoder<'static>,
    ended: bool,
}

impl Unzstd {
    fn new() -> io::Result<Self> {
        let mut state = raw::Decoder::new()?;
        state.set_parameter(raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
        Ok(Unzstd { state, ended: false })
    }

    fn feed(&mut self, piece: &[u8], out: &mut impl Write) -> io::Result<()> {
        let mut buffer = [0u8; BUFFER];
        let mut input = raw::InBuffer::around(piece);
        loop {
            let mut output = raw::OutBuffer::around(&mut buffer[..]);
            let wanted = self.state.run(&mut input, &mut output)?;
            let made = output.pos();
            self.ended = wanted == 0;
            out.write_all(&buffer[..made])?;
            if input.pos() == piece.len() && made < BUFFER {
                return Ok(());
            }
        }
    }
}

enum Coding<S: Sink> {
    Plain(Tap<S>),
    Inflate(Tap<S>, Inflate),
    /// Zlib or raw; nobody knows before the second byte is here.
    Deflate(Tap<S>, Vec<u8>),
    Brotli(Box<DecompressorWriter<Tap<S>>>),
    Zstd(Tap<S>, Unzstd),
    /// Something failed; nothing more is read.
    Over,
}

/// Takes a `Content-Encoding` off.
pub(crate) struct Decoder<S: Sink> {
    coding: Coding<S>,
    fed: bool,
}

impl<S: Sink> Decoder<S> {
    /// For a body with this `Content-Encoding`, of at most `limit` bytes when it is off. Empty and `UTF-8`,
    /// which some SDKs send, mean none.
    pub(crate) fn new(encoding: &str, limit: usize, sink: S) -> Result<Self, Refusal> {
        let tap = Tap { sink, refusal: None, left: limit, limit };
        let coding = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "utf-8" | "utf8" | "none" => Coding::Plain(tap),
            "gzip" | "x-gzip" => Coding::Inflate(tap, Inflate::new(true, Decompress::new_gzip(WINDOW_BITS))),
            "deflate" => Coding::Deflate(tap, Vec::new()),
            "br" => Coding::Brotli(Box::new(DecompressorWriter::new(tap, BUFFER))),
            "zstd" => Coding::Zstd(tap, Unzstd::new().map_err(|error| broken(&error))?),
            _ => {
                let detail = "Content-Encoding is none of gzip, deflate, br, zstd and identity";
                return Err(Refusal::unsupported(detail));
            }
        };
        Ok(Decoder { coding, fed: false })
    }

    /// The next piece of the body.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        if piece.is_empty() {
            return Ok(());
        }
        self.fed = true;
        let fed = match &mut self.coding {
            Coding::Plain(tap) => tap.write_all(piece),
            Coding::Inflate(tap, inflate) => inflate.feed(piece, tap),
            Coding::Brotli(decoder) => decoder.write_all(piece),
            Coding::Zstd(tap, decoder) => decoder.feed(piece, tap),
            Coding::Deflate(_, begun) => {
                begun.extend_from_slice(piece);
                return if begun.len() < 2 { Ok(()) } else { self.deflate() };
            }
            Coding::Over => return Err(Refusal::malformed("the body was refused already")),
        };
        fed.map_err(|error| self.why(&error))
    }

    /// Tells zlib from raw deflate by the header that only zlib has, and feeds what has waited.
    fn deflate(&mut self) -> Result<(), Refusal> {
        let Coding::Deflate(tap, begun) = std::mem::replace(&mut self.coding, Coding::Over) else {
            return Ok(());
        };
        let zlib = begun[0] & 0x0f == 8 && (u16::from(begun[0]) << 8 | u16::from(begun[1])) % 31 == 0;
        self.coding = Coding::Inflate(tap, Inflate::new(false, Decompress::new(zlib)));
        self.feed(&begun)
    }

    /// The sink, unless something failed.
    pub(crate) fn sink(&self) -> Option<&S> {
        match &self.coding {
            Coding::Plain(tap) | Coding::Deflate(tap, _) | Coding::Inflate(tap, _) | Coding::Zstd(tap, _) => {
                Some(&tap.sink)
            }
            Coding::Brotli(decoder) => Some(&decoder.get_ref().sink),
            Coding::Over => None,
        }
    }

    /// The sink, when the body has ended as its encoding wants it to.
    pub(crate) fn finish(mut self) -> Result<S, Refusal> {
        if !self.fed {
            return Err(Refusal::malformed("the body is empty"));
        }
        if let Coding::Brotli(decoder) = &mut self.coding
            && let Err(error) = decoder.close()
        {
            return Err(self.why(&error));
        }
        match self.coding {
            Coding::Plain(tap)
            | Coding::Inflate(tap, Inflate { ended: true, .. })
            | Coding::Zstd(tap, Unzstd { ended: true, .. }) => Ok(tap.sink),
            Coding::Brotli(decoder) => match decoder.into_inner() {
                Ok(tap) => Ok(tap.sink),
                Err(_) => Err(cut_short()),
            },
            _ => Err(cut_short()),
        }
    }

    /// What the sink said, or else that the encoding is broken.
    fn why(&mut self, error: &io::Error) -> Refusal {
        let tap = match &mut self.coding {
            Coding::Plain(tap) | Coding::Deflate(tap, _) | Coding::Inflate(tap, _) | Coding::Zstd(tap, _) => {
                tap
            }
            Coding::Brotli(decoder) => decoder.get_mut(),
            Coding::Over => return broken(error),
        };
        tap.refusal.clone().unwrap_or_else(|| broken(error))
    }
}

fn cut_short() -> Refusal {
    Refusal::malformed("the compressed body ends too early")
}

fn broken(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return cut_short();
    }
    Refusal::malformed(format!("the compressed body cannot be read: {error}"))
}

/// What old clients of raven sent to the store endpoint without a word of its encoding: base64, mostly of
/// zlib. `None` when it is neither, and the body is what it is.
pub(crate) fn undo_base64(body: &[u8], limit: usize) -> Option<Result<Vec<u8>, Refusal>> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if *first == b'{' {
        return None;
    }
    let compact: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let plain = STANDARD.decode(&compact).or_else(|_| STANDARD_NO_PAD.decode(&compact)).ok()?;
    if plain.first() == Some(&b'{') {
        return Some(Ok(plain));
    }
    let mut inflated = Vec::new();
    let mut reader = flate2::read::ZlibDecoder::new(plain.as_slice()).take(limit as u64 + 1);
    Some(match reader.read_to_end(&mut inflated) {
        Ok(length) if length > limit => {
            Err(Refusal::too_large(format!("the event is larger than {limit} bytes")))
        }
        Ok(_) => Ok(inflated),
        Err(error) => Err(broken(&error)),
    })
}
