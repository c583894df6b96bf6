//! The package's NGINX configuration, carried out by NGINX with the modules that YunoHost has, before
//! a real daemon. The SSO is the worst that could be: it lets everybody pass, takes nothing away of
//! what a browser sends, and says who somebody is only where it knows it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::shipped;
use crate::support::{skipped, wait_for};
use crate::walk::instance::{Daemon, Instance, sh};

const ADMIN: &str = "larder_the_token_of_an_administrator_behind_a_proxy";
const TOM: &str = "larder_the_token_of_tom_behind_a_proxy";
/// The largest chunk that the proxy takes.
const CHUNK: usize = 64 << 20;

/// NGINX with its Lua and headers-more modules, as `tests/run` unpacks it or as it is installed.
struct Nginx {
    program: PathBuf,
    modules: PathBuf,
    lua: String,
    libraries: Option<String>,
}

impl Nginx {
    fn find() -> Result<Self, String> {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let unpacked = cache.map(|cache| cache.join("larder-tests/nginx"));
        for root in unpacked.into_iter().chain([PathBuf::from("/")]) {
            let (program, modules) =
                (root.join("usr/sbin/nginx"), root.join("usr/lib/nginx/modules"));
            let has = |name: &str| modules.join(format!("ngx_http_{name}_module.so")).exists();
            if program.exists() && has("lua") && has("headers_more_filter") {
                let lua = root.join("usr/share/lua/5.1").display().to_string();
                let libraries = (root != Path::new("/")).then(|| libraries(&root));
                return Ok(Self { program, modules, lua, libraries });
            }
        }
        Err("there is no NGINX with the modules `lua` and `headers-more`".to_owned())
    }
}

/// Where the libraries of unpacked packages are.
fn libraries(root: &Path) -> String {
    let mut all = Vec::new();
    for base in ["usr/lib", "lib"] {
        for entry in std::fs::read_dir(root.join(base)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with("-linux-gnu") {
                all.push(entry.path().display().to_string());
            }
        }
    }
    all.join(":")
}

/// A daemon behind NGINX, which listens on a socket as well.
struct Behind<'a> {
    instance: &'a Instance,
    _daemon: Daemon<'a>,
    nginx: Child,
}

fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn instance() -> Instance {
    let instance = Instance::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n");
    instance.source("www/a.txt", b"a");
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let page = format!(
        "[instance]\nlisten = [\"unix:{}\"]\npage = {{ user_header = \"YNH_USER\", users = [\"alice\"] }}\n",
        instance.path("web.sock").display()
    );
    instance.write("base.toml", &base.replacen("[instance]\n", &page, 1));
    instance.write(
        "others.toml",
        &format!(
            "[token.admin]\nhash = \"{}\"\nscopes = [\"admin\"]\n\
             [location.received]\npath = \"../received\"\nmin_free = \"1 MiB\"\n\
             [peer.tom]\nkind = \"instance\"\n[peer.tom.accept]\ntoken_hash = \"{}\"\n\
             location = \"received\"\nquota = \"1 GiB\"\n",
            hash(ADMIN),
            hash(TOM)
        ),
    );
    instance
}

/// What the helper makes of the template for `/larder`.
fn rendered(instance: &Instance) -> String {
    std::fs::read_to_string(shipped("conf/nginx.conf"))
        .unwrap()
        .replace("#sub_path_only", "")
        .replace("__PATH__", "/larder")
        .replace("/run/larder/web.sock", &instance.path("web.sock").display().to_string())
}

