use std::os::unix::fs::PermissionsExt;

use redb::ReadableTable;

use super::*;
use crate::state::State;
use crate::state::tables::{VALUES, encode};

fn file_in(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[test]
fn a_file_that_was_never_completed_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(UNFINISHED), b"half of a file").unwrap();
    let (_state, opened) = State::open(dir.path()).unwrap();
    assert!(opened.fresh && opened.set_aside.is_none());
    assert!(!dir.path().join(UNFINISHED).exists());
}

#[test]
fn nobody_else_can_look_into_the_state() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/state");
    let (state, _) = State::open(&dir).unwrap();
    state.append_log(crate::model::run::RunId(1), "line\n").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&file_in(&dir)), 0o600);
    assert_eq!(mode(&dir.join("logs")), 0o700);
    assert_eq!(mode(&dir.join("logs/1.log")), 0o600);
}

#[test]
fn a_directory_that_was_open_to_others_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let _state = State::open(dir.path()).unwrap();
    assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_state_of_a_later_version_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(State::open(dir.path()).unwrap());
    {
        let database = Database::open(file_in(dir.path())).unwrap();
        let txn = begin(&database).unwrap();
        put_number(&txn, meta::VERSION, VERSION + 1).unwrap();
        txn.commit().unwrap();
    }
    for _ in 0..2 {
        let error = State::open(dir.path()).unwrap_err();
        assert!(matches!(error, StateError::Newer { found, .. } if found == VERSION + 1));
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_set_aside_with_its_bytes() {
    for content in [&b""[..], b"not a database", &[0_u8; 9_000]] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(file_in(dir.path()), content).unwrap();
        let (state, opened) = State::open(dir.path()).unwrap();
        let aside = opened.set_aside.expect("it cannot be used");
        assert!(opened.fresh);
        assert_eq!(std::fs::read(aside).unwrap(), content);
        assert_eq!(state.archives().unwrap(), vec![]);
    }
}

#[test]
fn a_panic_over_a_damaged_file_is_an_answer_and_prints_nothing() {
    const CHILD: &str = "LARDER_TEST_QUIET_CHILD";
    if std::env::var_os(CHILD).is_some() {
        assert!(quietly(|| -> () { panic!("said to nobody") }).is_none());
        let loud = std::thread::spawn(|| panic!("said aloud"));
        assert!(loud.join().is_err());
        assert_eq!(quietly(|| 7), Some(7));
        return;
    }
    // Which panics are printed is the business of a whole process.
    let name = "state::create::tests::a_panic_over_a_damaged_file_is_an_answer_and_prints_nothing";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "--nocapture", name]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("said aloud") && !said.contains("said to nobody"), "{said}");
}

#[test]
fn a_record_that_cannot_be_understood_counts_as_damage_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(State::open(dir.path()).unwrap());
    {
        let database = Database::open(file_in(dir.path())).unwrap();
        let txn = begin(&database).unwrap();
        let mut jobs = txn.open_table(tables::JOBS).unwrap();
        jobs.insert("web", &b"{\"job\":"[..]).unwrap();
        drop(jobs);
        txn.commit().unwrap();
    }
    let (_state, opened) = State::open(dir.path()).unwrap();
    assert!(opened.set_aside.is_some());
}

#[test]
fn run_numbers_go_on_although_the_file_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    state.append_log(crate::model::run::RunId(41), "said\n").unwrap();
    drop(state);
    std::fs::write(file_in(dir.path()), b"damaged").unwrap();
    let (state, _) = State::open(dir.path()).unwrap();
    let work = crate::model::run::Work::Backup { job: "web".parse().unwrap() };
    let cause = crate::model::run::Cause::Manual;
    let run = state.enqueue(work, cause, jiff::Timestamp::UNIX_EPOCH, None).unwrap();
    assert_eq!(run.id.0, 42);
}

fn append(txn: &WriteTransaction, letter: &str) -> Result<(), StateError> {
    let mut table = txn.open_table(VALUES)?;
    let known: String = match table.get("steps")? {
        Some(bytes) => tables::decode("values", bytes.value())?,
        None => String::new(),
    };
    table.insert("steps", encode("values", &(known + letter))?.as_slice())?;
    Ok(())
}

fn first(txn: &WriteTransaction) -> Result<(), StateError> {
    append(txn, "a")
}

fn second(txn: &WriteTransaction) -> Result<(), StateError> {
    append(txn, "b")
}

#[test]
fn an_older_file_goes_through_the_steps_it_lacks_once_and_in_order() {
    let check = |from: u64, expected: Option<&str>| {
        let dir = tempfile::tempdir().unwrap();
        drop(State::open(dir.path()).unwrap());
        let database = Database::open(file_in(dir.path())).unwrap();
        let txn = begin(&database).unwrap();
        put_number(&txn, meta::VERSION, from).unwrap();
        txn.commit().unwrap();
        let steps: &[Step] = &[first, second];
        for _ in 0..2 {
            let found = read_version(&database).unwrap();
            migrate(&database, found, steps).unwrap();
        }
        assert_eq!(read_version(&database).unwrap(), 3);
        let txn = database.begin_read().unwrap();
        let values = txn.open_table(VALUES).unwrap();
        let steps: Option<String> = lookup::text(&values, "values", "steps").unwrap();
        assert_eq!(steps.as_deref(), expected);
    };
    check(1, Some("ab"));
    check(2, Some("b"));
    check(3, None);
}

#[test]
fn the_version_is_the_number_of_steps_and_one() {
    assert_eq!(VERSION, STEPS.len() as u64 + 1);
}
