//! Compiling WGSL in headless Chromium: a page that is served from here does it
//! and posts what the browser's compiler said.

use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Long enough for a machine that does something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the browser says of all modules.
pub struct Compiled {
    /// The adapter, and those of the optional features of shaders that it has.
    pub adapter: String,
    pub features: Vec<String>,
    /// Modules by number, and what is said of each; nothing where all is well.
    pub said: Vec<(usize, String)>,
}

/// Where Chromium is: what `WGRAD_CHROMIUM` names, else on the path.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WGRAD_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|at| names.map(|name| at.join(name))).find(|p| p.is_file())
}

/// Compiles modules, each with the features that it needs: one whose features the
/// adapter has not is left out.
pub fn compile(chromium: &Path, modules: &[(String, Vec<&str>)]) -> Result<Compiled> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/", listener.local_addr()?);
    let list = modules.iter().map(|(code, needs)| json!({ "code": code, "needs": needs })).collect::<Vec<_>>();
    let list = Value::from(list).to_string();
    let (sender, result) = channel();
    // Ends with the process: there is nothing to tell it.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that the browser opened and gave up.
            drop(answer(stream, &list, &sender));
        }
    });
    let profile = tempfile::tempdir()?;
    let _browser = Browser::open(chromium, profile.path(), &address)?;
    let text = result.recv_timeout(PATIENCE).map_err(|_| {
        let log = std::fs::read_to_string(profile.path().join(LOG)).unwrap_or_default();
        format!("{} said nothing for {} s; its log:\n{log}", chromium.display(), PATIENCE.as_secs())
    })?;
    read(&serde_json::from_str(&text)?)
}

fn read(result: &Value) -> Result<Compiled> {
    if let Some(error) = result["error"].as_str() {
        return Err(format!("the page failed: {error}").into());
    }
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let list = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    Ok(Compiled {
        adapter: text(&result["adapter"]),
        features: list("features").iter().map(text).collect(),
        said: list("said").iter().map(|m| (m[0].as_u64().unwrap_or(0) as usize, text(&m[1]))).collect(),
    })
}

const LOG: &str = "chromium.log";

/// A browser, closed when it is dropped.
struct Browser(Child);

impl Browser {
    fn open(chromium: &Path, profile: &Path, address: &str) -> Result<Browser> {
        let log = std::fs::File::create(profile.join(LOG))?;
        let child = Command::new(chromium)
            // It loads nothing but the page from here, and root has no sandbox.
            .args(["--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0"])
            .args(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|e| format!("{}: {e}", chromium.display()))?;
        Ok(Browser(child))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Answers one request: the page, the modules, or the page's report.
fn answer(mut stream: TcpStream, modules: &str, report: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(n) = header.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (kind, text) = match request.split(' ').nth(1) {
        Some("/") => ("text/html", PAGE),
        Some("/modules") => ("application/json", modules),
        Some("/report") => {
            // Nobody waits any more once there was one.
            drop(report.send(String::from_utf8_lossy(&body).into_owned()));
            ("text/plain", "")
        }
        _ => ("text/plain", ""),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", text.len());
    stream.write_all(format!("{head}Connection: close\r\n\r\n{text}").as_bytes())
}

/// Says nothing of modules that compile without a message.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><script>
async function compileAll() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return { error: "the browser has no WebGPU adapter" };
  const features = ["subgroups", "shader-f16"].filter(f => adapter.features.has(f));
  const device = await adapter.requestDevice({ requiredFeatures: features });
  const modules = await (await fetch("/modules")).json();
  const said = [];
  const compile = async (module, number) => {
    if (!module.needs.every(f => features.includes(f))) return;
    const info = await device.createShaderModule({ code: module.code }).getCompilationInfo();
    for (const m of info.messages) said.push([number, `${m.type} in line ${m.lineNum}: ${m.message}`]);
  };
  for (let i = 0; i < modules.length; i += 32) {
    await Promise.all(modules.slice(i, i + 32).map((m, k) => compile(m, i + k)));
  }
  const { vendor, architecture, description } = adapter.info;
  return { adapter: [vendor, architecture, description].filter(x => x).join(" "), features, said };
}
compileAll().catch(e => ({ error: String(e) }))
  .then(report => fetch("/report", { method: "POST", body: JSON.stringify(report) }));
</script>"#;
