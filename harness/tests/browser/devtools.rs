//! A headless browser, driven by its own protocol through two pipes: nothing listens on any port, and
//! nothing is needed beyond the browser.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

/// Where browsers of this family are found, by what systems call them.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    /// Its profile, and the pipes.
    directory: tempfile::TempDir,
    session: Option<String>,
    last: u64,
    /// Everything that it told since the page was opened.
    pub(crate) events: Vec<Value>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers go with it. The profile goes with the directory.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    if let Some(named) = env::var_os("MESHCHECK_BROWSER") {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let all = NAMES.iter().flat_map(|name| env::split_paths(&path).map(move |dir| dir.join(name)));
    all.into_iter().find(|file| file.is_file()).expect(
        "no browser is on PATH: install chromium (Debian), or name one with MESHCHECK_BROWSER",
    )
}

impl Browser {
    /// Starts one. Names of hosts lead nowhere in it.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (to, from) = (directory.path().join("to"), directory.path().join("from"));
        for pipe in [&to, &from] {
            mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        }
        // The browser reads from descriptor 3 and writes to 4.
        let process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<"$TO" 4>"$FROM""#])
            .arg(program())
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"])
            // Without it no browser starts as root, which containers are.
            .arg("--no-sandbox")
            .arg("--host-resolver-rules=MAP * ~NOTFOUND")
            .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
            .env("HOME", directory.path())
            .envs([("TO", &to), ("FROM", &from)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the order in which the shell opens them: each waits for the other end.
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser =
            Self { process, to, from, directory, session: None, last: 0, events: Vec::new() };
        let page = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &target);
        browser.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks something, and waits for the answer.
    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let message = self.read();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has gone");
        serde_json::from_slice(&message).unwrap()
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|it| it["method"] == event) {
            let message = self.read();
            self.events.push(message);
        }
    }

    /// Opens a file, and waits until it is there.
    pub(crate) fn open(&mut self, file: &Path) {
        self.events.clear();
        self.ask("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        self.wait_for("Page.loadEventFired");
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true });
        let result = self.ask("Runtime.evaluate", &arguments);
        assert!(result["exceptionDetails"].is_null(), "{result:#}");
        result["result"]["value"].clone()
    }

    /// A window of this size.
    pub(crate) fn size(&mut self, width: u32, height: u32, mobile: bool) {
        let arguments = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.ask("Emulation.setDeviceMetricsOverride", &arguments);
    }

    /// `screen` or `print`, and `light` or `dark`.
    pub(crate) fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "media": media, "features": features }));
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Space" => (32, " "),
            other => panic!("no key {other}"),
        };
        let name = if key == "Space" { " " } else { key };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let arguments = json!({
                "type": kind, "key": name, "code": key, "windowsVirtualKeyCode": code, "text": text,
            });
            self.ask("Input.dispatchKeyEvent", &arguments);
        }
    }

    /// Keeps a picture of the page, where `MESHCHECK_SCREENSHOTS` names a directory: for people to look
    /// at. Of a page without end it is the beginning: browsers draw no picture of all of it.
    pub(crate) fn keep(&mut self, name: &str) {
        let Some(directory) = env::var_os("MESHCHECK_SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&directory).unwrap();
        let size = |name: &str| format!("document.documentElement.{name}");
        let (width, height) = (self.value(&size("clientWidth")), self.value(&size("scrollHeight")));
        let height = height.as_u64().unwrap().min(12_000);
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let picture = self
            .ask("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "clip": clip }));
        std::fs::write(directory.join(format!("{name}.png")), bytes(&picture)).unwrap();
    }

    /// The page as it is printed: a PDF.
    pub(crate) fn printed(&mut self) -> Vec<u8> {
        bytes(&self.ask("Page.printToPDF", &json!({ "printBackground": true })))
    }

    /// A place for files of the test.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn bytes(answer: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let text = answer["data"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
