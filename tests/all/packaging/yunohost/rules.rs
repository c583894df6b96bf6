//! What YunoHost and those who look after its catalogue want of a package.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{build, ours, shipped};
use crate::support::skipped;

const SCRIPTS: [&str; 7] =
    ["_common.sh", "install", "remove", "upgrade", "backup", "restore", "change_url"];

/// A package around a program that is none, which is quick.
struct Package {
    dir: tempfile::TempDir,
}

impl Package {
    fn new(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, "#!/bin/sh\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let package = Self { dir };
        package.again(more);
        package
    }

    fn again(&self, more: &[&str]) -> String {
        build(&self.dir.path().join("program"), &self.path(""), more)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("larder_ynh").join(name)).unwrap()
    }

    fn manifest(&self) -> toml::Table {
        self.text("manifest.toml").parse().unwrap()
    }

    /// The release archive that was built for this machine.
    fn asset(&self) -> PathBuf {
        let mut names =
            std::fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().path());
        names.find(|path| path.to_string_lossy().contains("-linux-")).unwrap()
    }
}

fn script(name: &str) -> String {
    std::fs::read_to_string(shipped("scripts").join(name)).unwrap()
}

#[test]
fn the_linter_of_yunohost_has_no_error() {
    let Some(linter) = std::env::var_os("LARDER_PACKAGE_LINTER") else {
        skipped!("LARDER_PACKAGE_LINTER does not say where YunoHost's package_linter.py is");
    };
    let linter = PathBuf::from(linter);
    let package = Package::new(&["--release-url", "https://example.org/larder"]);
    let output = Command::new(&linter)
        .arg("--json")
        .arg(package.path("larder_ynh"))
        .current_dir(linter.parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said: serde_json::Value = serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap();
    let own = |level: &str| -> Vec<String> {
        let all =
            said[level].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned());
        // Whether somebody has put it into the catalogue is not the package's doing.
        all.filter(|test| !test.starts_with("AppCatalog.")).collect()
    };
    assert_eq!(own("critical"), [""; 0]);
    assert_eq!(own("error"), [""; 0]);
    // It is root, and its README is written by hand: README.md says why.
    assert_eq!(
        own("warning"),
        ["App.badges_in_readme", "Configurations.systemd_config_specific_user"]
    );
}

#[test]
fn the_manifest_says_what_was_promised() {
    let package = Package::new(&["--release-url", "https://example.org/larder/v1/"]);
    let manifest = package.manifest();
    assert_eq!(manifest["packaging_format"].as_integer(), Some(2));
    assert_eq!(manifest["id"].as_str(), Some("larder"));
    let version = format!("{}~ynh", env!("CARGO_PKG_VERSION"));
    assert!(manifest["version"].as_str().unwrap().starts_with(&version), "{version}");
    for language in ["en", "fr"] {
        let description = manifest["description"][language].as_str().unwrap();
        assert!((5..=150).contains(&description.len()), "{description}");
        assert!(!description.to_lowercase().starts_with("larder"));
    }
    let integration = &manifest["integration"];
    assert_eq!(integration["yunohost"].as_str(), Some(">= 12.1"));
    assert_eq!(integration["helpers_version"].as_str(), Some("2.1"));
    assert_eq!(integration["multi_instance"].as_bool(), Some(false));
    assert_eq!(integration["sso"].as_bool(), Some(true));

    let resources = manifest["resources"].as_table().unwrap();
    let names: Vec<&str> = resources.keys().map(String::as_str).collect();
    assert_eq!(
        names.into_iter().collect::<BTreeSet<_>>(),
        ["apt", "data_dir", "install_dir", "permissions", "ports", "sources", "system_user"].into()
    );
    let permissions = &resources["permissions"];
    let main: toml::Table = "url = \"/\"\nallowed = \"admins\"".parse().unwrap();
    assert_eq!(permissions["main"].as_table(), Some(&main));
    let api = "url = \"/api\"\nallowed = \"visitors\"\nauth_header = false\nshow_tile = false\nprotected = true";
    assert_eq!(permissions["api"].as_table(), Some(&api.parse().unwrap()));
    for dir in ["install_dir", "data_dir"] {
        assert_eq!(resources[dir]["owner"].as_str(), Some("root:rwx"), "{dir}: root relies on it");
        assert!(!resources[dir]["group"].as_str().unwrap().contains('w'), "{dir}");
    }

    // What is downloaded is what was built.
    let source = resources["sources"]["main"].as_table().unwrap();
    let architectures: Vec<&str> = integration["architectures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    assert_eq!(source.keys().map(String::as_str).collect::<Vec<_>>(), architectures);
    let asset = package.asset();
    let of_this_machine = &source[architectures[0]];
    let name = asset.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        of_this_machine["url"].as_str().unwrap(),
        format!("https://example.org/larder/v1/{name}")
    );
    let sum = Sha256::digest(std::fs::read(&asset).unwrap());
    let sum = sum.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(of_this_machine["sha256"].as_str(), Some(sum.as_str()));
}

