use std::io::Read as _;

use proptest::prelude::*;

use super::*;

fn block(kind: u8, name: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9).find(|n| n.to_string().len() + rest == *n).unwrap();
        all.extend(format!("{length} {key}={value}\n").into_bytes());
    }
    [block(b'x', "pax", all.len() as u64), padded(&all)].concat()
}

const END: [u8; 1024] = [0; 1024];

/// Name, length and content of each member, or the reason against it.
fn check(stream: &[u8]) -> Result<Vec<(String, u64, Vec<u8>)>, String> {
    let mut reader = Reader::from_stream(io::Cursor::new(stream.to_vec()));
    let mut seen = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(None) => return Ok(seen),
            Ok(Some(entry)) => {
                let mut content = Vec::new();
                reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
                let name = String::from_utf8_lossy(&entry.name).into_owned();
                seen.push((name, entry.size, content));
            }
            Err(ReadError::Malformed { reason, .. }) => return Err(reason.to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[test]
fn a_line_break_in_a_record_does_not_begin_another_one() {
    let hidden = records(&[("comment", "x\n19 path=other/name\n"), ("path", "real")]);
    let stream = [hidden, block(b'0', "short", 2), padded(b"hi"), END.to_vec()].concat();
    assert_eq!(check(&stream), Ok(vec![("real".to_owned(), 2, b"hi".to_vec())]));
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let file = || [block(b'0', "f", 2), padded(b"hi")].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a symlink with content", [block(b'2', "l", 512), vec![0; 512]].concat()),
        ("a directory with content", [block(b'5', "d", 512), vec![0; 512]].concat()),
        (
            "a hard link with a PAX length",
            [records(&[("size", "512")]), block(b'1', "h", 0)].concat(),
        ),
        (
            "two extended headers",
            [records(&[("path", "a")]), records(&[("path", "b")]), file()].concat(),
        ),
        ("an extended header at the end", [records(&[("path", "a")]), END.to_vec()].concat()),
        ("a global length", [block(b'g', "g", 11), padded(b"11 size=12\n"), file()].concat()),
        ("a wrong record length", [block(b'x', "x", 10), padded(b"99 path=a\n"), file()].concat()),
        ("a record without a length", [block(b'x', "x", 7), padded(b"path=a\n"), file()].concat()),
        ("an unknown type", block(b'?', "q", 0)),
        ("an endless extended header", block(b'x', "x", 1 << 40)),
        ("an impossible length", block(b'0', "f", 1 << 62)),
        ("no name", block(b'0', "", 0)),
        (
            "an unordered sparse map",
            [records(&[("GNU.sparse.map", "5,1,0,1"), ("GNU.sparse.size", "9")]), file()].concat(),
        ),
        (
            "a sparse map of other length",
            [records(&[("GNU.sparse.map", "0,1"), ("GNU.sparse.size", "9")]), file()].concat(),
        ),
        (
            "a sparse map past its file",
            [records(&[("GNU.sparse.map", "8,2"), ("GNU.sparse.size", "9")]), file()].concat(),
        ),
        (
            "an overflowing sparse map",
            [
                records(&[("GNU.sparse.map", "18446744073709551615,2"), ("GNU.sparse.size", "9")]),
                file(),
            ]
            .concat(),
        ),
    ];
    for (name, stream) in cases {
        let stream = [stream, END.to_vec()].concat();
        let result = check(&stream);
        assert!(result.is_err(), "{name}: {result:?}");
    }
}

#[test]
fn an_archive_without_an_end_is_cut_off() {
    let stream = [block(b'0', "f", 2), padded(b"hi")].concat();
    assert!(check(&stream).unwrap_err().contains("cut off"));
    assert!(check(&stream[..700]).is_err());
    assert!(check(&[]).is_err());
}

#[test]
fn a_header_with_a_wrong_sum_is_no_header() {
    let mut stream = [block(b'0', "f", 0), END.to_vec()].concat();
    stream[0] ^= 1;
    assert!(check(&stream).unwrap_err().contains("sum"));
}

#[test]
fn all_four_kinds_of_sparse_files_are_read() {
    let data = padded(b"abcd");
    let pairs = records(&[
        ("GNU.sparse.size", "9000"),
        ("GNU.sparse.offset", "10"),
        ("GNU.sparse.numbytes", "3"),
        ("GNU.sparse.offset", "8999"),
        ("GNU.sparse.numbytes", "1"),
    ]);
    let map = records(&[("GNU.sparse.map", "10,3,8999,1"), ("GNU.sparse.size", "9000")]);
    let newest = records(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "9000"),
        ("GNU.sparse.name", "f"),
    ]);
    let mut old = Header::new_gnu();
    old.as_old_mut().name[0] = b'f';
    old.set_entry_type(EntryType::GNUSparse);
    old.set_size(4);
    old.set_mtime(0);
    old.set_uid(0);
    old.set_gid(0);
    old.set_mode(0o600);
    let gnu = old.as_gnu_mut().unwrap();
    gnu.set_real_size(9000);
    gnu.sparse[0].set_offset(10);
    gnu.sparse[0].set_length(3);
    gnu.sparse[1].set_offset(8999);
    gnu.sparse[1].set_length(1);
    old.set_cksum();
    let newest_map = padded(b"2\n10\n3\n8999\n1\n");
    for stream in [
        [pairs, block(b'0', "f", 4), data.clone()].concat(),
        [map, block(b'0', "f", 4), data.clone()].concat(),
        [newest, block(b'0', "x", 516), newest_map, data.clone()].concat(),
        [old.as_bytes().to_vec(), data].concat(),
    ] {
        let stream = [stream, END.to_vec()].concat();
        assert_eq!(check(&stream), Ok(vec![("f".to_owned(), 9000, b"abcd".to_vec())]));
    }
}

proptest! {
    #[test]
    fn random_bytes_are_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let _ = check(&bytes);
    }

    #[test]
    fn random_damage_to_an_archive_is_never_a_panic(
        changes in proptest::collection::vec((0_usize..4608, any::<u8>()), 1..12),
        mend in any::<bool>(),
    ) {
        let extended = records(&[
            ("path", "long/name"), ("GNU.sparse.map", "0,2"), ("GNU.sparse.size", "9"),
            ("mtime", "12.5"), ("SCHILY.xattr.user.a", "b")]);
        let mut stream = [
            extended, block(b'0', "f", 2), padded(b"hi"),
            block(b'L', "l", 4), padded(b"name"), block(b'5', "d", 0), END.to_vec()].concat();
        for (at, byte) in changes {
            let length = stream.len();
            stream[at % length] = byte;
        }
        if mend {
            // With the sums right again, damage gets past the first check.
            for at in (0..stream.len()).step_by(512) {
                let mut header = Header::from_byte_slice(&stream[at..at + 512]).clone();
                header.set_cksum();
                if at % 1024 == 0 || at > 1024 {
                    stream[at + 148..at + 156].copy_from_slice(&header.as_bytes()[148..156]);
                }
            }
        }
        let _ = check(&stream);
    }
}
