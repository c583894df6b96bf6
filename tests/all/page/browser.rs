//! A real browser: one headless Chromium for all tests, spoken to over its debugging pipe.
//!
//! The protocol is JSON between NUL bytes, so nothing but `serde_json` is needed for it. The shell
//! puts the pipes where the browser looks for them (3 and 4), and tidies up when it has ended.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Bounds a test that failed.
const PATIENCE: Duration = Duration::from_mins(1);

static BROWSER: LazyLock<Result<Browser, String>> = LazyLock::new(Browser::start);

/// The browser; the reason where there is none.
pub(crate) fn browser() -> Result<&'static Browser, String> {
    BROWSER.as_ref().map_err(Clone::clone)
}

/// Ends the test where there is no browser.
macro_rules! browser_or_skip {
    () => {
        match $crate::page::browser::browser() {
            Ok(browser) => browser,
            Err(why) => $crate::support::skipped!("{why}"),
        }
    };
}
pub(crate) use browser_or_skip;

pub(crate) struct Browser {
    to: Mutex<ChildStdin>,
    number: AtomicU64,
    heard: Arc<Heard>,
}

/// What the browser said.
#[derive(Default)]
struct Heard {
    said: Mutex<Said>,
    something: Condvar,
}

#[derive(Default)]
struct Said {
    answers: HashMap<u64, Value>,
    /// Mistakes that pages made, by session.
    complaints: Vec<(String, String)>,
    is_over: bool,
}

impl Browser {
    fn start() -> Result<Self, String> {
        let found = |name: &&str| {
            Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success())
        };
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(found);
        let program = program.ok_or("there is no Chromium")?;
        let profile = crate::support::dir().keep();
        let line = "\"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1; rm -rf \"$0\"";
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).arg(&profile).arg(program).args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--force-color-profile=srgb",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        // A group of its own: Ctrl-C ends the tests, and that ends it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice::<Value>(&message) else { continue };
                listener.hear(message);
            }
            listener.said.lock().unwrap().is_over = true;
            listener.something.notify_all();
        });
        Ok(Self { to: Mutex::new(to), number: AtomicU64::new(1), heard })
    }

    fn call(&self, session: &str, method: &str, parameters: Value) -> Result<Value, String> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": number, "method": method });
        message["params"] = parameters;
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.to.lock().unwrap().write_all(&text).map_err(|error| error.to_string())?;
        let start = Instant::now();
        let mut said = self.heard.said.lock().unwrap();
        loop {
            if let Some(mut answer) = said.answers.remove(&number) {
                return match answer.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(answer["result"].take()),
                };
            }
            assert!(!said.is_over, "the browser has ended");
            assert!(start.elapsed() < PATIENCE, "the browser does not answer `{method}`");
            said = self.heard.something.wait_timeout(said, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// A tab that shares nothing with other tabs.
    pub(crate) fn tab(&'static self, looks: &Looks) -> Tab {
        let made = self.call("", "Target.createBrowserContext", json!({})).unwrap();
        let context = made["browserContextId"].as_str().unwrap().to_owned();
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.call("", "Target.createTarget", target).unwrap();
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("", "Target.attachToTarget", attach).unwrap();
        let session = session["sessionId"].as_str().unwrap().to_owned();
        let tab = Tab { browser: self, session, context };
        for domain in ["Page", "Runtime", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.look(looks);
        tab
    }
}

impl Heard {
    fn hear(&self, message: Value) {
        let mut said = self.said.lock().unwrap();
        if let Some(number) = message["id"].as_u64() {
            said.answers.insert(number, message);
        } else {
            let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
            let what = &message["params"];
            let complaint = match message["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => Some(what["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled"
                    if ["error", "warning", "assert"]
                        .contains(&what["type"].as_str().unwrap_or("")) =>
                {
                    Some(what["args"].to_string())
                }
                "Log.entryAdded"
                    if ["error", "warning"]
                        .contains(&what["entry"]["level"].as_str().unwrap_or("")) =>
                {
                    Some(what["entry"].to_string())
                }
                "Page.javascriptDialogOpening" => Some(format!("a dialogue: {what}")),
                _ => None,
            };
            said.complaints.extend(complaint.map(|complaint| (session, complaint)));
        }
        self.something.notify_all();
    }
}

/// How a browser is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
    pub(crate) language: &'static str,
    pub(crate) has_script: bool,
}

impl Looks {
    pub(crate) const USUAL: Self =
        Self { width: 1280, is_dark: false, language: "en", has_script: true };
}

/// A tab; closed when it is dropped.
pub(crate) struct Tab {
    browser: &'static Browser,
    session: String,
    context: String,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let context = json!({ "browserContextId": self.context });
        if !std::thread::panicking() {
            let _ = self.browser.call("", "Target.disposeBrowserContext", context);
        }
    }
}

