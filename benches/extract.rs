//! Restoring files beside `tar -x`: 60 000 small ones (1 GB) and 8 large ones (2 GB).
//!
//! `cargo bench --bench extract [-- DIRECTORY [CODEC…]]` (default: target/bench and `none`; `zstd` and
//! `gzip` are others; needs 4 GB and 4 GB more for each round). RUNS=5 asks for more rounds,
//! ONLY=small for one tree. Both sides read the same
//! archive from a warm cache, alternating. larder compares the hash of the whole archive first and
//! writes everything out to the disk last, so like is compared with like: `written` is until the last
//! file has its content and metadata, `on disk` is after `syncfs` (`sync -f` behind `tar`). Time of the processor
//! (user and system, of the process and all its children) is told beside that of the wall clock,
//! since a machine that is shared stretches only the latter.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larder::archive::{Content, Spec, directory_prefix, write};
use larder::model::archive::{ArchiveId, Sha256};
use larder::model::job::{CustomDir, JobType, SourceMount};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::restore::files::{Extraction, Original, Owners, extract};
use larder::source::directory::Directory;
use larder::stop::Stop;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if let [word, archive, codec, target, prefix, sha256] = arguments.as_slice()
        && word == "extract"
    {
        let sha256 = sha256.parse().map_err(|()| "no hash")?;
        return child(Path::new(archive), codec_of(codec), Path::new(target), prefix, sha256);
    }
    let directory = PathBuf::from(arguments.first().map_or("target/bench", String::as_str));
    fs::create_dir_all(&directory)?;
    let directory = directory.canonicalize()?;
    let codecs = match arguments.get(1..) {
        Some(codecs) if !codecs.is_empty() => codecs.to_vec(),
        _ => vec!["none".to_owned()],
    };
    let rounds = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let only = std::env::var("ONLY").ok();
    for (name, files, bytes) in [("small", 60_000, 1_000_000_000), ("large", 8, 2_000_000_000)] {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let tree = directory.join(format!("{name}-tree"));
        make_tree(&tree, files, bytes)?;
        for codec in &codecs {
            let (archive, sha256) = make_archive(&tree, &directory, name, codec)?;
            println!("\n{name}, {codec}: {files} files, {bytes} bytes; medians of {rounds} rounds");
            compare(&tree, &archive, codec, sha256, rounds)?;
            fs::remove_file(archive)?;
        }
    }
    Ok(())
}

fn codec_of(name: &str) -> Codec {
    match name {
        "gzip" => Codec::Gzip(6),
        "zstd" => Codec::Zstd(3),
        _ => Codec::None,
    }
}

