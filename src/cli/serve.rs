//! `wgrad serve`

use super::common_flags::Checkpoint;
use super::flags::DeviceFlag;
use super::open_device;
use crate::error::{Error, Result};
use crate::files;
use crate::run::folder;
use crate::serve::{Served, Server, Settings, TlsFiles};
use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, Args)]
pub struct Serve {
    /// Folders of runs, or files of weights. A model is called after its folder, or as NAME=RUN
    /// says; several of one name are its versions 1, 2, ..
    #[arg(required = true, value_name = "[NAME=]RUN")]
    pub runs: Vec<String>,
    /// The address to listen on. Others than this machine's let everybody ask who can reach it:
    /// think of --token-file and --tls-cert.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 for any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// A name, beside localhost and addresses in numbers, by which requests may call the server.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// A file whose first line requests must bring as "Authorization: Bearer ..". Without it the
    /// variable WGRAD_TOKEN, if there is one.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificate for HTTPS, with its chain, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Which weights of the runs to serve. Newer ones are taken while the server runs: with "best",
    /// whenever a training finds better ones.
    #[arg(long, value_name = "last|best", default_value = "last")]
    pub checkpoint: Checkpoint,
    /// Keep the weights that the server began with.
    #[arg(long)]
    pub no_reload: bool,
    /// The most samples of several requests that go through a model at once.
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_batch)]
    pub max_batch: usize,
    /// How long samples wait for those of other requests that are being read, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2)]
    pub max_delay_ms: u64,
    /// Requests that may wait for a model; others get 503.
    #[arg(long, value_name = "N", default_value_t = Settings::default().queue)]
    pub queue: usize,
    /// Connections at a time; others get 503.
    #[arg(long, value_name = "N", default_value_t = Settings::default().connections)]
    pub connections: usize,
    /// The most bytes of a request's body, unpacked.
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = crate::plan::parse_bytes)]
    pub max_body: u64,
    /// The most samples, rows, pictures or texts in a request.
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_samples)]
    pub max_samples: usize,
    /// The most tokens that a request may have generated.
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_tokens)]
    pub max_tokens: usize,
    /// Seconds in which a request must have come in, and in which it is answered.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// Seconds that requests have to end once the server is told to.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain: u64,
    /// Do not write a line on stderr for each request.
    #[arg(long)]
    pub no_access_log: bool,
    #[command(flatten)]
    pub device: DeviceFlag,
}

pub fn run(f: &Serve) -> Result<()> {
    let runs = f.runs.iter().map(|text| Served::parse(text)).collect::<Result<Vec<_>>>()?;
    let settings = settings(f)?;
    let is_open = !settings.host.is_loopback() && settings.token.is_none();
    let (device, _) = open_device(&f.device)?;
    let server = Server::start(&runs, device, settings)?;
    server.models().iter().for_each(|model| eprintln!("{model}"));
    if is_open {
        eprintln!("warning: whoever reaches {} may ask; --token-file asks for a token", f.host);
    }
    listen(&server)?;
    eprintln!("serving on {}; Ctrl-C ends it", server.url());
    match server.wait() {
        true => Ok(()),
        false => {
            Err(Error::interrupted(format!("requests were cut off that did not end within {} s (--drain)", f.drain)))
        }
    }
}

fn settings(f: &Serve) -> Result<Settings> {
    let token = match &f.token_file {
        Some(path) => {
            let text = files::read(path)?;
            let line = text.as_deref().and_then(|t| t.lines().next()).map(str::trim).filter(|l| !l.is_empty());
            let missing = || Error::data(format!("{} has no token: expected a line of text", path.display()));
            Some(line.ok_or_else(missing)?.to_string())
        }
        None => std::env::var("WGRAD_TOKEN").ok().filter(|t| !t.is_empty()),
    };
    let tls = f.tls_cert.clone().zip(f.tls_key.clone());
    let checkpoint = match f.checkpoint {
        Checkpoint::Last => folder::Checkpoint::Last,
        Checkpoint::Best => folder::Checkpoint::Best,
    };
    let usual = Settings::default();
    Ok(Settings {
        host: f.host,
        port: f.port,
        allowed_hosts: f.allow_host.clone(),
        token,
        tls: tls.map(|(certificates, key)| TlsFiles { certificates, key }),
        checkpoint,
        reload: usual.reload.filter(|_| !f.no_reload),
        max_batch: f.max_batch,
        max_delay: Duration::from_millis(f.max_delay_ms),
        queue: f.queue,
        connections: f.connections,
        max_body: f.max_body as usize,
        max_samples: f.max_samples,
        max_tokens: f.max_tokens,
        timeout: Duration::from_secs(f.timeout),
        drain: Duration::from_secs(f.drain),
        access_log: !f.no_access_log,
    })
}

/// Ctrl-C and SIGTERM: the first ends the server once its requests are answered, a second at
/// once.
fn listen(server: &Server) -> Result<()> {
    let (stop, asked) = (server.stopper(), AtomicBool::new(false));
    let heard = move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("ending once the requests are answered that have begun; press Ctrl-C again to quit now");
        stop();
    };
    ctrlc::set_handler(heard).map_err(|e| Error::device(format!("cannot listen for Ctrl-C: {e}")))
}
