//! File systems that may never answer: those of a network, and that of a disk that is dying.
//!
//! A call to one that hangs cannot be taken back: all that can be done is to leave the thread that
//! made it behind. So whoever must not hang asks an [`Asker`], and has longer work done by an
//! [`Attendant`]. **Invariants:** one thread for each path at a time, however often it is asked
//! about; nobody waits longer than the limit, and nobody waits at all for a thread that is overdue;
//! what such a thread comes to in the end is what the next one is told who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

mod attendant;

pub use attendant::{Attendant, Silent};

/// How long a file system may take to say what is at a path.
pub const LIMIT: Duration = Duration::from_secs(5);
/// How long an answer counts that came when nobody waited for it any more.
const COUNTS: Duration = Duration::from_mins(1);
/// How many threads may be overdue at a time. Further paths are not asked about until one comes back.
const MOST_OVERDUE: usize = 64;
/// How many paths are asked about at once.
const AT_ONCE: usize = 16;
/// What a thread needs that makes a few calls.
const STACK: usize = 256 * 1024;

/// Asks one question about paths, each time on a thread that can be left behind.
pub struct Asker<A> {
    inner: Arc<Inner<A>>,
    limit: Duration,
}

struct Inner<A> {
    question: Box<dyn Fn(&Path) -> A + Send + Sync>,
    seats: Mutex<BTreeMap<PathBuf, Seat<A>>>,
    answered: Condvar,
}

/// What is known of one path. The questions about it are numbered.
struct Seat<A> {
    /// The number of the question that was begun last.
    begun: u64,
    begun_at: Instant,
    /// Whether a thread is at it.
    is_open: bool,
    /// Whether the same thread is to ask once more: somebody came after it had begun, and must not
    /// be told what was so before.
    once_more: bool,
    waiting: usize,
    answer: Option<Answer<A>>,
}

struct Answer<A> {
    number: u64,
    at: Instant,
    what: A,
}

impl<A> Seat<A> {
    fn is_overdue(&self, limit: Duration) -> bool {
        self.is_open && self.begun_at.elapsed() >= limit
    }
}

/// What came of sitting down to wait.
enum Wait<A> {
    Over(Option<A>),
    For { number: u64 },
}

impl<A> fmt::Debug for Asker<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<A: Clone + Send + 'static> Asker<A> {
    /// Asks this question, and waits for an answer as long as [`LIMIT`] says.
    pub fn new(question: impl Fn(&Path) -> A + Send + Sync + 'static) -> Self {
        Self::with_limit(LIMIT, question)
    }

    /// Whoever asks this question waits so long for an answer.
    pub fn with_limit(
        limit: Duration,
        question: impl Fn(&Path) -> A + Send + Sync + 'static,
    ) -> Self {
        let inner = Inner {
            question: Box::new(question),
            seats: Mutex::default(),
            answered: Condvar::new(),
        };
        Self { inner: Arc::new(inner), limit }
    }

    /// The answer for a path; `None` when its file system does not answer.
    #[must_use]
    pub fn ask(&self, path: &Path) -> Option<A> {
        let wait = self.sit_down(path, MOST_OVERDUE);
        self.wait(path, wait, Instant::now() + self.limit)
    }

    /// The answer for a path within another limit: for whoever has more time, and takes an answer that
    /// comes late as well. Of those there are few: the path is asked about however many others hang.
    #[must_use]
    pub fn ask_for(&self, limit: Duration, path: &Path) -> Option<A> {
        let deadline = Instant::now() + limit;
        let wait = match self.sit_down(path, usize::MAX) {
            Wait::Over(None) => self.join(path),
            wait => wait,
        };
        self.wait(path, wait, deadline)
    }

    /// Waits for a thread that is overdue, where there is one.
    fn join(&self, path: &Path) -> Wait<A> {
        let mut seats = self.inner.seats();
        let seat = seats.get_mut(path).filter(|seat| seat.is_open);
        seat.map_or(Wait::Over(None), |seat| {
            seat.waiting += 1;
            Wait::For { number: seat.begun }
        })
    }

    /// The answers for many paths, in their order. Those that do not answer are waited for together.
    #[must_use]
    pub fn ask_all(&self, paths: &[&Path]) -> Vec<Option<A>> {
        let mut answers = Vec::with_capacity(paths.len());
        for some in paths.chunks(AT_ONCE) {
            let waits: Vec<_> = some.iter().map(|path| self.sit_down(path, MOST_OVERDUE)).collect();
            let deadline = Instant::now() + self.limit;
            let pairs = some.iter().zip(waits);
            answers.extend(pairs.map(|(path, wait)| self.wait(path, wait, deadline)));
        }
        answers
    }

    /// Has a question begun that is not older than this call, where that makes sense, and not more
    /// than `most` threads are overdue.
    fn sit_down(&self, path: &Path, most: usize) -> Wait<A> {
        let mut seats = self.inner.seats();
        let overdue = seats.values().filter(|seat| seat.is_overdue(self.limit)).count();
        let seat = seats.entry(path.to_owned()).or_insert_with(|| Seat {
            begun: 0,
            begun_at: Instant::now(),
            is_open: false,
            once_more: false,
            waiting: 0,
            answer: None,
        });
        if seat.is_overdue(self.limit) {
            return Wait::Over(None);
        }
        if seat.is_open {
            seat.once_more = true;
            seat.waiting += 1;
            return Wait::For { number: seat.begun + 1 };
        }
        // What others wait for was asked before.
        let late = if seat.waiting == 0 { seat.answer.take() } else { None };
        if let Some(answer) = late.filter(|answer| answer.at.elapsed() < COUNTS) {
            seats.remove(path);
            return Wait::Over(Some(answer.what));
        }
        if overdue >= most || !self.inner.begin(path) {
            if seat.waiting == 0 {
                seats.remove(path);
            }
            return Wait::Over(None);
        }
        seat.begun += 1;
        seat.begun_at = Instant::now();
        seat.is_open = true;
        seat.waiting += 1;
        Wait::For { number: seat.begun }
    }

    fn wait(&self, path: &Path, wait: Wait<A>, deadline: Instant) -> Option<A> {
        let number = match wait {
            Wait::Over(answer) => return answer,
            Wait::For { number } => number,
        };
        let mut seats = self.inner.seats();
        loop {
            let seat = seats.get_mut(path)?;
            let answer = seat.answer.as_ref().filter(|answer| answer.number >= number);
            let answer = answer.map(|answer| answer.what.clone());
            let left = deadline.saturating_duration_since(Instant::now());
            if answer.is_none() && !left.is_zero() {
                self.inner.answered.wait_for(&mut seats, left);
                continue;
            }
            seat.waiting -= 1;
            if answer.is_some() && seat.waiting == 0 {
                seat.answer = None;
                if !seat.is_open {
                    seats.remove(path);
                }
            }
            return answer;
        }
    }
}

