//! The archives themselves, with what must become of them.

use super::Fate::{self, Refused, Restored};
use super::{PREFIX, Tar};

fn tar() -> Tar {
    Tar::default().dir(PREFIX)
}

/// A member below the prefix.
fn in_app(name: &str) -> Vec<u8> {
    format!("data/custom/app/{name}").into_bytes()
}

fn path(name: &[u8]) -> Tar {
    tar().pax(b'x', &[(b"path", name)]).file(b"data/custom/app/harmless")
}

type Case = (&'static str, Vec<u8>, Fate);

pub(super) fn cases() -> Vec<Case> {
    [names(), links(), headers(), metadata(), streams()].concat()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn names() -> Vec<Case> {
    let case = |name, tar: Tar, fate| (name, tar.end(), fate);
    vec![
        case("absolute", tar().file(b"/etc/evil"), Refused("`/etc/evil` is absolute")),
        case("absolute below", path(b"/data/custom/app/x"), Refused("is absolute")),
        case("dot dot", tar().file(&in_app("../../../../evil")), Refused("has `..`")),
        case("dot dot at the end", tar().dir(&in_app("x/..")), Refused("has `..`")),
        case("dot dot alone", tar().file(b".."), Refused("has `..`")),
        case("dot dot by PAX", path(b"data/custom/app/../evil"), Refused("has `..`")),
        case(
            "dot dot by a long name",
            tar().long(b'L', b"data/custom/app/../../evil").file(b"x"),
            Refused("has `..`"),
        ),
        case(
            "dot dot by the ustar prefix",
            tar().raw(b"evil", b'0', |block| {
                block[345..363].copy_from_slice(b"data/custom/app/..");
            }),
            Refused("has `..`"),
        ),
        case("dot", tar().file(&in_app("./x")), Refused("has `.`")),
        case("leading dot", tar().file(b"./data/custom/app/x"), Refused("has `.`")),
        case("empty component", tar().file(&in_app("a//x")), Refused("an empty component")),
        case("NUL by PAX", path(b"data/custom/app/x\0../../evil"), Refused("NUL")),
        case(
            "a sparse name that leads out",
            tar()
                .pax(
                    b'x',
                    &[
                        (b"GNU.sparse.major", b"0"),
                        (b"GNU.sparse.minor", b"1"),
                        (b"GNU.sparse.size", b"5"),
                        (b"GNU.sparse.map", b"0,5"),
                        (b"GNU.sparse.name", b"../../evil"),
                    ],
                )
                .file(b"data/custom/app/x"),
            Refused("has `..`"),
        ),
        case(
            "PAX wins over the header",
            path(b"data/custom/app/y"),
            Restored("test -f y -a ! -e harmless"),
        ),
        case(
            "a name that is percent-encoded is only a name",
            tar().dir(&in_app("%2e%2e")).file(&in_app("%2e%2e/x")),
            Restored("test -f %2e%2e/x"),
        ),
        case(
            "backslashes are only bytes",
            tar().file(&in_app("..\\..\\x")),
            Restored("test -f '..\\..\\x'"),
        ),
        case("a component of 256 bytes", path(&in_app(&"x".repeat(256))), Refused("too long")),
        case("a name of 5000 bytes in one", path(&in_app(&"x".repeat(5000))), Refused("too long")),
        case(
            "a name of 70 000 bytes",
            path(&in_app(&("x/".repeat(35_000) + "y"))),
            Refused("too long"),
        ),
        case(
            "10 000 levels",
            path(&in_app(&("x/".repeat(10_000) + "y"))),
            Refused("too many directories deep"),
        ),
        case(
            "a name of 5000 bytes in many",
            path(&in_app(
                ("x".repeat(99) + "/").repeat(50).replace("x/", "y/").trim_end_matches('/'),
            )),
            Restored("test -d x*"),
        ),
        case(
            "a look-alike",
            tar().file(b"data/custom/app2/x"),
            Refused("`data/custom/app2/x` lies outside"),
        ),
        case(
            "a look-alike of the prefix",
            tar().file(b"data/custom/app.txt"),
            Refused("lies outside"),
        ),
        case("another tree", tar().file(b"data/custom/etc/cron.d/evil"), Refused("lies outside")),
        case(
            "a hook that is not ours",
            tar().file(b"hooks/restore/99-evil"),
            Refused("lies outside"),
        ),
        case(
            "a directory of an own name",
            tar().dir(b"backup.csv"),
            Refused("`backup.csv` lies outside"),
        ),
        case(
            "a link of an own name",
            tar().soft(b"info.json", b"/etc/passwd"),
            Refused("lies outside"),
        ),
        case("two own members", tar().file(b"info.json").file(b"info.json"), Refused("twice")),
        case(
            "own members",
            tar().file(b"info.json").file(b"hooks/restore/50-data_custom"),
            Restored("test ! -e info.json"),
        ),
        case(
            "nothing of it",
            Tar::default().file(b"info.json"),
            Refused("has no `data/custom/app`"),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn links() -> Vec<Case> {
    let case = |name, tar: Tar, fate| (name, tar.end(), fate);
    let app = in_app;
    vec![
        case(
            "a symlink and a file below it",
            tar().soft(&app("l"), b"../outside").file(&app("l/evil")),
            Refused("lies below a member that is no directory"),
        ),
        case(
            "a file below a symlink that comes later",
            tar().file(&app("l/evil")).soft(&app("l"), b"../outside"),
            Refused("is no directory, and other members lie below it"),
        ),
        case(
            "a file and a file below it",
            tar().file(&app("f")).file(&app("f/x")),
            Refused("`data/custom/app/f/x` lies below"),
        ),
        case(
            "a symlink twice",
            tar().soft(&app("l"), b"a").soft(&app("l"), b"b"),
            Refused("twice"),
        ),
        case("a file twice", tar().file(&app("f")).file(&app("f")), Refused("twice")),
        case("a directory twice", tar().dir(&app("d")).dir(&app("d")), Refused("twice")),
        case(
            "a symlink, then a directory",
            tar().soft(&app("l"), b"..").dir(&app("l")),
            Refused("twice"),
        ),
        case(
            "a directory, then a symlink",
            tar().dir(&app("l")).soft(&app("l"), b".."),
            Refused("twice"),
        ),
        case(
            "a symlink, then a file",
            tar().soft(&app("l"), b"../outside/file").file(&app("l")),
            Refused("twice"),
        ),
        case(
            "a file, then a symlink",
            tar().file(&app("l")).soft(&app("l"), b".."),
            Refused("twice"),
        ),
        case(
            "a slash makes no other name",
            tar().dir(&app("d/")).file(&app("d")),
            Refused("twice"),
        ),
        case(
            "the prefix is a symlink",
            Tar::default().soft(PREFIX, b"../outside").file(&app("x")),
            Refused("below"),
        ),
        case(
            "a hard link to /etc/passwd",
            tar().hard(&app("p"), b"/etc/passwd"),
            Refused("hard link to something outside"),
        ),
        case(
            "a hard link out by dot dot",
            tar().hard(&app("p"), b"data/custom/app/../../../x"),
            Refused("hard link to something outside"),
        ),
        case(
            "a hard link to an own member",
            tar().file(b"info.json").hard(&app("p"), b"info.json"),
            Refused("hard link to something outside"),
        ),
        case(
            "a hard link to a look-alike",
            tar().hard(&app("p"), b"data/custom/app2/x"),
            Refused("hard link to something outside"),
        ),
        case(
            "a hard link to what exists only here",
            tar().hard(&app("p"), &app("real/file")),
            Refused("no earlier member"),
        ),
        case(
            "a hard link through a symlink that is here",
            tar().hard(&app("p"), &app("out/file")),
            Refused("no earlier member"),
        ),
        case(
            "a hard link through a symlink of the archive",
            tar().soft(&app("l"), b"../outside").hard(&app("p"), &app("l/file")),
            Refused("no earlier member"),
        ),
        case(
            "a hard link to a directory",
            tar().dir(&app("d")).hard(&app("p"), &app("d")),
            Refused("hard link to a directory"),
        ),
        case(
            "a hard link to what comes later",
            tar().hard(&app("p"), &app("f")).file(&app("f")),
            Refused("no earlier member"),
        ),
        case(
            "a hard link to itself",
            tar().hard(&app("p"), &app("p")),
            Refused("no earlier member"),
        ),
        case(
            "a hard link by PAX",
            tar().pax(b'x', &[(b"linkpath", b"/etc/shadow")]).hard(&app("p"), b"x"),
            Refused("hard link to something outside"),
        ),
        case(
            "a hard link to a symlink is the symlink",
            tar().soft(&app("l"), b"../outside/file").hard(&app("h"), &app("l")),
            Restored("test -L l -a -L h -a \"$(readlink h)\" = ../outside/file"),
        ),
        case(
            "a symlink out is only text",
            tar().soft(&app("etc"), b"/etc"),
            Restored("test \"$(readlink etc)\" = /etc"),
        ),
        case(
            "a file where a symlink leads out",
            tar().file(&app("file-out")),
            Restored("test -f file-out -a ! -L file-out"),
        ),
        case(
            "a file below a symlink that is here",
            tar().file(&app("out/file")),
            Restored("test -f out/file -a ! -L out"),
        ),
        case(
            "a directory where a symlink leads out",
            tar().dir(&app("out")).file(&app("out/x")),
            Restored("test -f out/x -a ! -L out"),
        ),
        case(
            "a file that shares its inode with one outside",
            tar().file(&app("shared")),
            Restored("grep -q evil shared"),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn headers() -> Vec<Case> {
    let case = |name, tar: Tar, fate| (name, tar.end(), fate);
    let app = in_app;
    vec![
        case("an unknown type", tar().raw(&app("x"), b'Z', |_| {}), Refused("unknown type")),
        case("a type of Solaris", tar().raw(&app("x"), b'D', |_| {}), Refused("unknown type")),
        case(
            "a directory with content",
            tar().raw(&app("d"), b'5', |b| b[124..135].copy_from_slice(b"00000001000")),
            Refused("content on a member"),
        ),
        case(
            "a negative length",
            tar().raw(&app("x"), b'0', |b| b[124..136].fill(0xff)),
            Refused("negative"),
        ),
        case(
            "an impossible length",
            tar().raw(&app("x"), b'0', |b| {
                b[124..136].fill(0);
                b[124] = 0x80;
                b[128] = 0x7f;
            }),
            Refused("byte"),
        ),
        case(
            "a length beyond the end",
            tar().raw(&app("x"), b'0', |b| b[124..135].copy_from_slice(b"00010000000")),
            Refused("cut off"),
        ),
        case(
            "two lengths",
            tar().pax(b'x', &[(b"size", b"512")]).file(&app("x")),
            Restored("test $(stat -c %s x) = 512"),
        ),
        case(
            "two long names",
            tar().long(b'L', &app("a")).long(b'L', &app("b")).file(b"x"),
            Refused("two extended headers"),
        ),
        case(
            "two PAX headers",
            tar().pax(b'x', &[(b"path", b"a")]).pax(b'x', &[(b"path", b"b")]).file(b"x"),
            Refused("two extended headers"),
        ),
        case(
            "a global path",
            tar().pax(b'g', &[(b"path", b"../x")]).file(&app("x")),
            Refused("global record"),
        ),
        case(
            "an extended header without a member",
            tar().pax(b'x', &[(b"path", b"a")]),
            Refused("without a member"),
        ),
        case(
            "an owner that means leave it",
            tar().pax(b'x', &[(b"uid", b"4294967295")]).file(&app("x")),
            Refused("impossible owner"),
        ),
        case(
            "an owner out of range",
            tar().pax(b'x', &[(b"gid", b"99999999999")]).file(&app("x")),
            Refused("impossible owner"),
        ),
        case("a symlink without a text", tar().soft(&app("l"), b""), Refused("link to nothing")),
        case(
            "a sparse map that is too large",
            tar()
                .pax(
                    b'x',
                    &[
                        (b"GNU.sparse.major", b"0"),
                        (b"GNU.sparse.minor", b"1"),
                        (b"GNU.sparse.size", b"5"),
                        (b"GNU.sparse.map", b"18446744073709551615,5"),
                    ],
                )
                .file(&app("x")),
            Refused("sparse map"),
        ),
        case(
            "a sparse map that does not fit",
            tar()
                .pax(
                    b'x',
                    &[
                        (b"GNU.sparse.major", b"0"),
                        (b"GNU.sparse.minor", b"1"),
                        (b"GNU.sparse.size", b"9999"),
                        (b"GNU.sparse.map", b"0,4000"),
                    ],
                )
                .file(&app("x")),
            Refused("sparse map"),
        ),
        case(
            "a huge hole takes no room",
            tar()
                .pax(
                    b'x',
                    &[
                        (b"GNU.sparse.major", b"0"),
                        (b"GNU.sparse.minor", b"1"),
                        (b"GNU.sparse.size", b"1000000000000"),
                        (b"GNU.sparse.map", b"0,5"),
                    ],
                )
                .file(&app("x")),
            Restored("test $(stat -c %s x) = 1000000000000 -a $(stat -c %b x) -lt 100"),
        ),
    ]
}

fn metadata() -> Vec<Case> {
    let case = |name, tar: Tar, fate| (name, tar.end(), fate);
    let app = in_app;
    vec![
        case(
            "a device without being asked",
            tar().raw(&app("sda"), b'4', |b| {
                b[329..336].copy_from_slice(b"0000010");
                b[337..344].copy_from_slice(b"0000000");
            }),
            Restored("test ! -e sda"),
        ),
        case(
            "a device over a file",
            tar().raw(&app("real/file"), b'3', |_| {}),
            Restored("grep -q old real/file"),
        ),
        case(
            "set-id of an honest owner",
            tar().raw(&app("su"), b'0', |b| b[100..107].copy_from_slice(b"0004755")),
            Restored("test $(stat -c %a su) = 4755"),
        ),
        case(
            "negative times",
            tar().pax(b'x', &[(b"mtime", b"-1.5")]).file(&app("x")),
            Restored("test $(stat -c %Y x) = -2"),
        ),
        case(
            "a time that is none",
            tar().pax(b'x', &[(b"mtime", b"soon")]).file(&app("x")),
            Refused("no number"),
        ),
        case(
            "ACL garbage",
            tar().pax(b'x', &[(b"SCHILY.acl.access", b"user::rwx,evil")]).raw(
                &app("x"),
                b'0',
                |b| b[100..107].copy_from_slice(b"0000670"),
            ),
            Restored("test $(stat -c %a x) = 600"),
        ),
        case(
            "a raw ACL as an attribute",
            tar()
                .pax(b'x', &[(b"SCHILY.xattr.system.posix_acl_access", b"\x02\0\0\0")])
                .file(&app("x")),
            Restored("test -f x"),
        ),
        case(
            "an attribute without a name",
            tar().pax(b'x', &[(b"SCHILY.xattr.", b"x")]).file(&app("x")),
            Restored("test -f x"),
        ),
        case(
            "a capability that is none",
            tar().pax(b'x', &[(b"SCHILY.xattr.security.capability", b"garbage")]).file(&app("x")),
            Restored("test -f x && test -z \"$(getfattr -d -m capability x)\""),
        ),
        case(
            "an attribute of another world",
            tar().pax(b'x', &[(b"SCHILY.xattr.com.apple.quarantine", b"x")]).file(&app("x")),
            Restored("test -f x"),
        ),
        case(
            "an attribute that is too large",
            tar().pax(b'x', &[(b"SCHILY.xattr.user.large", &[b'x'; 100_000])]).file(&app("x")),
            Restored("test -f x"),
        ),
        case(
            "a user of an impossible name",
            tar().pax(b'x', &[(b"uname", b"../../etc/passwd\0")]).file(&app("x")),
            Restored("test $(stat -c %u x) = 0"),
        ),
        case(
            "the mode of the target",
            Tar::default()
                .raw(PREFIX, b'5', |b| b[100..107].copy_from_slice(b"0000711"))
                .file(&app("x")),
            Restored("test $(stat -c %a .) = 711"),
        ),
        case(
            "a directory that is closed before it is filled",
            tar()
                .raw(&app("d"), b'5', |b| b[100..107].copy_from_slice(b"0000000"))
                .file(&app("d/x")),
            Restored("test $(stat -c %a d) = 0"),
        ),
    ]
}

fn streams() -> Vec<Case> {
    let whole = tar().file(&in_app("x")).end();
    let one = tar().file(&in_app("x"));
    let end = whole.len() - 1024;
    let with = |more: &[u8]| [whole.as_slice(), more].concat();
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    vec![
        ("cut in the content", whole[..end - 500].to_vec(), Refused("cut off")),
        ("cut in a header", whole[..700].to_vec(), Refused("cut off")),
        ("without an end", whole[..end].to_vec(), Refused("cut off")),
        ("empty", Vec::new(), Refused("cut off")),
        ("not tar", vec![b'x'; 4096], Refused("byte 0")),
        ("a sum that is wrong", damaged(512 + 3), Refused("sum is wrong")),
        ("garbage behind the end", with(b"garbage"), Refused("no part of the archive")),
        (
            "two archives in one",
            with(&tar().file(&in_app("hidden")).end()),
            Refused("no part of the archive"),
        ),
        ("zeros behind the end", with(&[0; 9000]), Restored("grep -q evil x")),
        (
            "a member behind one block of zeros",
            [one.0.as_slice(), &[0; 512], &Tar::default().file(&in_app("hidden")).end()].concat(),
            Refused("no part of the archive"),
        ),
        ("without a manifest", whole.clone(), Restored("grep -q evil x")),
    ]
}
