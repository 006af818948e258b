//! Spool on disk: deliveries wait here, oldest first, while the database is unavailable. They
//! survive a restart of memtap.
//!
//! The spool is a directory of numbered segment files. A segment is a marker followed by records. A
//! record holds its length, its number of requests, the time, a checksum over all of these, and the
//! payload. A segment is deleted when its last record has been delivered. A segment of an earlier
//! run is never appended to. The read position is not stored on disk: after a restart, a segment is
//! read from its first record again. Deliveries are idempotent, so this is safe.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, SystemTime};

/// First bytes of a segment. The last byte is the version of the record format; segments of another
/// version are left unchanged.
const MARK: [u8; 8] = *b"mtspool\x02";
const HEADER: usize = 20;
/// Size from which a segment is full: the next record goes to a new one.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Maximum length of a record. A larger length in a header means damage.
const RECORD_BYTES: u32 = 256 << 20;

/// The spool directory and the position of its oldest record.
pub(crate) struct Spool {
    directory: PathBuf,
    /// Lock on the directory, held until drop.
    _lock: File,
    max_bytes: u64,
    segments: VecDeque<Segment>,
    /// Last of `segments`, if it is open for appending.
    open: Option<File>,
    /// Sends full segments to the thread that syncs them.
    syncs: Sender<File>,
    next_number: u64,
    /// Offset of the oldest undelivered record in the first segment.
    position: u64,
    /// Records that could not be read since the last [`Spool::take_damage`].
    damage: Damage,
}

/// A segment file.
struct Segment {
    number: u64,
    bytes: u64,
    /// Records that are not yet delivered, and the requests in them.
    records: u64,
    requests: u64,
}

/// Counts of records that could not be read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) records: u64,
    /// Requests in these records, as far as their headers can be read.
    pub(crate) requests: u64,
}

/// Why a record could not be written.
#[derive(Debug)]
pub(crate) enum PutError {
    /// The record would exceed the size limit.
    Full,
    /// Writing to the disk failed.
    Disk(io::Error),
}

#[derive(Clone, Copy)]
struct Header {
    bytes: u32,
    requests: u32,
    put_at_ns: u64,
    checksum: u32,
}

impl Header {
    fn for_payload(payload: &[u8], requests: u32) -> Option<Self> {
        let bytes = u32::try_from(payload.len()).ok().filter(|bytes| *bytes <= RECORD_BYTES)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let put_at_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut header = Self { bytes, requests, put_at_ns, checksum: 0 };
        header.checksum = header.compute_checksum(payload);
        Some(header)
    }

    fn compute_checksum(self, payload: &[u8]) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.to_bytes()[..HEADER - 4]);
        sum.update(payload);
        sum.finalize()
    }

    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.requests.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.put_at_ns.to_le_bytes());
        bytes[16..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// Reads the next header in `file`. Returns `None` at the end of the file, or if the length is
    /// invalid.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let mut raw = [0; HEADER];
        match file.read_exact(&mut raw) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let word = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&raw[at..at + 4]);
            u32::from_le_bytes(bytes)
        };
        let put_at_ns = u64::from(word(8)) | u64::from(word(12)) << 32;
        let header = Self { bytes: word(0), requests: word(4), put_at_ns, checksum: word(16) };
        Ok((header.bytes <= RECORD_BYTES).then_some(header))
    }
}

