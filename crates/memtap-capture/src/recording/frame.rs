//! File format of recordings: a mark, then frames. A frame has a header and compressed content
//! (deflate). The header contains a sync word, the kind, the length of the content in bytes, the
//! number of requests, and checksums of the content and of the header.
//!
//! Because the header has its own checksum, the length and the number of requests of a damaged
//! content are still known. After a damaged header, the next frame is found by its sync word.

use std::io::{self, BufReader, ErrorKind, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Mark at the beginning of a recording. A transfer that converts line ends damages it.
pub const MARK: [u8; 7] = *b"mtrec\r\n";
/// Version of the format after the mark. It changes whenever [`memtap_model::Observation`] or this
/// file does.
const FORM: u8 = 1;
const SYNC: [u8; 4] = [0xb5, b'f', b'r', b'm'];
const HEADER: usize = 21;
/// Maximum size of a frame, compressed or not. Anything larger is damage.
const FRAME_BYTES: u32 = 64 << 20;

/// Kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Description of the machine; the first frame.
    Head,
    /// Observations.
    Piece,
    /// Totals; the last frame.
    End,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
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

    fn from_bytes(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let whole = bytes[..4] == SYNC && number(HEADER - 4) == crc32fast::hash(&bytes[..HEADER - 4]);
        let header = Self {
            kind: Kind::from_byte(bytes[4])?,
            bytes: number(5),
            requests: number(9),
            payload_sum: number(13),
        };
        (whole && header.bytes <= FRAME_BYTES).then_some(header)
    }
}

/// Writes the mark and the version.
pub(super) fn begin(file: &mut impl Write) -> io::Result<()> {
    file.write_all(&MARK)?;
    file.write_all(&[FORM])
}

/// Writes one frame and returns its length.
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

/// Next part of a file.
#[derive(Debug)]
pub(super) enum Next {
    /// A complete frame.
    Frame(Kind, Vec<u8>),
    /// Damage, with the number of lost requests as far as it is known.
    Damaged(u32),
    /// The file ends in the middle of a frame, with the number of requests in it as far as it is
    /// known.
    Cut(u32),
    /// End of the file.
    Nothing,
}

/// Reader of frames.
pub(super) struct Frames {
    input: BufReader<Box<dyn Read + Send>>,
    /// A header that was found after damage.
    next_header: Option<Header>,
}

impl Frames {
    /// Opens a recording.
    ///
    /// # Errors
    /// Fails if the input is not a recording, or has another version.
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
            Some((&FORM, start)) if start == MARK => Ok(Self { input, next_header: None }),
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
        if let Some(header) = self.next_header.take() {
            return self.read_payload(header);
        }
        let mut bytes = [0; HEADER];
        match fill(&mut self.input, &mut bytes)? {
            0 => return Ok(Next::Nothing),
            HEADER => {}
            _ => return Ok(Next::Cut(0)),
        }
        let Some(header) = Header::from_bytes(&bytes) else { return self.find_header(bytes) };
        self.read_payload(header)
    }

    fn read_payload(&mut self, header: Header) -> io::Result<Next> {
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

    /// Reads until the bytes are a header again. It is kept for the next call.
    fn find_header(&mut self, mut bytes: [u8; HEADER]) -> io::Result<Next> {
        while self.next_header.is_none() {
            bytes.rotate_left(1);
            if fill(&mut self.input, &mut bytes[HEADER - 1..])? == 0 {
                break;
            }
            self.next_header = Header::from_bytes(&bytes);
        }
        Ok(Next::Damaged(0))
    }
}

/// Reads until the buffer is full or the input ends. Returns the number of bytes.
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

/// Decompresses and decodes the content of a frame.
pub(super) fn decode_content<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).take(u64::from(FRAME_BYTES) + 1).read_to_end(&mut bytes)?;
    if bytes.len() > FRAME_BYTES as usize {
        return Err(ErrorKind::FileTooLarge.into());
    }
    postcard::from_bytes(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}
