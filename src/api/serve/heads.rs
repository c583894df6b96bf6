//! A second look at the head of every request, before it is parsed.
//!
//! Two programs that read one stream and disagree where a request ends can be played against each
//! other (request smuggling): a proxy checks one request, we answer another. What leaves room for
//! that is refused although it could be read: two lengths, a length beside a coding, any coding but
//! `chunked`, lines that do not end with CR LF, folded lines, NUL. Behind a chunked body nothing is
//! looked at any more; such a connection serves no further request
//! (see [`super::connection`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of a line is kept: enough for the fields that matter.
const KEPT: usize = 128;

/// A stream whose requests are looked at as they are read.
///
/// What is refused is replaced by a NUL, and is the last that is read: the parser behind it answers
/// with 400 and closes the connection.
#[derive(Debug)]
pub(super) struct Heads<S> {
    stream: S,
    look: Look,
    is_refused: bool,
}

impl<S> Heads<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, look: Look::default(), is_refused: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_refused {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Err(refused) = self.look.at(&buf.filled()[before..]) {
            self.is_refused = true;
            buf.filled_mut()[before + refused] = 0;
            buf.set_filled(before + refused + 1);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where in the stream we are.
#[derive(Debug, Default, PartialEq, Eq)]
enum Where {
    #[default]
    Head,
    /// So many bytes of a body are still to come.
    Body(u64),
    /// In or behind a body whose end only the parser finds.
    Unknown,
}

/// A head that must not be parsed.
struct Refused;

#[derive(Debug, Default)]
struct Look {
    at: Where,
    /// The beginning of the line under way.
    line: Vec<u8>,
    /// Whether `line` is not all of it.
    is_long: bool,
    /// Whether the last byte was a CR.
    cr: bool,
    /// Lines of this head so far.
    lines: usize,
    length: Option<u64>,
    is_chunked: bool,
}

impl Look {
    /// The next bytes of the stream; the position of the one that is refused.
    fn at(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut next = 0;
        while next < bytes.len() {
            match &mut self.at {
                Where::Unknown => return Ok(()),
                Where::Body(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - next);
                    *left -= u64::try_from(here).unwrap_or(0);
                    next += here;
                    if *left == 0 {
                        self.at = Where::Head;
                    }
                }
                Where::Head => {
                    self.byte(bytes[next]).map_err(|Refused| next)?;
                    next += 1;
                }
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refused> {
        match byte {
            b'\n' if self.cr => {
                self.cr = false;
                return self.end_of_line();
            }
            0 | b'\n' => return Err(Refused),
            _ if self.cr => return Err(Refused),
            b'\r' => {
                self.cr = true;
                return Ok(());
            }
            // A line that goes on with the one before.
            b' ' | b'\t' if self.line.is_empty() && self.lines > 0 => return Err(Refused),
            _ => {}
        }
        if self.line.len() < KEPT {
            self.line.push(byte);
        } else {
            self.is_long = true;
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), Refused> {
        if self.line.is_empty() {
            if self.lines > 0 {
                self.at = match (self.is_chunked, self.length) {
                    (true, _) => Where::Unknown,
                    (false, Some(length)) if length > 0 => Where::Body(length),
                    (false, _) => Where::Head,
                };
                (self.lines, self.length, self.is_chunked) = (0, None, false);
            }
            // Empty lines before a request are allowed.
            return Ok(());
        }
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        let is_long = std::mem::take(&mut self.is_long);
        if self.lines > 1 {
            self.field(&line, is_long)?;
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn field(&mut self, line: &[u8], is_long: bool) -> Result<(), Refused> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            // A name so long is none that matters; another line without a colon is no field.
            return if is_long { Ok(()) } else { Err(Refused) };
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_length = name.trim_ascii().eq_ignore_ascii_case(b"content-length");
        let is_coding = name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding");
        if !is_length && !is_coding {
            return Ok(());
        }
        let is_second = self.length.is_some() || self.is_chunked;
        if is_second || is_long || name.trim_ascii() != name {
            return Err(Refused);
        }
        if is_coding {
            self.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            return if self.is_chunked { Ok(()) } else { Err(Refused) };
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refused);
        }
        let digits = std::str::from_utf8(value).map_err(|_| Refused)?;
        self.length = Some(digits.parse().map_err(|_| Refused)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a stream is refused: whole, and byte by byte.
    fn check(stream: &[u8]) -> Option<usize> {
        let whole = Look::default().at(stream).err();
        let mut look = Look::default();
        let single = stream.iter().position(|byte| look.at(&[*byte]).is_err());
        assert_eq!(whole, single, "{}", stream.escape_ascii());
        whole
    }

    fn is_refused(head: &str) -> bool {
        check(head.as_bytes()).is_some()
    }

    #[test]
    fn what_can_be_read_in_one_way_only_passes() {
        for stream in [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:  5 \r\n\r\na\nb\0cGET / HTTP/1.0\r\nX:\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n\0\r\n0\r\n\r\n",
        ] {
            assert_eq!(check(stream.as_bytes()), None, "{}", stream.escape_debug());
        }
        let long =
            format!("GET / HTTP/1.1\r\nx: {}\r\n{}: 1\r\n\r\n", "v".repeat(9000), "n".repeat(9000));
        assert_eq!(check(long.as_bytes()), None);
    }

    #[test]
    fn what_leaves_room_for_two_readings_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length : 5\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Host: x\r\n Content-Length: 5\r\n",
            "Host: x\r\n\tfolded\r\n",
            "Host: x\nContent-Length: 5\r\n",
            "Host: x\rContent-Length: 5\r\n",
            "Host: x\0y\r\n",
            "no colon\r\n",
        ] {
            assert!(is_refused(&format!("POST / HTTP/1.1\r\n{fields}\r\n")), "{fields:?}");
        }
        assert!(is_refused("GET / HTTP/1.1\n\n"));
        assert!(is_refused("GET / HTTP/1.1\r\n\n"));
    }

    #[test]
    fn a_second_request_on_a_connection_is_looked_at_as_well() {
        let first = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert!(is_refused(&format!("{first}GET / HTTP/1.1\nhost: x\r\n\r\n")));
        let pair = "Content-Length: 1\r\nTransfer-Encoding: chunked";
        assert!(is_refused(&format!("{first}POST / HTTP/1.1\r\n{pair}\r\n\r\n")));
    }
}
