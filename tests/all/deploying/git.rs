//! The hooks and the script in `examples/git`, with real repositories and real pushes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{Host, binary, example, text};
use crate::support::{self, skipped};

/// A clone and the repository on the server, with the hooks of the example in both.
struct Repositories {
    host: Host,
}

impl Repositories {
    fn new() -> Option<Self> {
        let git = Command::new("git").arg("--version").output();
        git.ok()?;
        let repositories = Self { host: Host::new() };
        let host = &repositories.host;
        std::fs::create_dir(host.path("releases")).unwrap();
        repositories.server(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        repositories.clone(&["init", "--quiet", "--initial-branch=main", "."]);
        copy(&example("git"), &host.path("clone"));
        for hook in ["pre-receive", "post-receive"] {
            let hooks = host.path("server/hooks");
            std::fs::create_dir_all(&hooks).unwrap();
            std::fs::copy(example("git/hooks").join(hook), hooks.join(hook)).unwrap();
        }
        for (key, value) in [
            ("larder.program", binary().to_owned()),
            ("larder.link", host.path("etc").display().to_string()),
            ("larder.releases", host.path("releases").display().to_string()),
            ("larder.wait", "0".to_owned()),
            ("larder.keep", "2".to_owned()),
        ] {
            repositories.server(&["config", key, &value]);
        }
        repositories.clone(&["config", "larder.program", binary()]);
        repositories.clone(&["config", "core.hooksPath", "hooks"]);
        let server = host.path("server").display().to_string();
        repositories.clone(&["remote", "add", "origin", &server]);
        // A test writes nowhere else.
        host.write("clone/larder.toml", &host.base());
        host.write("clone/jobs/etc.toml", &host.job("etc"));
        Some(repositories)
    }

    fn git(&self, dir: &str, arguments: &[&str]) -> Output {
        let dir = self.host.path(dir);
        std::fs::create_dir_all(&dir).unwrap();
        self.run(Command::new("git").args(arguments), &dir)
    }

    fn run(&self, command: &mut Command, dir: &Path) -> Output {
        let command = command.current_dir(dir).env("HOME", self.host.dir.path());
        let command = command.env("GIT_CONFIG_NOSYSTEM", "1").env("NO_COLOR", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "jerry");
            command.env(format!("GIT_{who}_EMAIL"), "jerry@example.org");
        }
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// What a command in the clone, which must succeed, said.
    #[track_caller]
    fn clone(&self, arguments: &[&str]) -> String {
        ok(&self.git("clone", arguments))
    }

    #[track_caller]
    fn server(&self, arguments: &[&str]) -> String {
        ok(&self.git("server", arguments))
    }

    /// What a command in the clone, which must fail, said.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.git("clone", arguments);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success(), "{told}");
        told
    }

