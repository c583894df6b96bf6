//! A plain stream that another thread decodes ahead of whoever reads it.

use std::fs::File;
use std::io::{self, Read};
use std::thread::JoinHandle;

use super::lane::{Drain, Ended, Filler, lane};
use super::open::{OpenError, plain_stream};
use super::reader::Reader;
use crate::model::location::Codec;

/// Buffers between the two threads.
const BUFFERS: usize = 4;

impl Reader {
    /// Like [`open`](Self::open), for whoever does more with the members than to look at them: an
    /// archive that is encoded is decoded on a thread of its own, which ends with the reader.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn open_ahead(file: File, codec: Codec, identity: Option<&str>) -> Result<Self, OpenError> {
        if codec == Codec::None && identity.is_none() {
            return Ok(Reader::from_file(file));
        }
        let plain = plain_stream(file, codec, identity)?;
        Ok(Reader::from_stream(Ahead::new(plain)))
    }
}

/// The far side of the thread.
struct Ahead {
    /// `None` once nothing more comes.
    drain: Option<Drain>,
    buffer: Vec<u8>,
    filled: usize,
    read: usize,
    decoding: Option<JoinHandle<io::Result<()>>>,
}

impl Ahead {
    fn new(plain: Box<dyn Read + Send>) -> Self {
        let (filler, drain) = lane(BUFFERS);
        let decoding = std::thread::spawn(move || decode(plain, filler));
        let (drain, decoding) = (Some(drain), Some(decoding));
        Self { drain, buffer: Vec::new(), filled: 0, read: 0, decoding }
    }

    /// Waits for the thread: why it ended, if it failed.
    fn end(&mut self) -> io::Result<()> {
        self.drain = None;
        match self.decoding.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.read == self.filled {
            let Some(drain) = &self.drain else { return Ok(0) };
            if self.filled > 0 {
                drain.give_back(std::mem::take(&mut self.buffer));
            }
            (self.read, self.filled) = (0, 0);
            match drain.take() {
                Ok((buffer, filled)) => (self.buffer, self.filled) = (buffer, filled),
                Err(Ended::Complete) => return self.end().map(|()| 0),
                Err(Ended::Abandoned) => {
                    self.end()?;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        let count = bytes.len().min(self.filled - self.read);
        bytes[..count].copy_from_slice(&self.buffer[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // It ends at its next buffer, since nobody takes it; and nothing reads the archive after.
        self.drain = None;
        if let Some(decoding) = self.decoding.take() {
            let _ = decoding.join();
        }
    }
}

fn decode(mut plain: Box<dyn Read + Send>, mut filler: Filler) -> io::Result<()> {
    loop {
        match plain.read(filler.room()?) {
            Ok(0) => return Ok(filler.finish()?),
            Ok(count) => filler.took(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields so many bytes, and then an error if there is to be one.
    struct Source(usize, bool);

    impl Read for Source {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 && self.1 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let count = bytes.len().min(self.0).min(70_001);
            bytes[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn what_is_decoded_ahead_comes_whole_and_its_error_too() {
        for length in [0, 1, 70_001, 9 << 20] {
            let mut ahead = Ahead::new(Box::new(Source(length, false)));
            let mut seen = Vec::new();
            assert_eq!(ahead.read_to_end(&mut seen).unwrap(), length);
            assert_eq!(ahead.read(&mut [0]).unwrap(), 0);
            assert!(seen.iter().all(|byte| *byte == 7));
            let mut ahead = Ahead::new(Box::new(Source(length, true)));
            let error = ahead.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn whoever_reads_no_further_need_not_wait_for_the_rest() {
        let mut ahead = Ahead::new(Box::new(Source(usize::MAX, false)));
        assert_eq!(ahead.read(&mut [0; 10]).unwrap(), 10);
        drop(ahead);
    }
}