impl<A: Send + 'static> Inner<A> {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Seat<A>>> {
        // A panic elsewhere leaves every seat as it is.
        self.seats.lock()
    }

    /// Whether there is a thread for a path now. It begins once the seats are free.
    fn begin(self: &Arc<Self>, path: &Path) -> bool {
        let (inner, path) = (Arc::clone(self), path.to_owned());
        let thread = std::thread::Builder::new().name("a look".to_owned()).stack_size(STACK);
        thread.spawn(move || inner.answer(&path)).is_ok()
    }

    /// Answers, and once more for those who came meanwhile.
    fn answer(&self, path: &Path) {
        loop {
            let answer =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.question)(path)));
            let mut seats = self.seats();
            let Some(seat) = seats.get_mut(path) else { return };
            if let Ok(what) = answer {
                seat.answer = Some(Answer { number: seat.begun, at: Instant::now(), what });
                self.answered.notify_all();
            }
            seat.is_open = std::mem::take(&mut seat.once_more);
            if !seat.is_open {
                return;
            }
            seat.begun += 1;
            seat.begun_at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// A limit for what never answers: the test waits for it.
    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    /// A file system that counts who asks, and answers with what it is given.
    struct Hanging {
        asker: Arc<Asker<u32>>,
        times: Arc<AtomicUsize>,
        answers: mpsc::Sender<u32>,
    }

    fn hanging(limit: Duration) -> Hanging {
        let (answers, given) = mpsc::channel();
        let given = Mutex::new(given);
        let times = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&times);
        let asker = Asker::with_limit(limit, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            given.lock().recv().unwrap_or(0)
        });
        Hanging { asker: Arc::new(asker), times, answers }
    }

    fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(start.elapsed() < LONG, "never happened");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_path_that_answers_is_asked_each_time() {
        let count = AtomicUsize::new(0);
        let asker = Asker::new(move |_| count.fetch_add(1, Ordering::SeqCst));
        let answers = [asker.ask("/a".as_ref()), asker.ask("/a".as_ref())];
        assert_eq!(answers, [Some(0), Some(1)]);
        let paths: Vec<PathBuf> = (0..40).map(|number| format!("/{number}").into()).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        assert!(asker.ask_all(&paths).iter().all(Option::is_some));
        assert!(asker.inner.seats().is_empty(), "nothing is kept of paths that answer");
    }

    #[test]
    fn a_path_that_hangs_has_one_thread_and_keeps_nobody_twice() {
        let Hanging { asker, times, answers } = hanging(SHORT);
        assert_eq!(asker.ask("/hangs".as_ref()), None);
        // Nobody waits for it again: with this limit that would be noticed.
        let patient = Asker { inner: Arc::clone(&asker.inner), limit: SHORT };
        for _ in 0..1000 {
            assert_eq!(patient.ask("/hangs".as_ref()), None);
        }
        assert_eq!(times.load(Ordering::SeqCst), 1);
        drop(answers);
    }

    #[test]
    fn what_a_thread_comes_to_late_is_what_the_next_one_is_told() {
        let Hanging { asker, times, answers } = hanging(SHORT);
        assert_eq!(asker.ask("/hangs".as_ref()), None);
        answers.send(7).unwrap();
        assert_eq!(until(|| asker.ask("/hangs".as_ref())), 7);
        assert_eq!(times.load(Ordering::SeqCst), 1, "it was not asked again for that");
        answers.send(8).unwrap();
        assert_eq!(until(|| asker.ask("/hangs".as_ref())), 8);
    }

    #[test]
    fn whoever_has_the_time_may_wait_for_a_thread_that_is_overdue() {
        let Hanging { asker, times, answers } = hanging(SHORT);
        assert_eq!(asker.ask("/slow".as_ref()), None);
        let patient = Arc::clone(&asker);
        let waits = std::thread::spawn(move || patient.ask_for(LONG, "/slow".as_ref()));
        until(|| (asker.inner.seats().values().next()?.waiting == 1).then_some(()));
        answers.send(7).unwrap();
        assert_eq!(waits.join().unwrap(), Some(7));
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_path_that_hangs_keeps_no_other_from_being_asked() {
        let (_open, never) = mpsc::channel::<()>();
        let never = Mutex::new(never);
        let asker = Asker::with_limit(SHORT, move |path| {
            if path.starts_with("/hangs") {
                let _ = never.lock().recv();
            }
            path.to_owned()
        });
        let paths = ["/hangs/1", "/a", "/hangs/2", "/b"].map(Path::new);
        let asked_about = |path| until(|| asker.ask(path));
        assert_eq!(asker.ask_all(&paths)[0], None);
        assert_eq!(asked_about(paths[1]), paths[1]);
        assert_eq!(asked_about(paths[3]), paths[3]);
        assert_eq!(asker.ask(paths[2]), None);
    }

    #[test]
    fn the_number_of_threads_left_behind_is_bounded() {
        let Hanging { asker, times, answers } = hanging(SHORT);
        for number in 0..MOST_OVERDUE + 10 {
            assert_eq!(asker.ask(Path::new(&format!("/{number}"))), None);
        }
        until(|| (times.load(Ordering::SeqCst) > 0).then_some(()));
        assert!(asker.inner.seats().values().filter(|seat| seat.is_open).count() <= MOST_OVERDUE);
        drop(answers);
    }

    #[test]
    fn a_run_is_answered_about_its_source_however_many_others_hang() {
        let (_open, never) = mpsc::channel::<()>();
        let never = Mutex::new(never);
        let asker = Asker::with_limit(SHORT, move |path| {
            if path.starts_with("/hangs") {
                let _ = never.lock().recv();
            }
        });
        for number in 0..MOST_OVERDUE {
            assert_eq!(asker.ask(Path::new(&format!("/hangs/{number}"))), None);
        }
        assert_eq!(asker.ask("/a".as_ref()), None, "who only looks does not ask any more");
        assert_eq!(asker.ask_for(LONG, "/a".as_ref()), Some(()));
    }

    #[test]
    fn whoever_comes_while_it_is_being_asked_is_not_told_what_was_so_before() {
        let Hanging { asker, times, answers } = hanging(LONG);
        let ask = |asker: &Arc<Asker<u32>>| {
            let asker = Arc::clone(asker);
            std::thread::spawn(move || asker.ask("/a".as_ref()))
        };
        let first = ask(&asker);
        until(|| (times.load(Ordering::SeqCst) == 1).then_some(()));
        let later = [ask(&asker), ask(&asker)];
        until(|| (asker.inner.seats().values().next()?.waiting == 3).then_some(()));
        answers.send(1).unwrap();
        answers.send(2).unwrap();
        // Whoever came first may be told what is newer.
        assert!(matches!(first.join().unwrap(), Some(1 | 2)));
        assert_eq!(later.map(|one| one.join().unwrap()), [Some(2), Some(2)]);
        assert_eq!(times.load(Ordering::SeqCst), 2);
    }
}
