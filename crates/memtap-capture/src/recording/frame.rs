//! The form of a recording's file: a mark, then frames. A frame is a sync word, its kind, how many bytes follow, how many requests are in
//! them, and two checksums, of the bytes and of this header; then the bytes, which are deflated.
//!
//! The header has a checksum of its own, so that of a damaged frame it can still be told how long it is and what was in it; where the header
//! itself is damaged, the next frame is found by its sync word.

use std::io::{self, BufReader, ErrorKind, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a recording begins with; a transfer that changes line ends breaks it.
pub const MARK: [u8; 7] = *b"mtrec\r\n";
/// The form of what follows; it changes whenever [`memtap_model::Observation`] or this file does.
const FORM: u8 = 1;
const SYNC: [u8; 4] = [0xb5, b'f', b'r', b'm'];
const HEADER: usize = 21;
/// No frame has more, deflated or not: beyond it is damage.
const FRAME_BYTES: u32 = 64 << 20;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The machine: the first.
    Head,
    /// Observations.
    Piece,
    /// What there was in all: the last.
    End,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Head, Self::Piece, Self::End].into_iter().find(|kind| kind.byte() == byte)
    }

    fn byte(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Piece => 2,
            Self::End => 3,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    kind: Kind,
    bytes: u32,
    requests: u32,
    payload_sum: u32,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&SYNC);
        bytes[4] = self.kind.byte();
        for (at, number) in [(5, self.bytes), (9, self.requests), (13, self.payload_sum)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let whole = bytes[..4] == SYNC && number(HEADER - 4) == crc32fast::hash(&bytes[..HEADER - 4]);
        let header = Self {
            kind: Kind::of(bytes[4])?,
            bytes: number(5),
            requests: number(9),
            payload_sum: number(13),
        };
        (whole && header.bytes <= FRAME_BYTES).then_some(header)
    }
}

/// Writes the mark that a file begins with.
pub(super) fn begin(file: &mut impl Write) -> io::Result<()> {
    file.write_all(&MARK)?;
    file.write_all(&[FORM])
}

/// Writes one frame; gives its length.
pub(super) fn write(
    file: &mut impl Write,
    kind: Kind,
    requests: usize,
    content: &impl Serialize,
) -> io::Result<u64> {
    let packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = postcard::to_io(content, packed).map_err(io::Error::other)?.finish()?;
    let header = Header {
        kind,
        bytes: u32::try_from(packed.len())
            .ok()
            .filter(|bytes| *bytes <= FRAME_BYTES)
            .ok_or(ErrorKind::FileTooLarge)?,
        requests: u32::try_from(requests).unwrap_or(u32::MAX),
        payload_sum: crc32fast::hash(&packed),
    };
    file.write_all(&[&header.to_bytes()[..], &packed].concat())?;
    Ok((HEADER + packed.len()) as u64)
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Next {
    /// A whole frame.
    Frame(Kind, Vec<u8>),
    /// Something damaged; as far as can be told, with so many requests in it.
    Damaged(u32),
    /// The file ends in the middle of a frame.
    Cut(u32),
    /// The file ends.
    Nothing,
}

/// Reads frame after frame.
pub(super) struct Frames {
    input: BufReader<Box<dyn Read + Send>>,
    /// A header that was found after damage.
    found: Option<Header>,
}

impl Frames {
    /// # Errors
    /// When the input is no recording, or one of another form.
    pub(super) fn open(input: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(256 << 10, input);
        let mut mark = [0; MARK.len() + 1];
        input.read_exact(&mut mark).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                io::Error::new(ErrorKind::InvalidData, "it is not a memtap recording")
            }
            _ => error,
        })?;
        match mark.split_last() {
            Some((&FORM, start)) if start == MARK => Ok(Self { input, found: None }),
            Some((form, start)) if start == MARK => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!(
                    "it has recording format {form}, but this memtap reads format {FORM}. Use the memtap version that wrote it"
                ),
            )),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "it is not a memtap recording")),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        if let Some(header) = self.found.take() {
            return self.payload(header);
        }
        let mut bytes = [0; HEADER];
        match fill(&mut self.input, &mut bytes)? {
            0 => return Ok(Next::Nothing),
            HEADER => {}
            _ => return Ok(Next::Cut(0)),
        }
        let Some(header) = Header::of(&bytes) else { return self.find(bytes) };
        self.payload(header)
    }

    fn payload(&mut self, header: Header) -> io::Result<Next> {
        let mut payload = Vec::new();
        (&mut self.input).take(u64::from(header.bytes)).read_to_end(&mut payload)?;
        if payload.len() < header.bytes as usize {
            return Ok(Next::Cut(header.requests));
        }
        Ok(match crc32fast::hash(&payload) == header.payload_sum {
            true => Next::Frame(header.kind, payload),
            false => Next::Damaged(header.requests),
        })
    }

    /// Goes on until the bytes that come are a header again, which is left to come next.
    fn find(&mut self, mut bytes: [u8; HEADER]) -> io::Result<Next> {
        while self.found.is_none() {
            bytes.rotate_left(1);
            if fill(&mut self.input, &mut bytes[HEADER - 1..])? == 0 {
                break;
            }
            self.found = Header::of(&bytes);
        }
        Ok(Next::Damaged(0))
    }
}

/// Reads as many bytes as there are; gives how many.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A whole frame's content.
pub(super) fn content<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).take(u64::from(FRAME_BYTES) + 1).read_to_end(&mut bytes)?;
    if bytes.len() > FRAME_BYTES as usize {
        return Err(ErrorKind::FileTooLarge.into());
    }
    postcard::from_bytes(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}