    /// Commits everything, unseen by the hook, and returns the commit.
    fn commit(&self, subject: &str) -> String {
        self.clone(&["add", "--all"]);
        self.clone(&["commit", "--quiet", "--no-verify", "--message", subject]);
        self.clone(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Pushes, and returns what the server said.
    #[track_caller]
    fn push(&self) -> String {
        self.clone(&["push", "--quiet", "origin", "main"])
    }

    fn releases(&self) -> usize {
        let entries = std::fs::read_dir(self.host.path("releases")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

#[track_caller]
fn ok(output: &Output) -> String {
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{told}");
    told
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_commit_is_judged_as_it_is_staged_whatever_lies_in_the_work_tree() {
    let Some(repositories) = Repositories::new() else { skipped!("git is not installed") };
    let host = &repositories.host;
    repositories.clone(&["add", "--all"]);
    repositories.clone(&["commit", "--quiet", "--message", "All of the example"]);

    let broken = host.job("web") + "scheduel = \"daily\"\n";
    host.write("clone/jobs/web.toml", &broken);
    repositories.clone(&["add", "--all"]);
    // Mended, and not added: what would be committed is still broken.
    host.write("clone/jobs/web.toml", &host.job("web"));
    let told = repositories.refused(&["commit", "--message", "web"]);
    assert!(told.contains("jobs/web.toml:5:1") && told.contains("`schedule`"), "{told}");
    repositories.clone(&["add", "--all"]);
    // Broken again, and not added: nothing of that would be committed.
    host.write("clone/jobs/web.toml", &broken);
    repositories.clone(&["commit", "--quiet", "--message", "web"]);
    let told = repositories.refused(&["commit", "--all", "--message", "web, broken"]);
    assert!(told.contains("nothing was committed"), "{told}");

    repositories.clone(&["config", "larder.program", "/nowhere/larder"]);
    let told = repositories.refused(&["commit", "--allow-empty", "--message", "unseen"]);
    assert!(told.contains("`/nowhere/larder` is not installed"), "{told}");
}

#[test]
fn a_push_is_in_force_when_it_returns_or_refused_and_the_old_state_stays() {
    let Some(repositories) = Repositories::new() else { skipped!("git is not installed") };
    support::root_or_skip!();
    let host = &repositories.host;
    let link = || std::fs::read_link(host.path("etc")).unwrap();

    // The first, with nobody there to read it.
    repositories.commit("The first");
    let told = repositories.push();
    assert!(told.contains("no daemon runs") && told.contains("deployed: "), "{told}");
    let _daemon = host.daemon();
    repositories.server(&["config", "larder.wait", "60"]);

    // The next one is in force when the push returns.
    host.write("clone/jobs/web.toml", &host.job("web"));
    let commit = repositories.commit("web");
    let told = repositories.push();
    assert!(told.contains("is in force") && told.contains(&commit), "{told}");
    assert_eq!(host.jobs(), ["etc", "web"]);
    assert_eq!(host.applied()["commit"], commit.as_str());
    let good = link();

    // One with a mistake does not even become the branch.
    host.write("clone/jobs/web.toml", "[job.web");
    repositories.commit("broken");
    let told = repositories.refused(&["push", "origin", "main"]);
    assert!(told.contains("jobs/web.toml:1") && told.contains("refused"), "{told}");
    assert_eq!(repositories.server(&["rev-parse", "main"]).trim(), commit);
    // The branch itself stays, too.
    let told = repositories.refused(&["push", "origin", ":main"]);
    assert!(told.contains("stays"), "{told}");

    // Without that guard it gets into the repository, and still not into force.
    std::fs::remove_file(host.path("server/hooks/pre-receive")).unwrap();
    let told = repositories.push();
    assert!(told.contains("not deployed: the configuration"), "{told}");
    assert_eq!(link(), good);

    // One that only a start could put in force is taken back.
    host.write("clone/jobs/web.toml", &host.job("web"));
    host.write("clone/larder.toml", &host.base().replace("/state\"", "/elsewhere\""));
    repositories.commit("another state");
    let told = repositories.push();
    assert!(told.contains("state_dir") && told.contains("not deployed: the daemon"), "{told}");
    assert_eq!(link(), good);
    assert_eq!(host.applied()["commit"], commit.as_str());
    assert_eq!(host.jobs(), ["etc", "web"]);

    // Old checkouts go, the one in force never.
    host.write("clone/larder.toml", &host.base());
    host.write("clone/jobs/mail.toml", &host.job("mail"));
    repositories.commit("mail");
    repositories.push();
    assert_eq!(host.jobs(), ["etc", "mail", "web"]);
    assert_eq!(repositories.releases(), 2);
    assert!(link().exists());
}

#[test]
fn a_reviewer_reads_what_a_change_means_without_any_server() {
    let Some(repositories) = Repositories::new() else { skipped!("git is not installed") };
    let host = &repositories.host;
    repositories.commit("The first");
    host.write("clone/jobs/web.toml", &host.job("web"));
    repositories.commit("web");
    let plan = |base: &[&str]| {
        let mut command = Command::new("./ci/plan");
        command.args(base).env("LARDER", binary());
        repositories.run(&mut command, &host.path("clone"))
    };
    let told = ok(&plan(&["HEAD~1"]));
    assert!(told.contains("is valid: 2 jobs"), "{told}");
    assert!(told.contains("+[job.web]") && !told.contains("+[job.etc]"), "{told}");
    assert!(told.contains("Plan of a new instance") && told.contains("web"), "{told}");
    assert!(ok(&plan(&["HEAD"])).contains("HEAD\nnothing\n"));
    assert!(!host.path("state").exists() && !host.path("archives").exists());

    host.write("clone/jobs/web.toml", "[job.web");
    let output = plan(&["HEAD~1"]);
    let told = text(&output.stdout);
    assert!(output.status.code() == Some(1) && told.contains("jobs/web.toml:1"), "{told}");
}
