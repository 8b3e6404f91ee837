//! A headless browser with one page, behind its `WebDriver`. Names of hosts lead nowhere in it.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::{ParseError, Url};

pub(crate) struct Browser {
    client: Client,
    runtime: Runtime,
    driver: Child,
    /// The driver may write there until its end.
    _output: BufReader<ChildStdout>,
    /// The home and the profile of the browser, and files of the test.
    directory: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// What only drivers of Chromium know: a path below the session, and what is sent there.
#[derive(Debug)]
struct Extension(&'static str, Value);

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Starts the browser of `MESHCHECK_BROWSER`, or the one that `chromedriver` finds.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .envs([("HOME", directory.path()), ("TMPDIR", directory.path())])
            .stdout(Stdio::piped())
            .spawn()
            .expect("install chromium and chromium-driver (Debian)");
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let port = (&mut output).lines().find_map(|line| {
            line.unwrap().split_once("successfully on port ").map(|(_, port)| port.to_owned())
        });
        let port = port.unwrap();
        let mut options = json!({ "args": [
            "--headless=new", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            // Without it no browser starts as root, which containers are.
            "--no-sandbox", "--disable-dev-shm-usage"
        ] });
        if let Some(browser) = env::var_os("MESHCHECK_BROWSER") {
            options["binary"] = browser.to_str().into();
        }
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            // In milliseconds, nextest's own limit: on a busy machine the largest page takes more than
            // the driver's 30 s for a script.
            "timeouts": { "script": 300_000, "pageLoad": 300_000 },
        });
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(serde_json::from_value(capabilities).unwrap())
                .connect(&format!("http://127.0.0.1:{}", port.trim_end_matches('.'))),
        );
        Self { client: client.unwrap(), runtime, driver, _output: output, directory }
    }

    fn extension(&self, path: &'static str, body: Value) -> Value {
        self.runtime.block_on(self.client.issue_cmd(Extension(path, body))).unwrap()
    }

    /// Sends a command of the browser's own protocol.
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.extension("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// What went to a log since it was read last.
    fn log(&self, kind: &str) -> Vec<Value> {
        self.extension("se/log", json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// The console's messages and the errors since they were read last.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.log("browser")
    }

    /// The URLs that were asked for since they were read last.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()
        });
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Opens a file, and waits until it is loaded.
    pub(crate) fn open(&self, file: &Path) {
        self.open_url(&format!("file://{}", file.display()));
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn open_url(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression}\n)");
        self.runtime.block_on(self.client.execute(&script, Vec::new())).unwrap()
    }

    /// The number of elements.
    pub(crate) fn count(&self, selector: &str) -> u64 {
        self.value(&format!("document.querySelectorAll('{selector}').length")).as_u64().unwrap()
    }

    /// The number of elements that are shown.
    pub(crate) fn count_shown(&self, selector: &str) -> u64 {
        let all = format!("[...document.querySelectorAll('{selector}')]");
        let shown = self.value(&format!("{all}.filter(it => it.checkVisibility()).length"));
        shown.as_u64().unwrap()
    }

    /// Opens all that is folded.
    pub(crate) fn unfold(&self) {
        self.value("document.querySelectorAll('details').forEach(it => it.open = true)");
    }

    /// Gives it a window of this size.
    pub(crate) fn size(&self, width: u32, height: u32, mobile: bool) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `screen` or `print`, and `light` or `dark`.
    pub(crate) fn media(&self, media: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "media": media, "features": features }),
        );
    }

    /// Presses a key where the focus is.
    pub(crate) fn press(&self, key: char) {
        let press = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        self.runtime.block_on(self.client.perform_actions(press)).unwrap();
    }

    /// Keeps a picture of the page, where `MESHCHECK_SCREENSHOTS` names a directory: for people to look
    /// at. Of a page without end it is the beginning: browsers draw no picture of all of it.
    pub(crate) fn keep_picture(&self, name: &str) {
        let Some(directory) = env::var_os("MESHCHECK_SCREENSHOTS") else { return };
        let size = self.value(
            "(it => [it.clientWidth, Math.min(it.scrollHeight, 12000)])(document.documentElement)",
        );
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let parameters = json!({ "captureBeyondViewport": true, "clip": clip });
        let picture = decoded(&self.devtools("Page.captureScreenshot", &parameters));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(PathBuf::from(directory).join(name), picture).unwrap();
    }

    /// The page as it is printed: a PDF.
    pub(crate) fn print(&self) -> Vec<u8> {
        decoded(&self.devtools("Page.printToPDF", &json!({ "printBackground": true })))
    }

    /// A place for files of the test.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn decoded(answer: &Value) -> Vec<u8> {
    STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
}
