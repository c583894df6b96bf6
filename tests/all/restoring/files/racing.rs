//! Somebody swaps directories for symlinks while a restore goes on.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder::restore::files::undo;
use larder::stop::Stop;

use super::{Packed, everything, same};
use crate::archives::{scratch, sh};
use crate::support::full;

/// Swaps until told to stop; how often it did.
fn swap(target: &Path, outside: &Path, done: &AtomicBool) -> u64 {
    let mut swaps = 0;
    let links: Vec<_> = (0..4).map(|n| target.join(format!("../link{n}"))).collect();
    for link in &links {
        std::os::unix::fs::symlink(outside, link).unwrap();
    }
    while !done.load(Ordering::Relaxed) {
        for (n, link) in links.iter().enumerate() {
            let directory = target.join(format!("d{n}"));
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            let cwd = rustix::fs::CWD;
            if rustix::fs::renameat_with(cwd, &directory, cwd, link, exchange).is_ok() {
                swaps += 1;
                // And back, so that both are met.
                let _ = rustix::fs::renameat_with(cwd, &directory, cwd, link, exchange);
            }
        }
    }
    swaps
}

#[test]
fn nothing_outside_changes_when_directories_become_symlinks_meanwhile() {
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    sh(
        &at("tree"),
        "for d in 0 1 2 3; do mkdir -p d$d/sub; for f in 0 1 2 3 4 5 6 7 8 9; do
        echo new > d$d/f$f; echo new > d$d/sub/f$f; ln d$d/f$f d$d/h$f; ln -s f$f d$d/s$f
        mkfifo d$d/p$f; done; done",
    );
    let packed = Packed::new(&at("tree"), scratch.path());
    fs::create_dir(at("outside")).unwrap();
    sh(
        &at("outside"),
        "mkdir sub; echo old > f0; echo old > sub/f0; echo keep > keep; chmod 700 sub
        touch -d 2010-10-10 . sub",
    );
    let before = everything(&at("outside"));
    let start = Instant::now();
    let (mut rounds, mut swaps) = (0, 0);
    let long = Duration::from_secs(if full() { 60 } else { 3 });
    while start.elapsed() < long || swaps == 0 {
        let holder = at(&format!("holder{rounds}"));
        let (target, aside) = (holder.join("target"), at(&format!("aside{rounds}")));
        fs::create_dir_all(&target).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| swap(&target, &at("outside"), &done));
            for again in 0..4 {
                let mut extraction = packed.to(&target);
                let aside = aside.with_extension(again.to_string());
                extraction.aside = (again % 2 == 1).then_some(aside.as_path());
                // It may fail: the tree is not what it makes of it. It may not reach outside.
                let _ = packed.extract(&extraction);
                if again == 1 && aside.exists() {
                    let _ = undo(&aside, &Stop::new(), &mut |_| {});
                }
            }
            done.store(true, Ordering::Relaxed);
            swaps += swapping.join().unwrap();
        });
        same(&before, &everything(&at("outside")));
        rounds += 1;
    }
    assert!(rounds > 0);
}