impl Tab {
    #[track_caller]
    pub(crate) fn call(&self, method: &str, parameters: Value) -> Value {
        self.browser.call(&self.session, method, parameters).unwrap()
    }

    pub(crate) fn look(&self, looks: &Looks) {
        let is_phone = looks.width < 600;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": looks.width, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone }),
        );
        let scheme = if looks.is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        let agent = json!({ "userAgent": "larder-tests", "acceptLanguage": looks.language });
        self.call("Emulation.setUserAgentOverride", agent);
        let value = json!({ "value": !looks.has_script });
        self.call("Emulation.setScriptExecutionDisabled", value);
    }

    /// What an expression comes to; promises are waited for.
    #[track_caller]
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|why| panic!("{expression}: {why}"))
    }

    fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.browser.call(&self.session, "Runtime.evaluate", parameters)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            return Err(exception.to_string());
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        let start = Instant::now();
        // While a page gives way to the next there is nothing to ask.
        while self.try_eval(expression).is_err_or_not_true() {
            assert!(
                start.elapsed() < PATIENCE,
                "never true: {expression}\n{}\n{}",
                self.eval("location.href"),
                self.text()
            );
            std::thread::park_timeout(Duration::from_millis(15));
        }
    }

    /// Opens an address and waits for all of the page.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        let leave = "window.left = true";
        let _ = self.try_eval(leave);
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went.get("errorText").is_none(), "{url}: {went}");
        self.arrive();
    }

    /// Waits for the page that something leads to. What leads there marks this page as left.
    #[track_caller]
    fn arrive(&self) {
        self.wait("window.left !== true && document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Clicks on something that leads to another page.
    #[track_caller]
    pub(crate) fn follow(&self, selector: &str) {
        let selector = Value::from(selector);
        let found = self.eval(&format!(
            "(() => {{ const it = document.querySelector({selector}); if (!it) return false; \
             window.left = true; it.click(); return true; }})()"
        ));
        assert_eq!(found, true, "{selector} is not on {}", self.eval("location.href"));
        self.arrive();
    }

    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        let line = format!(
            "(() => {{ const it = document.querySelector({selector}); it.value = {text}; \
             it.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        );
        self.eval(&line);
    }

    /// Lets this tab have the keys, whatever else is open.
    pub(crate) fn has_the_keys(&self) {
        self.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    }

    /// Presses a key, as a keyboard does: `Tab`, `Enter` or a space.
    #[track_caller]
    pub(crate) fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            other => panic!("no key `{other}`"),
        };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number });
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Writes a text, as a keyboard does.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses Enter on what leads to another page.
    #[track_caller]
    pub(crate) fn enter(&self) {
        self.eval("window.left = true");
        self.press("Enter");
        self.arrive();
    }

    /// Goes on from stop to stop until one fits; how many there were.
    #[track_caller]
    pub(crate) fn tab_to(&self, selector: &str) -> usize {
        let is_there = format!("document.activeElement.matches({})", Value::from(selector));
        for stops in 0..100 {
            if self.eval(&is_there) == true {
                return stops;
            }
            self.press("Tab");
        }
        panic!("no key leads to {selector} on {}", self.eval("location.href"));
    }

    /// What a person reads.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// What went wrong in this tab since it was asked last.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut said = self.browser.heard.said.lock().unwrap();
        let (own, others) = std::mem::take(&mut said.complaints)
            .into_iter()
            .partition(|(session, _)| *session == self.session);
        said.complaints = others;
        let own: Vec<(String, String)> = own;
        own.into_iter().map(|(_, complaint)| complaint).collect()
    }

    /// All of the page, also what is below the screen, as a PNG.
    pub(crate) fn whole_picture(&self) -> Vec<u8> {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let how = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        base64(self.call("Page.captureScreenshot", how)["data"].as_str().unwrap())
    }

    /// The page as a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        base64(picture["data"].as_str().unwrap())
    }
}

trait NotTrue {
    fn is_err_or_not_true(&self) -> bool;
}

impl NotTrue for Result<Value, String> {
    fn is_err_or_not_true(&self) -> bool {
        *self != Ok(Value::Bool(true))
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let whole = four.iter().fold(0_u32, |sum, digit| (sum << 6) | u32::from(*digit));
        let whole = whole << (6 * (4 - four.len()));
        bytes.extend(&whole.to_be_bytes()[1..four.len()]);
    }
    bytes
}

#[test]
fn base64_is_read_whatever_its_length() {
    for (text, bytes) in
        [("", ""), ("TQ==", "M"), ("TWE=", "Ma"), ("TWFu", "Man"), ("TWFuTQ==", "ManM")]
    {
        assert_eq!(base64(text), bytes.as_bytes(), "{text}");
    }
}
