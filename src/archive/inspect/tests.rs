use std::io::Write as _;

use super::*;

/// A tar stream that is made by hand.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn member(mut self, name: &str, kind: u8, link: &str, content: &[u8]) -> Self {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[136..147].copy_from_slice(b"07000000000");
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str) -> Self {
        self.member(name, b'0', "", b"content\n")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.member(name, b'2', target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(name, b'1', target, b"")
    }

    fn hook(self, name: &str) -> Self {
        self.member(name, b'0', "", HOOK.as_bytes())
    }

    /// A long name in an extended header of GNU tar, before a member of another name.
    fn long_name(self, name: &str) -> Self {
        self.member("././@LongLink", b'L', "", format!("{name}\0").as_bytes()).file("harmless")
    }

    /// A long name in an extended header as POSIX has it.
    fn pax_path(self, name: &str) -> Self {
        let record = |length: usize| format!("{length} path={name}\n");
        let mut length = record(0).len();
        while record(length).len() != length {
            length += 1;
        }
        self.member("pax", b'x', "", record(length).as_bytes()).file("harmless")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn tar() -> Tar {
    Tar::default().file("backup_info.json")
}

fn inspected(bytes: &[u8], codec: Codec) -> Inspection {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    inspect(&file, codec, &Stop::new(), &Progress::new()).unwrap()
}

#[test]
fn what_would_be_run_or_written_outside_is_found_whatever_its_shape() {
    let shapes: [(&str, Tar, &str); 27] = [
        ("absolute", tar().file("/etc/cron.d/x"), "absolute"),
        ("absolute, twice", tar().file("//etc/passwd"), "absolute"),
        ("climbing", tar().file("../../etc/passwd"), "`..`"),
        ("climbing from within", tar().file("data/custom/../../../etc/x"), "`..`"),
        ("climbing at its end", tar().member("data/..", b'5', "", b""), "`..`"),
        ("climbing symlink name", tar().symlink("../x", "y"), "`..`"),
        ("in a long name", tar().long_name("/etc/passwd"), "absolute"),
        ("climbing in a long name", tar().long_name("data/../../x"), "`..`"),
        ("in a POSIX header", tar().pax_path("/etc/passwd"), "absolute"),
        ("climbing in a POSIX header", tar().pax_path("a/../../x"), "`..`"),
        ("behind a symlink", tar().symlink("data", "/etc").file("data/passwd"), "link"),
        (
            "behind a symlink, spelled otherwise",
            tar().symlink("data", "/etc").file("./data//passwd"),
            "link",
        ),
        ("deep behind a symlink", tar().symlink("data/a", "/").file("data/a/etc/cron.d/x"), "link"),
        ("over a symlink", tar().symlink("data/a", "/etc/passwd").file("data/a"), "link"),
        ("over a hard link", tar().file("b").hard_link("a", "b").file("a"), "link"),
        ("a link over a link", tar().symlink("a", "b").symlink("a", "/etc"), "link"),
        ("a directory over a link", tar().symlink("a", "/etc").member("a/", b'5', "", b""), "link"),
        ("a hard link outside", tar().hard_link("a", "/etc/shadow"), "outside"),
        ("a climbing hard link", tar().hard_link("a", "data/../../etc/shadow"), "outside"),
        (
            "a hard link behind a symlink",
            tar().symlink("s", "/etc").hard_link("a", "s/shadow"),
            "behind another link",
        ),
        ("a hook", tar().file("hooks/restore/99-mine"), "hook"),
        ("a hook in our hook's name", tar().file(HOOK_MEMBER), "hook"),
        ("our hook elsewhere", tar().hook("hooks/restore/98-conf"), "hook"),
        ("a hook, spelled otherwise", tar().file(".//hooks/./restore/99-mine"), "hook"),
        ("hooks that are a link", tar().symlink("hooks", "data/custom"), "hook"),
        (
            "our hook and a second one in its name",
            tar().hook(HOOK_MEMBER).file(HOOK_MEMBER),
            "twice",
        ),
        ("a hook that is a device", tar().member("hooks/x", b'3', "", b""), "device"),
    ];
    for (name, tar, why) in shapes {
        for (codec, bytes) in encoded(&tar.end()) {
            let found = inspected(&bytes, codec);
            let danger = found.danger.unwrap_or_else(|| panic!("{name}: nothing was found"));
            assert!(danger.contains(why), "{name}: {danger}");
        }
    }
}

fn encoded(tar: &[u8]) -> [(Codec, Vec<u8>); 3] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(tar).unwrap();
    [
        (Codec::None, tar.to_vec()),
        (Codec::Gzip(1), gzip.finish().unwrap()),
        (Codec::Zstd(1), zstd::encode_all(tar, 1).unwrap()),
    ]
}

#[test]
fn what_honest_archives_have_is_no_danger() {
    let tar = Tar::default()
        .file("./info.json")
        .member("hooks", b'5', "", b"")
        .member("hooks/restore/", b'5', "", b"")
        .hook(HOOK_MEMBER)
        .member("data/custom/opt/app/", b'5', "", b"")
        .file("data/custom/opt/app/..hidden..")
        .file("data/custom/opt/app/a")
        .hard_link("data/custom/opt/app/b", "data/custom/opt/app/a")
        .symlink("data/custom/opt/app/current", "/opt/app/releases/1")
        .hard_link("data/custom/opt/app/also", "data/custom/opt/app/current")
        .file("data/custom/opt/app/current-1")
        .file("data/custom/opt/app/hooks/post-commit")
        .end();
    for (codec, bytes) in encoded(&tar) {
        let found = inspected(&bytes, codec);
        assert_eq!((found.danger, found.unreadable), (None, None));
        assert_eq!(found.files, 6);
        assert_eq!(found.stored, 8 * 5 + HOOK.len() as u64);
        let stream = (tar.len() as u64, Sha256(Hasher::digest(&tar).into()));
        assert_eq!(found.stream, (codec != Codec::None).then_some(stream));
    }
}

#[test]
fn what_cannot_be_read_to_its_end_is_said_and_no_error() {
    let whole = tar().file("a").end();
    let mut behind = whole.clone();
    behind.extend(tar().file("hooks/restore/99-mine").0);
    let mut unlike = tar();
    unlike.0.extend([7; 512]);
    let cases: [(&str, Vec<u8>, Codec); 8] = [
        ("nothing", Vec::new(), Codec::None),
        (
            "noise",
            (0..4096_u32).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect(),
            Codec::None,
        ),
        ("zeros", vec![0; 10_240], Codec::None),
        ("cut off", whole[..1100].to_vec(), Codec::None),
        ("another archive behind its end", behind, Codec::None),
        ("a damaged header", unlike.end(), Codec::None),
        ("no gzip", whole.clone(), Codec::Gzip(6)),
        ("half a zstd", zstd::encode_all(&whole[..], 1).unwrap()[..40].to_vec(), Codec::Zstd(3)),
    ];
    for (name, bytes, codec) in cases {
        let found = inspected(&bytes, codec);
        assert!(found.unreadable.is_some(), "{name}");
        assert_eq!(found.stream, None, "{name}");
    }
}

#[test]
fn what_unpacks_without_an_end_is_given_up() {
    assert_eq!(most_unpacked(10), 10 * MOST_RATIO + (1 << 30));
    let counted = Arc::new(Mutex::new((Hasher::new(), 0)));
    let input: Box<dyn Read + Send> = Box::new(io::repeat(0));
    let mut endless = Counted { input, sum: counted, left: 1 << 20 };
    let error = io::copy(&mut endless, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
}
