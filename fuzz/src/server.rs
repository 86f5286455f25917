//! A server of small models, asked over a connection as anybody can.

use crate::{Place, runs};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use wgrad::device::Device;
use wgrad::serve::{Served, Server, Settings};

/// A server, and the folder of its runs.
pub struct Asked {
    server: Server,
    /// It holds the runs for as long as they are served.
    _place: Place,
}

impl Asked {
    /// Trains the models and serves them.
    pub fn start() -> Asked {
        let place = Place::new();
        runs::all(place.path());
        let served: Vec<Served> =
            runs::NAMES.map(|name| Served { name: name.into(), run: place.path().join(name) }).into();
        let settings = Settings {
            port: 0,
            access_log: false,
            reload: None,
            max_body: 1 << 20,
            max_delay: Duration::ZERO,
            max_tokens: 16,
            ..Settings::default()
        };
        let device = Device::open("cpu").expect("there is a CPU");
        Asked { server: Server::start(&served, device, settings).expect("a free port"), _place: place }
    }

    /// Sends the bytes of a request and takes the answer, if there is one.
    ///
    /// Panics where the answer says that the server has failed: it catches its own panics.
    pub fn ask(&self, request: &[u8]) {
        let answer = exchange(self.server.address(), request).unwrap_or_default();
        let failed = answer.starts_with(b"HTTP/1.1 500");
        assert!(!failed, "the server failed: {}", String::from_utf8_lossy(&answer));
    }
}

/// What is said to a request on a connection of its own.
fn exchange(to: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request)?;
    // A request that is cut off is not waited for.
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