impl<'a> Behind<'a> {
    /// With the package's configuration after `change`.
    fn new(instance: &'a Instance, nginx: &Nginx, change: impl Fn(String) -> String) -> Self {
        let daemon = instance.daemon();
        wait_for("the web socket", || instance.path("web.sock").exists());
        let dir = instance.path("nginx");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("app.conf"), change(rendered(instance))).unwrap();
        let (modules, at) = (nginx.modules.display(), dir.display());
        let text = format!(
            r#"load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
load_module {modules}/ngx_http_headers_more_filter_module.so;
daemon off;
user root;
worker_processes 1;
pid {at}/pid;
error_log {at}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {at}/body;
  proxy_temp_path {at}/proxy;
  fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi;
  scgi_temp_path {at}/scgi;
  lua_package_path "{lua}/?.lua;{lua}/?/init.lua;;";
  underscores_in_headers on;
  server {{
    listen unix:{at}/front.sock;
    more_set_headers "Content-Security-Policy : upgrade-insecure-requests";
    access_by_lua_block {{
      local user = ngx.var.cookie_sso
      if user and not ngx.var.uri:find("^/larder/api/") then
        ngx.req.set_header("YNH_USER", user)
        ngx.req.set_header("Authorization", "Basic YWxpY2U6c2VjcmV0")
      end
    }}
    include {at}/app.conf;
  }}
}}
"#,
            lua = nginx.lua
        );
        std::fs::write(dir.join("nginx.conf"), text).unwrap();
        let mut command = Command::new(&nginx.program);
        command.arg("-p").arg(&dir).arg("-c").arg(dir.join("nginx.conf")).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(std::fs::File::create(dir.join("stderr")).unwrap());
        if let Some(libraries) = &nginx.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut behind = Self { instance, _daemon: daemon, nginx: command.spawn().unwrap() };
        wait_for("NGINX", || {
            let ended = behind.nginx.try_wait().unwrap();
            let said = || std::fs::read_to_string(dir.join("stderr")).unwrap();
            assert!(ended.is_none(), "{}", said());
            behind.curl(&["http://host/larder/healthz"]).status.success()
        });
        // Where a request would be put that is not sent on as it comes, nothing can be put.
        std::fs::remove_dir(dir.join("body")).unwrap();
        std::fs::write(dir.join("body"), "").unwrap();
        behind
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        Command::new("curl")
            .args(["--silent", "--show-error", "--path-as-is", "--max-time", "60", "--unix-socket"])
            .arg(self.instance.path("nginx/front.sock"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The status, the headers and the body of an answer.
    fn ask(&self, path: &str, arguments: &[&str]) -> (u16, String, String) {
        let url = format!("http://host{path}");
        let output = self.curl(&[&["--include", url.as_str()], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{path}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    fn status(&self, path: &str, arguments: &[&str]) -> u16 {
        self.ask(path, arguments).0
    }
}

impl Drop for Behind<'_> {
    fn drop(&mut self) {
        // Its worker ends with it when it is asked to end, not when it is killed.
        let pid = self.nginx.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.nginx.wait();
    }
}

/// What a browser may call itself; NGINX takes all of these for one variable.
const FORGED: [&str; 5] =
    ["YNH_USER: alice", "Ynh-User: alice", "YNH-USER: alice", "ynh_user: alice", "Ynh_User: alice"];

#[test]
fn the_page_is_for_whom_the_sso_names_and_nobody_else() {
    let nginx = match Nginx::find() {
        Ok(nginx) => nginx,
        Err(why) => skipped!("{why}"),
    };
    let instance = instance();
    let behind = Behind::new(&instance, &nginx, |text| text);

    let (status, head, body) = behind.ask("/larder/ui/overview", &["--cookie", "sso=alice"]);
    assert_eq!(status, 200, "{head}\n{body}");
    assert!(body.contains("jerry"), "{body}");
    // larder's own policy, not the one that stands around it.
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(!head.contains("upgrade-insecure-requests"), "{head}");
    // The page's address without and with its slash leads to it.
    let (status, head, _) = behind.ask("/larder", &[]);
    assert!(status == 301 && head.contains("/larder/"), "{head}");
    let (status, head, _) = behind.ask("/larder/", &["--cookie", "sso=alice"]);
    assert_eq!(status, 303, "{head}");

    for forged in FORGED {
        let (status, head, body) = behind.ask("/larder/ui/overview", &["--header", forged]);
        assert!(status == 303 && head.contains("location: login"), "{forged}: {head}");
        assert!(!body.contains("jerry"), "{forged}: {body}");
        // Nor does it become somebody whom the SSO knows as somebody else.
        let both = ["--header", forged, "--cookie", "sso=mallory"];
        assert_eq!(behind.status("/larder/ui/overview", &both), 303, "{forged}");
        // And the other way round: alice stays alice, whatever her browser says besides.
        let alice = ["--header", &forged.replace("alice", "mallory"), "--cookie", "sso=alice"];
        assert_eq!(behind.status("/larder/ui/overview", &alice), 200, "{forged}");
    }
    // The page's orders want more than a name: what another site makes a browser send is refused.
    let other =
        ["--cookie", "sso=alice", "--header", "Sec-Fetch-Site: cross-site", "--data", "x=y"];
    assert_eq!(behind.status("/larder/ui/act", &other), 403);
}

#[test]
fn the_api_wants_a_token_whoever_somebody_is() {
    let nginx = match Nginx::find() {
        Ok(nginx) => nginx,
        Err(why) => skipped!("{why}"),
    };
    let instance = instance();
    let behind = Behind::new(&instance, &nginx, |text| text);
    let key = format!("X-BackupManager-Key: {ADMIN}");
    let bearer = format!("Authorization: Bearer {ADMIN}");

    assert_eq!(behind.status("/larder/api/v1/jobs", &["--cookie", "sso=alice"]), 401);
    for forged in FORGED {
        let both = ["--header", forged, "--cookie", "sso=alice"];
        assert_eq!(behind.status("/larder/api/v1/jobs", &both), 401, "{forged}");
    }
    assert_eq!(behind.status("/larder/api/v1/jobs", &["--header", &key]), 200);
    assert_eq!(behind.status("/larder/api/v1/jobs", &["--header", &bearer]), 200);
    // Names of jobs may have a slash in them: it arrives as it was sent.
    let (status, _, body) = behind.ask("/larder/api/v1/jobs/apps%2Fnextcloud", &["--header", &key]);
    assert!(status == 404 && body.contains("apps/nextcloud"), "{status} {body}");
    let (_, _, body) = behind.ask("/larder/api/v1/jobs/web?x=%2F", &["--header", &key]);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["name"], "web");
    // Paths that lead somewhere else than they look.
    for odd in ["//larder/api/v1/jobs", "/x/../larder/api/v1/jobs", "/%6carder/api/v1/jobs"] {
        assert_eq!(behind.status(odd, &["--header", &key]), 404, "{odd}");
    }
    for odd in [
        "/larder/ui/../api/v1/jobs",
        "/larder/api/../ui/overview",
        "/larder/api/%2e%2e/ui/overview",
    ] {
        for more in [&[][..], &["--header", FORGED[0]]] {
            let status = behind.status(odd, more);
            assert!(matches!(status, 303 | 401 | 404), "{odd} {more:?}: {status}");
        }
    }
    // Events come while they happen, not when a buffer is full.
    let events = behind.curl(&[
        "--no-buffer",
        "--max-time",
        "2",
        "--header",
        &key,
        "http://host/larder/api/v1/events",
    ]);
    assert!(!events.stdout.is_empty(), "{}", String::from_utf8_lossy(&events.stderr));
}

#[test]
fn an_upload_goes_through_in_chunks_of_64_mib_without_being_kept_on_its_way() {
    let nginx = match Nginx::find() {
        Ok(nginx) => nginx,
        Err(why) => skipped!("{why}"),
    };
    let instance = instance();
    let behind = Behind::new(&instance, &nginx, |text| text);
    // A whole archive, of a little more than one chunk.
    let file = std::fs::File::create(instance.path("www/big")).unwrap();
    file.set_len(u64::try_from(CHUNK).unwrap()).unwrap();
    sh("tar -cf tom.tar -C www big", &instance.path(""));
    let content = std::fs::read(instance.path("tom.tar")).unwrap();
    let (first, second) = (instance.path("first"), instance.path("second"));
    std::fs::write(&first, &content[..CHUNK]).unwrap();
    std::fs::write(&second, &content[CHUNK..]).unwrap();
    let sum = hex(&Sha256::digest(&content));
    let key = format!("X-BackupManager-Key: {TOM}");
    let announced = serde_json::json!({
        "filename": "tom_web_20260508.tar", "total_size": content.len(), "chunk_size": CHUNK, "checksum": sum,
    });
    let json = [
        "--header",
        &key,
        "--header",
        "Content-Type: application/json",
        "--data",
        &announced.to_string(),
    ];
    let (status, _, body) = behind.ask("/larder/api/v1/archives/upload/start", &json);
    assert_eq!(status, 201, "{body}");
    let begun: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(begun["chunks_total"], 2, "{body}");
    let upload = format!("/larder/api/v1/archives/upload/{}", begun["upload_id"].as_str().unwrap());
    for (n, file) in [&first, &second].into_iter().enumerate() {
        let file = format!("@{}", file.display());
        let raw = ["--header", &key, "--header", "Expect:", "--data-binary", &file];
        let (status, head, body) = behind.ask(&format!("{upload}/chunk/{n}"), &raw);
        assert_eq!(status, 200, "{head}\n{body}");
    }
    let (status, _, body) =
        behind.ask(&format!("{upload}/finish"), &["--header", &key, "--request", "POST"]);
    assert!(matches!(status, 200 | 201), "{status} {body}");
    assert_eq!(std::fs::read(instance.path("received/tom/tom_web_20260508.tar")).unwrap(), content);
    // More than the proxy takes.
    std::fs::write(&first, [&content[..CHUNK], b"+"].concat()).unwrap();
    let file = format!("@{}", first.display());
    let raw = ["--header", &key, "--header", "Expect:", "--data-binary", &file];
    assert_eq!(behind.status(&format!("{upload}/chunk/0"), &raw), 413);
}

#[test]
fn a_proxy_that_keeps_requests_would_be_noticed() {
    let nginx = match Nginx::find() {
        Ok(nginx) => nginx,
        Err(why) => skipped!("{why}"),
    };
    let instance = instance();
    let behind =
        Behind::new(&instance, &nginx, |text| text.replace("proxy_request_buffering off;", ""));
    let file = instance.path("chunk");
    std::fs::write(&file, vec![b'x'; 4 << 20]).unwrap();
    let key = format!("X-BackupManager-Key: {TOM}");
    let raw =
        ["--header", &key, "--header", "Expect:", "--data-binary", &format!("@{}", file.display())];
    assert_eq!(behind.status("/larder/api/v1/archives/upload/none/chunk/0", &raw), 500);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
