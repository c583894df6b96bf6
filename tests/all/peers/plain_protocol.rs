//! The specification's protocol, as somebody speaks it who has a shell and no larder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::member::{Member, write_secret};
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support::{sample, skipped};
use crate::walk::instance::{sh, text};

/// It may be started as often as it takes: what is there already is not sent again.
const SENDER: &str = r#"
api=$URL/api/v1/archives/upload
ask() { curl -sS -f --cacert "$CA" -H "@$KEY" "$@"; }
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

size=$(stat -c %s "$FILE")
sum=$(sha256sum "$FILE" | cut -d' ' -f1)
answer=$(ask "$api/start" -d "{\"filename\":\"$(basename "$FILE")\",\"total_size\":$size,\"chunk_size\":$CHUNK,\"checksum\":\"$sum\"}")
id=$(printf '%s' "$answer" | field upload_id)
there=$(printf '%s' "$answer" | sed 's/.*"chunks_received":\[\([^]]*\)\].*/,\1,/')

rm -rf "$FILE.chunks" && mkdir "$FILE.chunks"
split -b "$CHUNK" -d -a 4 "$FILE" "$FILE.chunks/"
n=0
for chunk in "$FILE.chunks"/*; do
    case $there in
        *",$n,"*) echo "chunk $n is there" ;;
        *) ask "$api/$id/chunk/$n" -H "Content-Type: application/octet-stream" --data-binary "@$chunk" >/dev/null
           echo "chunk $n sent" ;;
    esac
    n=$((n + 1))
done
ask "$api/$id/finish" -X POST | field archive
"#;

/// Somebody with a file, a token and the script.
pub(super) struct Script {
    pub(super) file: PathBuf,
    chunk: usize,
    dir: tempfile::TempDir,
}

impl Script {
    /// Whether there is all that it needs.
    pub(super) fn is_possible() -> bool {
        Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// For a file of this length, in chunks of this one.
    pub(super) fn new(token: &str, authority: &str, length: usize, chunk: usize) -> Self {
        let dir = crate::support::dir();
        std::fs::write(dir.path().join("ca.pem"), authority).unwrap();
        write_secret(&dir.path().join("key"), &format!("X-BackupManager-Key: {token}\n"));
        std::fs::write(dir.path().join("content"), sample::content(3, length)).unwrap();
        sh("tar -cf backup_20260508.tar content", dir.path());
        Self { file: dir.path().join("backup_20260508.tar"), chunk, dir }
    }

    pub(super) fn start(&self, url: &str, mut shell: Command) -> Child {
        shell
            .args(["-ec", SENDER])
            .env("URL", url)
            .env("CA", self.dir.path().join("ca.pem"))
            .env("KEY", self.dir.path().join("key"))
            .env("FILE", &self.file)
            .env("CHUNK", self.chunk.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell.spawn().unwrap()
    }

    /// What it printed to its good end.
    #[track_caller]
    pub(super) fn ended(child: Child) -> String {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// That it is an archive of `jerry` now, to the byte.
    #[track_caller]
    pub(super) fn has_arrived(&self, to: &Member) {
        let path = to.path("received/jerry/backup_20260508.tar");
        assert!(std::fs::read(path).unwrap() == std::fs::read(&self.file).unwrap());
        let listed = to.archives();
        let one = listed.iter().find(|archive| archive["name"] == "backup_20260508").unwrap();
        assert_eq!(
            (&one["location"], &one["condition"]),
            (&"received/jerry".into(), &"present".into())
        );
        let verified = to.ok(&["archive", "verify", "backup_20260508"]);
        assert!(!verified.contains("corrupt"), "{verified}");
        let parts = std::fs::read_dir(to.path("received/jerry/.incoming")).into_iter().flatten();
        assert_eq!(parts.count(), 0);
    }
}

const CHUNK: usize = 1 << 20;

#[test]
fn a_shell_script_goes_on_with_its_three_chunks_after_the_receiver_was_killed_amid_the_second() {
    if !Script::is_possible() {
        skipped!("there is no curl");
    }
    let world = World::of(&["jerry", "tom"]);
    world.pair_with(("jerry", Terms::default()), ("tom", Terms::default()));
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let wire = Wire::to(tom);
    let script = Script::new(&jerry.token_for("tom"), world.authority.pem(), CHUNK * 5 / 2, CHUNK);

    wire.limit(Some(4 << 20));
    let broken = script.start(&wire.url(), Command::new("sh"));
    let half = CHUNK as u64 * 3 / 2;
    tom.wait("half of the second chunk is under way", || wire.passed(Way::There) > half);
    tom.kill();
    let output = broken.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(text(&output.stdout), "chunk 0 sent\n");
    assert!(visible(&tom.path("received/jerry")).is_empty());

    tom.start();
    assert_eq!(tom.archives().len(), 0);
    wire.limit(None);
    let before = wire.passed(Way::There);
    let done = Script::ended(script.start(&wire.url(), Command::new("sh")));
    assert_eq!(done, "chunk 0 is there\nchunk 1 sent\nchunk 2 sent\nbackup_20260508");
    let sent = wire.passed(Way::There) - before;
    assert!(sent < CHUNK as u64 * 7 / 4, "{sent} bytes were sent again");
    script.has_arrived(tom);
    // Once more is no harm: the name is that of an archive.
    let again = script.start(&wire.url(), Command::new("sh")).wait_with_output().unwrap();
    assert!(text(&again.stderr).contains("409"), "{}", text(&again.stderr));
    script.has_arrived(tom);
}

/// The names that everybody sees in a folder.
fn visible(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}