impl Spool {
    /// Opens the directory, including segments of an earlier run. Fails if another memtap uses it.
    pub(crate) fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut lock = OpenOptions::new();
        let lock = lock.create(true).truncate(false).write(true).mode(0o600).open(directory.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(ErrorKind::WouldBlock, "another memtap uses it"),
            TryLockError::Error(error) => error,
        })?;
        let mut spool = Self {
            directory: directory.into(),
            _lock: lock,
            max_bytes,
            segments: VecDeque::new(),
            open: None,
            syncs: spawn_sync_thread()?,
            next_number: 1,
            position: MARK.len() as u64,
            damage: Damage::default(),
        };
        spool.load_segments()?;
        Ok(spool)
    }

    /// Loads the segments of an earlier run.
    fn load_segments(&mut self) -> io::Result<()> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".segment")?.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        self.next_number = numbers.last().map_or(1, |last| last + 1);
        for number in numbers {
            let path = self.path(number);
            match count_records(&path)? {
                Some((records, requests)) if records > 0 => {
                    let bytes = path.metadata()?.len();
                    self.segments.push_back(Segment { number, bytes, records, requests });
                }
                Some(_) => std::fs::remove_file(path)?,
                // A segment of another version stays: that version can still deliver it.
                None => {
                    tracing::warn!(
                        "{} is not a spool segment of this memtap version. memtap leaves it unchanged",
                        path.display()
                    );
                }
            }
        }
        Ok(())
    }

    /// Requests in undelivered records.
    pub(crate) fn requests(&self) -> u64 {
        self.segments.iter().map(|segment| segment.requests).sum()
    }

    /// Size of the segments on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Returns what could not be read since the last call.
    pub(crate) fn take_damage(&mut self) -> Damage {
        std::mem::take(&mut self.damage)
    }

    /// Appends a record. On return the kernel has the data, but it may not be on disk: a segment is
    /// synced when it is full. Waiting for each sync would let more requests pile up in memory than
    /// a power failure could lose.
    pub(crate) fn put(&mut self, payload: &[u8], requests: u32) -> Result<(), PutError> {
        let header = Header::for_payload(payload, requests).ok_or(PutError::Full)?;
        let record = (HEADER + payload.len()) as u64;
        if self.bytes() + record > self.max_bytes {
            return Err(PutError::Full);
        }
        if self.open.is_none() || self.segments.back().is_none_or(|last| last.bytes >= SEGMENT_BYTES) {
            self.begin_segment().map_err(PutError::Disk)?;
        }
        let (Some(file), Some(last)) = (&mut self.open, self.segments.back_mut()) else {
            return Err(PutError::Full);
        };
        let bytes = [&header.to_bytes()[..], payload].concat();
        if let Err(error) = file.write_all(&bytes) {
            // Remove the partial record: it would hide the records after it.
            let is_undone = file.set_len(last.bytes).and_then(|()| file.seek(SeekFrom::Start(last.bytes)));
            if is_undone.is_err() {
                self.open = None;
            }
            return Err(PutError::Disk(error));
        }
        last.bytes += record;
        last.records += 1;
        last.requests += u64::from(requests);
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        if let Some(full) = self.open.take() {
            let _ = self.syncs.send(full);
        }
        let path = self.path(self.next_number);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all(&MARK) {
            std::fs::remove_file(path)?;
            return Err(error);
        }
        let bytes = MARK.len() as u64;
        self.segments.push_back(Segment { number: self.next_number, bytes, records: 0, requests: 0 });
        self.next_number += 1;
        self.open = Some(file);
        Ok(())
    }

    /// Returns the oldest record and its age. Damaged records before it are counted and skipped.
    pub(crate) fn first(&mut self) -> io::Result<Option<(Vec<u8>, Duration)>> {
        while let Some(first) = self.segments.front() {
            let mut file = File::open(self.path(first.number))?;
            file.seek(SeekFrom::Start(self.position))?;
            let Some(header) = Header::read(&mut file)? else {
                self.drop_segment()?;
                continue;
            };
            let mut payload = Vec::new();
            file.take(u64::from(header.bytes)).read_to_end(&mut payload)?;
            if payload.len() == header.bytes as usize && header.compute_checksum(&payload) == header.checksum
            {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                return Ok(Some((payload, now.saturating_sub(Duration::from_nanos(header.put_at_ns)))));
            }
            self.damage.records += 1;
            self.damage.requests += u64::from(header.requests).min(first.requests);
            self.skip_record(header)?;
        }
        Ok(None)
    }

    /// Removes the record that [`Spool::first`] returned.
    pub(crate) fn remove_first(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.front() else { return Ok(()) };
        let mut file = File::open(self.path(first.number))?;
        file.seek(SeekFrom::Start(self.position))?;
        match Header::read(&mut file)? {
            Some(header) => self.skip_record(header),
            None => self.drop_segment(),
        }
    }

    fn skip_record(&mut self, header: Header) -> io::Result<()> {
        self.position += HEADER as u64 + u64::from(header.bytes);
        let Some(first) = self.segments.front_mut() else { return Ok(()) };
        first.records = first.records.saturating_sub(1);
        first.requests = first.requests.saturating_sub(u64::from(header.requests));
        if first.records == 0 || self.position >= first.bytes {
            self.drop_segment()?;
        }
        Ok(())
    }

    fn drop_segment(&mut self) -> io::Result<()> {
        self.position = MARK.len() as u64;
        if self.segments.len() == 1 {
            self.open = None;
        }
        let Some(first) = self.segments.pop_front() else { return Ok(()) };
        // Records are left only if damage has hidden where they begin.
        self.damage.records += first.records;
        self.damage.requests += first.requests;
        std::fs::remove_file(self.path(first.number))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:010}.segment"))
    }
}

/// Starts a thread that syncs the files sent to it. Nobody waits for it: during a slow sync,
/// requests would overflow the queue in memory.
fn spawn_sync_thread() -> io::Result<Sender<File>> {
    let (syncs, files) = channel::<File>();
    let thread = std::thread::Builder::new().name("memtap-sync".to_owned());
    thread.spawn(move || {
        for file in files {
            if let Err(error) = file.sync_data() {
                tracing::error!(
                    "cannot sync the spool to disk: {error}. A power failure may lose its latest records"
                );
            }
        }
    })?;
    Ok(syncs)
}