#[test]
fn what_is_not_built_yet_cannot_be_installed() {
    let manifest = std::fs::read_to_string(shipped("manifest.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let source = &manifest["resources"]["sources"]["main"]["amd64"];
    assert!(source["url"].as_str().unwrap().starts_with("https://release-page.invalid/"));
    assert_eq!(source["sha256"].as_str().unwrap(), "0".repeat(64));
}

#[test]
fn the_same_program_makes_the_same_package_and_further_architectures_are_added() {
    let package = Package::new(&[]);
    let first = std::fs::read(package.asset()).unwrap();
    let other = package.dir.path().join("larder-linux-arm64.tar.gz");
    std::fs::write(&other, "another machine's").unwrap();
    let which = if cfg!(target_arch = "aarch64") { "armhf" } else { "arm64" };
    package.again(&["--asset", &format!("{which}={}", other.display())]);
    assert_eq!(std::fs::read(package.asset()).unwrap(), first);
    let manifest = package.manifest();
    let architectures = manifest["integration"]["architectures"].as_array().unwrap();
    assert!(architectures.len() == 2 && architectures[1].as_str() == Some(which));
    let url = manifest["resources"]["sources"]["main"][which]["url"].as_str().unwrap();
    assert!(url.ends_with("/larder-linux-arm64.tar.gz"), "{url}");

    let listed = Command::new("tar").arg("-tf").arg(package.asset()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in
        ["larder", "LICENSE", "larder.schema.json", "larder.bash", "larder.zsh", "larder.fish"]
    {
        assert!(listed.lines().any(|line| line.ends_with(&format!("/{name}"))), "{name}: {listed}");
    }
}

#[test]
fn the_package_has_what_is_mandatory_and_says_it_in_two_languages() {
    let package = Package::new(&[]);
    for name in [
        "LICENSE",
        "README.md",
        "tests.toml",
        "doc/DESCRIPTION.md",
        "conf/nginx.conf",
        "conf/systemd.service",
    ] {
        assert!(!package.text(name).is_empty(), "{name}");
    }
    assert!(package.text("LICENSE").contains("GNU AFFERO GENERAL PUBLIC LICENSE"));
    let tests: toml::Table = package.text("tests.toml").parse().unwrap();
    assert!(tests["test_format"].as_float() == Some(1.0) && tests["default"].is_table());
    let screenshot = package.path("larder_ynh/doc/screenshots/overview.png");
    assert!(screenshot.metadata().unwrap().len() < 512_000);

    // Of what a document may name, the core knows these.
    let known =
        ["__APP__", "__DOMAIN__", "__PATH__", "__DATA_DIR__", "__INSTALL_DIR__", "__PORT__"];
    for name in ["DESCRIPTION", "ADMIN", "PRE_INSTALL", "POST_INSTALL"] {
        let (english, french) =
            (package.text(&format!("doc/{name}.md")), package.text(&format!("doc/{name}_fr.md")));
        let shape = |text: &str| -> Vec<usize> {
            ["\n### ", "\n- ", "\n|", "```"].iter().map(|mark| text.matches(mark).count()).collect()
        };
        assert_eq!(shape(&english), shape(&french), "{name}: one says more than the other");
        for text in [&english, &french] {
            for word in text.split(|c: char| !c.is_ascii_uppercase() && c != '_') {
                let is_template = word.len() > 4 && word.starts_with("__") && word.ends_with("__");
                let each = word.trim_matches('_').split("____").map(|one| format!("__{one}__"));
                assert!(
                    !is_template || each.into_iter().all(|one| known.contains(&one.as_str())),
                    "{word}"
                );
            }
        }
    }
}

#[test]
fn scripts_keep_the_rules_of_packaging() {
    let helpers = std::fs::read_to_string(ours("helpers")).unwrap();
    let forbidden = [
        ("set -e", "the core does it"),
        ("set -u", "the core does it"),
        ("ynh_abort_if_errors", "the core does it"),
        ("rm -r", "ynh_safe_rm"),
        ("apt install", "the resource `apt`"),
        ("apt-get install", "the resource `apt`"),
        ("yunohost app setting", "ynh_app_setting_set"),
        ("systemctl start", "ynh_systemctl"),
        ("restart nginx", "it is reloaded"),
        ("sudo ", "they run as root"),
        ("YNH_APP_ARG", "settings are variables"),
        ("/home/yunohost.backup", "archives are not the package's"),
    ];
    for name in SCRIPTS {
        let path = shipped("scripts").join(name);
        let is_program = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
        assert_eq!(is_program, name != "_common.sh", "{name}");
        let text = script(name);
        assert!(text.starts_with("#!/bin/bash\n"), "{name}");
        let parsed = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(parsed.status.success(), "{name}: {}", String::from_utf8_lossy(&parsed.stderr));
        let code: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        for line in &code {
            for (word, instead) in forbidden {
                let told = line.contains("ynh_die") || line.contains("ynh_print");
                assert!(told || !line.contains(word), "{name}: `{line}`: {instead}");
            }
            let switches = line.contains("systemctl enable") || line.contains("systemctl disable");
            assert!(!switches || line.contains("--quiet"), "{name}: {line}");
            // What the stand-in has was compared with the real helpers; nothing else is used.
            for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let is_helper = word.starts_with("ynh_");
                assert!(
                    !is_helper || helpers.contains(&format!("\n{word}() {{")),
                    "{name}: {word}"
                );
            }
        }
        if name == "_common.sh" {
            assert!(!text.contains("ynh_script_progression") && !text.contains("\nynh_"));
            continue;
        }
        let common = if ["backup", "restore"].contains(&name) {
            "source ../settings/scripts/_common.sh"
        } else {
            "source _common.sh"
        };
        assert!(
            text.contains(&format!("{common}\nsource /usr/share/yunohost/helpers\n")),
            "{name}: {common}"
        );
        assert_eq!(text.contains("ynh_script_progression"), name != "backup", "{name}");
    }
}

#[test]
fn scripts_and_the_build_command_pass_shellcheck() {
    let mut files: Vec<PathBuf> =
        SCRIPTS.iter().map(|name| shipped("scripts").join(name)).collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build-yunohost"));
    // The variables of a script come from the core, its functions from a file that only it has.
    let output =
        Command::new("shellcheck").args(["--exclude", "SC1091,SC2154,SC2034"]).args(files).output();
    let Ok(output) = output else { skipped!("there is no `shellcheck` here") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn nginx_is_configured_as_yunohost_wants_it() {
    let text = std::fs::read_to_string(shipped("conf/nginx.conf")).unwrap();
    assert!(text.starts_with("#sub_path_only rewrite ^__PATH__$ __PATH__/ permanent;\n"));
    for word in ["add_header", "$http_host", "uwsgi", "alias", "if ($scheme", "127.0.0.1"] {
        assert!(!text.contains(word), "{word}");
    }
    let (page, api) = text.split_once("location __PATH__/api/ {").unwrap();
    for (name, location) in [("page", page), ("api", api)] {
        for line in [
            "more_clear_input_headers \"Ynh-*\" \"YNH_*\";",
            "client_max_body_size 64M;",
            "proxy_request_buffering off;",
            "proxy_buffering off;",
            "proxy_read_timeout 1h;",
            "proxy_pass http://unix:/run/larder/web.sock:/",
        ] {
            assert!(location.contains(line), "{name}: {line}");
        }
    }
    assert!(page.contains("proxy_set_header YNH_USER $http_ynh_user;"));
    assert!(api.contains("proxy_set_header YNH_USER \"\";") && !api.contains("$http_ynh_user"));
    assert!(!api.contains("Authorization"), "tokens pass");
}

#[test]
fn the_unit_is_the_debian_package_s_with_other_places() {
    let package = Package::new(&[]);
    let debian = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/larder.service");
    let debian = std::fs::read_to_string(debian).unwrap();
    let unit = package.text("conf/systemd.service");
    let only = |text: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect()
    };
    let added = only(&unit, &debian);
    assert_eq!(added[..2], ["User=root", "ExecStart=__INSTALL_DIR__/larder daemon"]);
    assert!(added[2].starts_with("ReadWritePaths=__DATA_DIR__ ") && added.len() == 3, "{added:?}");
    let gone = only(&debian, &unit);
    assert_eq!(gone.len(), 3, "{gone:?}");
}

#[test]
fn the_stand_in_of_the_helpers_takes_nothing_that_it_does_not_know() {
    let refused = |line: &str| {
        let output = Command::new("bash")
            .args(["-c", &format!("source '{}'; {line}", ours("helpers").display())])
            .envs([("YNH_APP_ACTION", "install"), ("YNH_STDINFO", "1"), ("app", "none")])
            .output()
            .unwrap();
        !output.status.success()
    };
    assert!(!refused("ynh_print_info 'all is well'"));
    for line in [
        "ynh_systemctl --servce=none",
        "ynh_systemctl --service=none --line_match=Started --action=start",
        "ynh_systemctl none start",
        "ynh_config_add_nginx now",
        "ynh_config_add --template=nothing.conf --destination=/nowhere/at/all",
        "ynh_setup_source --source_id=main",
        "ynh_setup_source /nowhere",
        "ynh_app_setting_set key value",
        "ynh_backup",
        "ynh_backup /nowhere/at/all",
        "ynh_script_progression --message=Hello",
        "ynh_print_info one two",
        "ynh_die",
        "ynh_secure_remove --file=/nowhere",
        "echo $undefined",
    ] {
        assert!(refused(line), "{line}");
    }
}
