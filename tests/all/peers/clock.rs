//! Daemons whose clock is wrong: a few lines of C that stand before the system's `clock_gettime`.

use std::path::PathBuf;
use std::process::Command;

/// The wall clock alone: what measures how long something takes goes on as it does.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*next)(clockid_t, struct timespec *);
    static long ahead;
    if (!next) {
        const char *told = getenv("CLOCK_AHEAD");
        ahead = told ? atol(told) : 0;
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = next(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += ahead;
    return result;
}
"#;

/// The means to it; it goes when this is dropped.
pub(crate) struct WrongClock {
    dir: tempfile::TempDir,
}

impl WrongClock {
    /// The reason where there can be none.
    pub(crate) fn new() -> Result<Self, String> {
        // Not in memory: programs are often not run from there.
        let clock = Self { dir: tempfile::tempdir().unwrap() };
        let source = clock.dir.path().join("clock.c");
        std::fs::write(&source, SHIM).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(clock.shim()).arg(&source).arg("-ldl");
        let built = cc.output().map_err(|error| format!("there is no C compiler: {error}"))?;
        let said = String::from_utf8_lossy(&built.stderr);
        if built.status.success() { Ok(clock) } else { Err(format!("no C compiler: {said}")) }
    }

    /// What runs a program under a clock that is so many days ahead, or behind: for
    /// [`Member::run_by`](super::member::Member::run_by).
    pub(crate) fn ahead(&self, days: i64) -> Vec<String> {
        let preload = format!("LD_PRELOAD={}", self.shim().display());
        vec!["env".to_owned(), preload, format!("CLOCK_AHEAD={}", days * 86_400)]
    }

    fn shim(&self) -> PathBuf {
        self.dir.path().join("clock.so")
    }
}
