//! SQL as PostgreSQL's own programs write it, cut into statements; and what we write into it.
//!
//! Bytes, not text: a dump speaks the encoding of its database.

/// A value in a statement, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name in a statement.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Adds a statement that an archive brought. **Invariant:** psql, which runs programs of the shell
/// when it reads `\!`, reads nothing of it but digits: it hands what they mean to the server.
pub(super) fn put_foreign(script: &mut Vec<u8>, encoding: &str, parts: &[&[u8]]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    script.extend_from_slice(b"select pg_catalog.convert_from(pg_catalog.decode('");
    for byte in parts.iter().copied().flatten() {
        script.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    script.extend_from_slice(b"', 'hex'), '");
    script.extend_from_slice(encoding.as_bytes());
    script.extend_from_slice(b"') \\gexec\n");
}

/// The encoding of a script until it says another.
pub(super) const ENCODING: &str = "UTF8";

/// The encoding that `SET client_encoding = 'NAME'` names.
pub(super) fn encoding_of(statement: &[u8]) -> Option<String> {
    let rest = after(statement, "SET client_encoding")?;
    let mut parts = rest.split(|byte| *byte == b'\'');
    let name = parts.nth(1)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = !name.is_empty() && name.iter().all(is_plain) && parts.next() == Some(b"");
    is_name.then(|| String::from_utf8_lossy(name).into_owned())
}

/// The statements of a script without their semicolons; comments and psql's own commands are left
/// out.
pub(super) fn statements(script: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut begun: Vec<u8> = Vec::new();
    let mut rest = script;
    while let Some((&byte, after)) = rest.split_first() {
        let is_blank = begun.iter().all(u8::is_ascii_whitespace);
        let taken = match byte {
            b'\\' if is_blank => {
                rest = line_after(rest);
                continue;
            }
            b'-' if after.first() == Some(&b'-') => {
                rest = line_after(rest);
                continue;
            }
            b'\'' => quoted(rest, b'\'', has_escapes(&begun)),
            b'"' => quoted(rest, b'"', false),
            b';' => {
                found.push(std::mem::take(&mut begun).trim_ascii().to_vec());
                rest = after;
                continue;
            }
            _ => 1,
        };
        begun.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    if !begun.trim_ascii().is_empty() {
        found.push(begun.trim_ascii().to_vec());
    }
    found.retain(|statement| !statement.is_empty());
    found
}

fn line_after(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
    &text[end..]
}

/// Whether the quote that follows is one of `E'…'`.
fn has_escapes(before: &[u8]) -> bool {
    match before {
        [.., other, b'E' | b'e'] => !(other.is_ascii_alphanumeric() || *other == b'_'),
        [b'E' | b'e'] => true,
        _ => false,
    }
}

/// The length of what begins with a quote, up to its end. A doubled quote inside begins another.
fn quoted(text: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && text.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// What follows these words, when a statement begins with them.
pub(super) fn after<'a>(statement: &'a [u8], words: &str) -> Option<&'a [u8]> {
    statement.strip_prefix(words.as_bytes())
}

/// The name at the beginning, as it is written, as it is called, and what follows.
pub(super) fn name(text: &[u8]) -> Option<(&[u8], String, &[u8])> {
    let length = match text.first()? {
        b'"' => quoted(text, b'"', false),
        _ => text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len()),
    };
    let (written, rest) = text.split_at(length);
    let called = match written.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")) {
        Some(inner) => String::from_utf8_lossy(inner).replace("\"\"", "\""),
        None => String::from_utf8_lossy(written).into_owned(),
    };
    Some((written, called, rest.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str) -> Vec<String> {
        let text = |statement: &Vec<u8>| String::from_utf8_lossy(statement).into_owned();
        statements(script.as_bytes()).iter().map(text).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        assert_eq!(
            check(
                "-- a; comment\n\\restrict abc\nSET a = 'x;\n\\connect y\n--z';\nCREATE ROLE \"o;\"\"dd\";\n\
                 COMMENT ON ROLE e IS E'it\\'s; \\\\';\nSELECT 'a\\'; SELECT ''''; ;\nlast"
            ),
            [
                "SET a = 'x;\n\\connect y\n--z'",
                "CREATE ROLE \"o;\"\"dd\"",
                "COMMENT ON ROLE e IS E'it\\'s; \\\\'",
                "SELECT 'a\\'",
                "SELECT ''''",
                "last",
            ]
        );
    }

    #[test]
    fn psql_reads_nothing_of_what_an_archive_says() {
        let mut script = Vec::new();
        put_foreign(&mut script, "UTF8", &[b"A\\! x\n", b"\xff'"]);
        assert_eq!(
            String::from_utf8(script).unwrap(),
            "select pg_catalog.convert_from(pg_catalog.decode('415c2120780aff27', 'hex'), 'UTF8') \\gexec\n"
        );
    }

    #[test]
    fn an_encoding_is_a_plain_name() {
        let check = |statement: &str| encoding_of(statement.as_bytes());
        assert_eq!(check("SET client_encoding = 'LATIN1'").as_deref(), Some("LATIN1"));
        for bad in ["SET client_encoding = ''", "SET client_encoding = 'a b'", "SET x = 'UTF8'"] {
            assert_eq!(check(bad), None, "{bad}");
        }
        assert_eq!(check("SET client_encoding = 'UTF8' \\! x"), None);
    }

    #[test]
    fn names_are_read_as_they_were_written() {
        let (written, called, rest) = name(b"\"my \"\"db\" WITH x").unwrap();
        assert_eq!(
            (written, called.as_str(), rest),
            (&b"\"my \"\"db\""[..], "my \"db", &b"WITH x"[..])
        );
        let (_, called, rest) = name(b"plain").unwrap();
        assert_eq!((called.as_str(), rest), ("plain", &b""[..]));
        assert!(name(b"").is_none());
    }

    #[test]
    fn nothing_that_is_called_something_ends_a_statement() {
        assert_eq!(literal("it's \\ here"), "E'it''s \\\\ here'");
        assert_eq!(identifier("a\"b;"), "\"a\"\"b;\"");
    }
}