/// Counts the records and requests in a segment from its headers, without a torn record at the end.
/// Returns `None` if the file is not a segment of this version.
fn count_records(path: &Path) -> io::Result<Option<(u64, u64)>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut mark = [0; MARK.len()];
    // A file shorter than the marker holds no record.
    if length < mark.len() as u64 {
        return Ok(Some((0, 0)));
    }
    file.read_exact(&mut mark)?;
    if mark != MARK {
        return Ok(None);
    }
    let (mut records, mut requests) = (0, 0);
    while let Some(header) = Header::read(&mut file)? {
        if file.stream_position()? + u64::from(header.bytes) > length {
            break;
        }
        file.seek_relative(i64::from(header.bytes))?;
        records += 1;
        requests += u64::from(header.requests);
    }
    Ok(Some((records, requests)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(spool: &mut Spool) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some((record, _)) = spool.first().unwrap() {
            all.push(record);
            spool.remove_first().unwrap();
        }
        all
    }

    fn record(n: u32) -> Vec<u8> {
        n.to_le_bytes().repeat(1 + n as usize * 997 % 5000)
    }

    fn segments(directory: &Path) -> Vec<PathBuf> {
        let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn records_come_out_in_order_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        for n in 0..2500 {
            spool.put(&record(n), 3).unwrap();
        }
        assert_eq!(spool.requests(), 7500);
        assert!(segments(directory.path()).len() > 2, "several segments");
        for n in 0..700 {
            assert_eq!(spool.first().unwrap().unwrap().0, record(n));
            spool.remove_first().unwrap();
        }
        assert_eq!(spool.requests(), 5400);
        drop(spool);
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        spool.put(b"new", 1).unwrap();
        let all = drain(&mut spool);
        // After a restart, the first unfinished segment is read from its start again.
        let first = u32::from_le_bytes(all[0][..4].try_into().unwrap());
        assert!(first <= 700, "{first}");
        let expected: Vec<_> = (first..2500).map(record).chain([b"new".to_vec()]).collect();
        assert!(all == expected);
        assert_eq!((spool.requests(), spool.bytes(), spool.is_empty()), (0, 0, true));
        assert_eq!(spool.take_damage(), Damage::default());
        assert!(segments(directory.path()).is_empty());
        spool.put(b"again", 1).unwrap();
        assert_eq!(drain(&mut spool), [b"again"]);
    }

    #[test]
    fn a_torn_end_loses_only_the_last_record() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        for n in 0..3 {
            spool.put(format!("record {n}").as_bytes(), 1).unwrap();
        }
        drop(spool);
        let path = segments(directory.path()).remove(0);
        let whole = std::fs::read(&path).unwrap();
        let record = HEADER + "record 0".len();
        for cut in (0..whole.len()).rev() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
            let expected = cut.saturating_sub(MARK.len()) / record;
            assert_eq!(spool.requests(), expected as u64, "cut at {cut}");
            assert_eq!(drain(&mut spool).len(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_record_is_counted_and_others_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        for n in 0..5 {
            spool.put(format!("record {n}").as_bytes(), 10).unwrap();
        }
        drop(spool);
        let path = segments(directory.path()).remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        let second = MARK.len() + (HEADER + "record 0".len()) + HEADER;
        bytes[second + 3] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        let all = drain(&mut spool);
        let expected = [0, 2, 3, 4].map(|n| format!("record {n}").into_bytes());
        assert_eq!(all, expected);
        assert_eq!(spool.take_damage(), Damage { records: 1, requests: 10 });
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
        spool.put(b"first", 1).unwrap();
        spool.put(b"second", 1).unwrap();
        drop(spool);
        let path = segments(directory.path()).remove(0);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() - MARK.len() {
            let mut bytes = whole.clone();
            bytes[MARK.len() + at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            let mut spool = Spool::open(directory.path(), 1 << 30).unwrap();
            for record in drain(&mut spool) {
                assert!(record == b"first" || record == b"second", "byte {at}: {record:?}");
            }
        }
    }

    #[test]
    fn the_size_limit_holds_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path(), 10_000).unwrap();
        let mut put = 0;
        while spool.put(&[7; 900], 1).is_ok() {
            put += 1;
        }
        assert!((9..=10).contains(&put) && spool.bytes() <= 10_000, "{put} records, {} bytes", spool.bytes());
        assert_eq!(drain(&mut spool).len(), put);
        spool.put(&[7; 900], 1).unwrap();
    }

    #[test]
    fn one_program_at_a_time_and_another_versions_segments_stay() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path(), 10_000).unwrap();
        let error = Spool::open(directory.path(), 10_000).err().unwrap();
        assert!(error.to_string().contains("another memtap"), "{error}");
        drop(spool);
        let others = [b"mtspool\x01 of the past".as_slice(), b"mtspool\xff of the future"];
        let others = [7, 8]
            .map(|number| directory.path().join(format!("{number:010}.segment")))
            .into_iter()
            .zip(others);
        for (path, content) in others.clone() {
            std::fs::write(path, content).unwrap();
        }
        let mut spool = Spool::open(directory.path(), 10_000).unwrap();
        assert!(spool.is_empty());
        spool.put(b"ours", 1).unwrap();
        assert_eq!(drain(&mut spool), [b"ours"]);
        for (path, content) in others {
            assert_eq!(std::fs::read(path).unwrap(), content);
        }
    }
}
