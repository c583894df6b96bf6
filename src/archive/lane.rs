//! A lane between two threads: buffers that go round, a few and always the same.
//!
//! **Invariant:** the far side learns of the end only when the near side says so. A lane that is
//! dropped was abandoned, and nothing that comes out of it is complete.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Bytes in one buffer.
pub(crate) const BUFFER: usize = 1 << 20;

enum Parcel {
    Data(Vec<u8>, usize),
    End,
}

/// The other side is gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed;

impl From<Closed> for io::Error {
    fn from(_: Closed) -> Self {
        io::ErrorKind::BrokenPipe.into()
    }
}

/// The near side: takes bytes.
pub(crate) struct Filler {
    full: SyncSender<Parcel>,
    empty: Receiver<Vec<u8>>,
    current: Option<Vec<u8>>,
    filled: usize,
}

/// The far side: hands them out.
pub(crate) struct Drain {
    full: Receiver<Parcel>,
    empty: Sender<Vec<u8>>,
}

/// A lane with so many buffers.
pub(crate) fn lane(buffers: usize) -> (Filler, Drain) {
    let (full_in, full_out) = sync_channel(buffers);
    let (empty_in, empty_out) = channel();
    for _ in 0..buffers {
        empty_in.send(vec![0; BUFFER]).expect("its receiver is alive");
    }
    let filler = Filler { full: full_in, empty: empty_out, current: None, filled: 0 };
    (filler, Drain { full: full_out, empty: empty_in })
}

impl Filler {
    /// Room for at least one byte more. What is written there counts once it is [`taken`](Self::took).
    pub(crate) fn room(&mut self) -> Result<&mut [u8], Closed> {
        if self.filled == BUFFER {
            self.pass_on()?;
        }
        if self.current.is_none() {
            self.current = Some(self.empty.recv().map_err(|_| Closed)?);
        }
        let filled = self.filled;
        self.current.as_mut().map(|buffer| &mut buffer[filled..]).ok_or(Closed)
    }

    /// So many bytes of the room are filled.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Takes bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.took(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Says that this was all.
    pub(crate) fn finish(mut self) -> Result<(), Closed> {
        self.pass_on()?;
        self.full.send(Parcel::End).map_err(|_| Closed)
    }

    fn pass_on(&mut self) -> Result<(), Closed> {
        let filled = std::mem::take(&mut self.filled);
        match self.current.take() {
            Some(buffer) => self.full.send(Parcel::Data(buffer, filled)).map_err(|_| Closed),
            None => Ok(()),
        }
    }
}

impl io::Write for Filler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The near side said so.
    Complete,
    /// The near side is gone.
    Abandoned,
}

impl Drain {
    /// Gives every buffer to `each`, until the end.
    pub(crate) fn each(self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Ended> {
        loop {
            match self.take() {
                Ok((buffer, filled)) => {
                    each(&buffer[..filled])?;
                    self.give_back(buffer);
                }
                Err(ended) => return Ok(ended),
            }
        }
    }

    /// The next buffer and how much of it is filled, which is to be [given
    /// back](Self::give_back); or how the lane ended.
    pub(crate) fn take(&self) -> Result<(Vec<u8>, usize), Ended> {
        match self.full.recv() {
            Ok(Parcel::Data(buffer, filled)) => Ok((buffer, filled)),
            Ok(Parcel::End) => Err(Ended::Complete),
            Err(_) => Err(Ended::Abandoned),
        }
    }

    /// A buffer goes round once more.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        // The near side may have finished and be gone already.
        let _ = self.empty.send(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_only_a_finished_lane_is_complete() {
        for finish in [true, false] {
            let (mut filler, drain) = lane(2);
            let data: Vec<u8> = (0..=250).cycle().take(3 * BUFFER + 7).collect();
            std::thread::scope(|scope| {
                let far = scope.spawn(|| {
                    let mut seen = Vec::new();
                    let ended = drain.each(|bytes| {
                        seen.extend_from_slice(bytes);
                        Ok(())
                    });
                    (seen, ended.unwrap())
                });
                filler.put(&data).unwrap();
                if finish {
                    filler.finish().unwrap();
                } else {
                    drop(filler);
                }
                let (seen, ended) = far.join().unwrap();
                assert_eq!(ended == Ended::Complete, finish);
                assert!(if finish { seen == data } else { data.starts_with(&seen) });
            });
        }
    }

    #[test]
    fn a_far_side_that_failed_closes_the_lane() {
        let (mut filler, drain) = lane(2);
        std::thread::scope(|scope| {
            scope.spawn(|| drain.each(|_| Err(io::ErrorKind::StorageFull.into())));
            let data = vec![1; BUFFER];
            assert!((0..10).any(|_| filler.put(&data).is_err()));
        });
    }
}