/// Half text, half noise, always the same.
fn make_tree(tree: &Path, files: u64, total: u64) -> std::io::Result<()> {
    let complete = tree.with_extension("complete");
    if complete.exists() {
        return Ok(());
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut pool = Vec::new();
    while pool.len() < 24 << 20 {
        if random() % 2 == 0 {
            (0..1024).for_each(|_| pool.extend(random().to_le_bytes()));
        } else {
            (0..1300).for_each(|_| pool.extend(format!("word{} ", random() % 4000).into_bytes()));
        }
    }
    let mean = total / files;
    for number in 0..files {
        let directory = tree.join(format!("{:03}", number / 200));
        fs::create_dir_all(&directory)?;
        let mut file = BufWriter::new(File::create(directory.join(format!("file-{number:06}")))?);
        // Around the mean, and mostly below it.
        let third = if mean > 1 << 20 { mean } else { mean / 4 + (random() % mean) * 3 / 2 };
        let mut left = third;
        while left > 0 {
            let count = left.min(4 << 20);
            let start = random() % (pool.len() as u64 - count);
            let (start, count) = (index(start), index(count));
            file.write_all(&pool[start..start + count])?;
            left -= count as u64;
        }
        file.flush()?;
    }
    fs::write(complete, "")
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("it is small")
}

fn make_archive(
    tree: &Path,
    directory: &Path,
    name: &str,
    codec: &str,
) -> Result<(PathBuf, Sha256), Failure> {
    let path = directory.join(format!("{name}-{codec}.archive"));
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let spec = Spec {
        id: ArchiveId(uuid::Uuid::from_u128(7)),
        name: "bench_tree_20260508".parse()?,
        origin: "bench".parse()?,
        instance_url: None,
        job: "tree".parse()?,
        job_type: JobType::CustomDir,
        label: "tree".parse()?,
        created_at: "2026-05-08T03:00:00[Europe/Paris]".parse()?,
        yunohost_version: None,
        config_generation: 1,
        codec: codec_of(codec),
        recipients: Vec::new(),
        content: Content::Directory(tree.to_owned()),
    };
    let job = CustomDir {
        source_path: tree.to_owned(),
        excludes: Vec::new(),
        one_file_system: true,
        mount: SourceMount::Any,
    };
    let source = Box::new(Directory::open(&job)?);
    let file = File::create_new(&path)?;
    let (written, _) = write(source, &spec, file, &Stop::new(), &Progress::new())?;
    Ok((path, written.file_sha256))
}

/// What one extraction took.
#[derive(Debug, Clone, Copy)]
struct Taken {
    written: Duration,
    on_disk: Duration,
    processor: Duration,
}

fn compare(
    tree: &Path,
    archive: &Path,
    codec: &str,
    sha256: Sha256,
    rounds: usize,
) -> Result<(), Failure> {
    let all = archive.with_extension("out");
    if all.exists() {
        fs::remove_dir_all(&all)?;
    }
    let (mut tars, mut ours, mut peak) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let mut tar = || -> Result<(), Failure> {
            let out = all.join(format!("tar-{round}"));
            prepare(&out, archive)?;
            let mut command = Command::new("tar");
            match codec_of(codec) {
                Codec::None => {}
                Codec::Gzip(_) => _ = command.arg("--gzip"),
                Codec::Zstd(_) => _ = command.arg("--zstd"),
            }
            command.arg("-xpf").arg(archive).arg("-C").arg(&out);
            let (start, cpu) = (Instant::now(), children());
            if !command.status()?.success() {
                return Err("tar failed".into());
            }
            let written = start.elapsed();
            if !Command::new("sync").arg("-f").arg(&out).status()?.success() {
                return Err("sync failed".into());
            }
            let (on_disk, processor) = (start.elapsed(), children().saturating_sub(cpu));
            let taken = Taken { written, on_disk, processor };
            say(|| format!("tar    {taken:?}"));
            tars.push(taken);
            Ok(())
        };
        let mut larder = || -> Result<(), Failure> {
            let out = all.join(format!("larder-{round}"));
            prepare(&out, archive)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("extract").arg(archive).arg(codec).arg(out.join("target"));
            command.arg(String::from_utf8(directory_prefix(tree))?).arg(sha256.to_string());
            let (start, cpu) = (Instant::now(), children());
            let output = command.stderr(Stdio::inherit()).output()?;
            if !output.status.success() {
                return Err("the extraction failed".into());
            }
            let (on_disk, processor) = (start.elapsed(), children().saturating_sub(cpu));
            let text = String::from_utf8(output.stdout)?;
            let mut numbers = text.split_whitespace().map(str::parse::<u64>);
            let (written, memory) = (numbers.next(), numbers.next());
            let written = Duration::from_micros(written.ok_or("no time")??);
            peak = memory.ok_or("no memory")??.max(peak);
            let taken = Taken { written, on_disk, processor };
            say(|| format!("larder {taken:?}"));
            ours.push(taken);
            Ok(())
        };
        if round % 2 == 0 {
            tar()?;
            larder()?;
        } else {
            larder()?;
            tar()?;
        }
    }
    println!("{:<12} {:>8} {:>8} {:>7}   larder {:>18}", "", "larder", "tar", "ratio", "tar");
    let row = |what: &str, of: fn(&Taken) -> Duration| {
        let times = |taken: &[Taken]| -> Vec<f64> {
            taken.iter().map(|one| of(one).as_secs_f64()).collect()
        };
        let (ours, tars) = (times(&ours), times(&tars));
        let ratio = ours.iter().zip(&tars).map(|(mine, theirs)| mine / theirs).collect();
        let listed = |times: &[f64]| -> String {
            let times: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
            times.join(" ")
        };
        println!(
            "{what:<12} {:>6.2} s {:>6.2} s {:>7.2}   {:<24} {}",
            median(ours.clone()),
            median(tars.clone()),
            median(ratio),
            listed(&ours),
            listed(&tars)
        );
    };
    row("written", |taken| taken.written);
    row("on disk", |taken| taken.on_disk);
    row("processor", |taken| taken.processor);
    println!("memory       {} KiB (VmHWM; goal {})", peak, 64 * 1024);
    Ok(fs::remove_dir_all(&all)?)
}

/// Single figures, for those who set VERBOSE.
fn say(what: impl FnOnce() -> String) {
    if std::env::var_os("VERBOSE").is_some() {
        eprintln!("{}", what());
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A new directory, and the archive is in the cache. Those of other rounds stay: ext4 searches long
/// for an inode that was not in use until just now.
fn prepare(out: &Path, archive: &Path) -> std::io::Result<()> {
    fs::create_dir_all(out)?;
    let (mut file, mut buffer) = (File::open(archive)?, vec![0; 1 << 20]);
    while file.read(&mut buffer)? > 0 {}
    rustix::fs::syncfs(File::open(out)?)?;
    Ok(())
}

/// Processor time of all children that have ended.
fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks: user and system time of the children, in 1/100 s.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// One extraction in a process of its own; prints microseconds until everything was written, and
/// the most memory in KiB.
fn child(
    archive: &Path,
    codec: Codec,
    target: &Path,
    prefix: &str,
    sha256: Sha256,
) -> Result<(), Failure> {
    let start = Instant::now();
    let file = File::open(archive)?;
    let size = file.metadata()?.len();
    let progress = Progress::new();
    let original =
        Original { file: &file, codec, identity: None, sha256, size, content_size: None };
    let extraction = Extraction {
        prefix: prefix.as_bytes(),
        target,
        paths: &[],
        owners: Owners::ByName,
        devices: true,
        aside: None,
    };
    let (mut verified, watched) = (Duration::ZERO, progress.clone());
    let watching = std::thread::spawn(move || {
        while watched.snapshot().phase != "flushing" {
            std::thread::sleep(Duration::from_millis(5));
        }
        start.elapsed()
    });
    extract(&original, &extraction, &Stop::new(), &progress, &mut |_| verified = start.elapsed())?;
    let written = watching.join().map_err(|_| "the watcher failed")?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    println!("{} {}", written.as_micros(), peak.trim().trim_end_matches(" kB"));
    say(|| format!("verified after {verified:?}"));
    Ok(())
}
