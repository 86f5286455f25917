//! What a server is started with.

use crate::error::{Error, Result};
use crate::run::folder::Checkpoint;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A run that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// What requests call the model. Several of one name are its versions, counted from 1.
    pub name: String,
    /// The run's folder, or a file of weights.
    pub run: PathBuf,
}

impl Served {
    /// A run, called after its folder, or as `NAME=RUN` says.
    ///
    /// Fails when a name cannot stand in an address.
    pub fn parse(text: &str) -> Result<Served> {
        let (name, run) = match text.split_once('=') {
            // A path may have the sign in it.
            Some((name, run)) if !name.contains('/') => (name.to_string(), PathBuf::from(run)),
            _ => {
                let run = PathBuf::from(text);
                let full = std::path::absolute(&run).unwrap_or_else(|_| run.clone());
                let stem = if run.is_dir() { full.file_name() } else { full.file_stem() };
                (stem.map_or("model".into(), |n| n.to_string_lossy().into_owned()), run)
            }
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) || name.starts_with('.') || name == "stats" {
            return Err(Error::usage(format!(
                "the model's name \"{name}\" (of {text}): expected letters, digits, \"-\", \"_\" and \".\", at most 128 of \
                 them, and not \"stats\"; name it by NAME=RUN"
            )));
        }
        Ok(Served { name, run })
    }
}

/// Certificate and key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates, the server's own first.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How a server listens, and how much it takes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address that it listens on.
    pub host: IpAddr,
    /// The port; 0 for any free one.
    pub port: u16,
    /// Names, beside this machine's and addresses in numbers, that requests may call the
    /// server by.
    pub allowed_hosts: Vec<String>,
    /// What requests must bring as `Authorization: Bearer`; nothing if `None`.
    pub token: Option<String>,
    /// Certificate and key, for HTTPS.
    pub tls: Option<TlsFiles>,
    /// Which weights of the runs.
    pub checkpoint: Checkpoint,
    /// How often the runs are looked at for newer weights; never if `None`.
    pub reload: Option<Duration>,
    /// The most samples that go through a model at once.
    pub max_batch: usize,
    /// How long samples wait for others.
    pub max_delay: Duration,
    /// Requests that may wait for a model.
    pub queue: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of a request's body, unpacked.
    pub max_body: usize,
    /// Samples, rows, pictures or texts in a request.
    pub max_samples: usize,
    /// Tokens that a request may have generated.
    pub max_tokens: usize,
    /// Time in which a request must have come in, and time in which it must be answered.
    pub timeout: Duration,
    /// Time that requests have to end once the server is to stop.
    pub drain: Duration,
    /// Whether each request is logged.
    pub access_log: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8000,
            allowed_hosts: vec![],
            token: None,
            tls: None,
            checkpoint: Checkpoint::Last,
            reload: Some(Duration::from_secs(2)),
            max_batch: 64,
            max_delay: Duration::from_millis(2),
            queue: 256,
            connections: 512,
            max_body: 16 << 20,
            max_samples: 10_000,
            max_tokens: 4096,
            timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            access_log: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_after_its_folder_or_by_name() {
        let of = |text: &str| Served::parse(text).map(|s| (s.name, s.run.display().to_string()));
        assert_eq!(of("runs/keras-cnn-001").unwrap(), ("keras-cnn-001".into(), "runs/keras-cnn-001".into()));
        assert_eq!(of("digits=runs/a=b").unwrap(), ("digits".into(), "runs/a=b".into()));
        assert_eq!(of("runs/model.safetensors").unwrap().0, "model");
        for bad in ["a b=runs/x", "=runs/x", "ä=runs/x", ".hidden=runs/x", "stats=runs/x"] {
            assert!(of(bad).unwrap_err().to_string().contains("NAME=RUN"), "{bad}");
        }
    }
}
