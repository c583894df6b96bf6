//! `larder archive export`: under the name that somebody gave there is a whole, sound archive or
//! nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::home::{Home, Running, WEB, told, wait_until};

/// A home with one archive, and that archive's file.
fn saved(content: &[u8], compress: &str) -> (Home, PathBuf) {
    let home = Home::new(WEB);
    home.write(
        "main.toml",
        &format!(
            "[location.main]\npath = \"../main\"\nmin_free = \"1 MiB\"\ncompress = \"{compress}\"\n"
        ),
    );
    std::fs::write(home.path("src/file"), content).unwrap();
    home.ok("apply");
    let archive = home.json("archive show web@latest");
    let file = home.path("main").join(archive["file_name"].as_str().unwrap());
    std::fs::create_dir(home.path("out")).unwrap();
    (home, file)
}

fn export(home: &Home, more: &str) -> Output {
    home.command(&format!("archive export web@latest {more}")).output().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Puts other bytes into the middle of a file, which keeps its size.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_archive_is_not_handed_out_as_a_good_one() {
    for compress in ["none", "zstd:3"] {
        // What cannot be compressed, so that the damage hits the content.
        let content = noise(200_000);
        let (home, file) = saved(&content, compress);
        damage(&file);
        for plain in ["", "--plain"] {
            let (code, _, err) = told(export(&home, &format!("{plain} --to out/web.tar")));
            assert_eq!(code, 1, "{compress} {plain}: {err}");
            assert!(err.contains("hint: nothing was written"), "{compress} {plain}: {err}");
            assert_eq!(names(&home.path("out")), [""; 0], "{compress} {plain}");

            let output = export(&home, plain);
            let err = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{compress} {plain}: {err}");
            assert!(err.contains("is not what was archived"), "{compress} {plain}: {err}");
            if plain.is_empty() {
                assert!(err.contains("is damaged"), "{err}");
                assert_eq!(output.stdout, std::fs::read(&file).unwrap());
            }
        }
    }
}

#[test]
fn what_is_exported_says_how_it_rests_and_how_it_becomes_a_tar() {
    let (home, file) = saved(b"content", "zstd:3");
    let (code, _, err) = told(export(&home, "--to out/web.copy"));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("as it rests (zstd); `--plain` writes a tar"), "{err}");
    assert_eq!(std::fs::read(home.path("out/web.copy")).unwrap(), std::fs::read(&file).unwrap());
    let (code, _, err) = told(export(&home, "--plain --to out/web.tar"));
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("as it rests"), "{err}");
    // Nobody is there to read it.
    let output = export(&home, "");
    assert!(output.status.success() && output.stderr.is_empty());

    let (home, _) = saved(b"content", "none");
    let (_, _, err) = told(export(&home, "--to out/web.tar"));
    assert!(!err.contains("as it rests"), "{err}");
}

#[test]
fn an_encrypted_one_says_how_it_is_opened() {
    let home = Home::new(WEB);
    let (code, out, err) = home.run("identity new --to key.txt");
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("--plain --identity key.txt") && err.contains("age --decrypt"), "{err}");
    let location = "[location.main]\npath = \"../main\"\nmin_free = \"1 MiB\"\n";
    let more = format!("compress = \"gzip:1\"\nencrypt_to = [\"{}\"]\n", out.trim());
    home.write("main.toml", &format!("{location}{more}"));
    home.ok("apply");
    let (code, _, err) = told(export(&home, "--to web.age"));
    assert_eq!(code, 0, "{err}");
    let how = "(encrypted, gzip); `--plain --identity KEY` writes a tar, and so does \
               `age -d -i KEY web.age | gzip -d`";
    assert!(err.contains(how), "{err}");
    let (code, _, err) = told(export(&home, "--plain --identity key.txt --to web.tar"));
    assert_eq!(code, 0, "{err}");
    let tar = std::process::Command::new("tar").arg("tf").arg(home.path("web.tar")).output();
    assert!(String::from_utf8(tar.unwrap().stdout).unwrap().contains("src/file"));
}

#[test]
fn an_export_that_is_ended_leaves_nothing_under_the_name_nor_beside_it() {
    let (home, _) = saved(&noise(8 << 20), "none");
    let socket = home.path("control.sock");
    let daemon = home.command("daemon -q").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _daemon = Running(daemon.unwrap());
    wait_until("the control socket", || UnixStream::connect(&socket).is_ok());
    let cut = cut_off(&socket, 1 << 20);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let mut command = home.command("archive export web@latest --to out/web.tar");
        let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        cut.recv_timeout(Duration::from_mins(1)).unwrap();
        let pid = rustix::process::Pid::from_child(&child.0);
        rustix::process::kill_process(pid, signal).unwrap();
        let code = child.0.wait().unwrap().code();
        let mut err = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        if signal == Signal::KILL {
            // A file without a name goes with the process; not every file system has such.
            assert!(!home.path("out/web.tar").exists());
            continue;
        }
        assert_eq!(code, Some(1), "{signal:?}: {err}");
        assert!(err.contains("was whole\nhint: nothing was written"), "{signal:?}: {err}");
        assert_eq!(names(&home.path("out")), [""; 0], "{signal:?}");
    }
}

/// Bytes that cannot be compressed.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Stands between the daemon at this socket and whoever comes: of each answer `most` bytes come
/// through, and then nothing any more. Says when that happens.
fn cut_off(socket: &Path, most: usize) -> mpsc::Receiver<()> {
    let behind = socket.with_extension("behind");
    std::fs::rename(socket, &behind).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let (sender, receiver) = mpsc::channel();
    // It ends with the process of the tests.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, daemon) = (client.unwrap(), UnixStream::connect(&behind).unwrap());
            let (mut asks, mut to) = (client.try_clone().unwrap(), daemon.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut asks, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            let sender = sender.clone();
            thread::spawn(move || {
                let mut answers = daemon.take(most as u64);
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = answers.read(&mut buffer) {
                    if client.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
                if answers.limit() == 0 {
                    let _ = sender.send(());
                    // It hears no more, and no end either, until it goes.
                    let _ = std::io::copy(answers.get_mut(), &mut std::io::sink());
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    receiver
}
