//! The server that clients are compared against: nginx on one core, with a short answer and a counter of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result};

use super::process::{Server, free_address, pinned};
use super::{Bench, SERVER_CPU};

/// Length of the answer's body, in bytes: a small JSON document.
const BODY: usize = 200;

/// A running nginx.
pub struct Nginx {
    pub address: SocketAddr,
    _server: Server,
}

impl Nginx {
    pub fn start(bench: &Bench) -> Result<Self> {
        let address = free_address()?;
        let prefix = bench.folder()?.join("nginx");
        std::fs::create_dir_all(&prefix).context("making a folder for nginx")?;
        let file = prefix.join("nginx.conf");
        std::fs::write(&file, configuration(address)).context("configuring nginx")?;
        let mut command = pinned(SERVER_CPU, "nginx");
        command.arg("-p").arg(&prefix).arg("-c").arg(&file);
        Ok(Self { address, _server: Server::start(command, address)? })
    }

    /// Requests that were answered so far, the one that asks for it included.
    pub fn requests(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(self.address).context("asking nginx for its count")?;
        stream.write_all(b"GET /status HTTP/1.0\r\n\r\n").context("asking nginx for its count")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("asking nginx for its count")?;
        requests_in(&answer).with_context(|| format!("no count in the answer of nginx: {answer}"))
    }
}

/// One process in the foreground, so that ending it ends all of it.
fn configuration(address: SocketAddr) -> String {
    let frame = r#"{"programme":""}"#.len();
    let body = format!(r#"{{"programme":"{}"}}"#, "x".repeat(BODY - frame));
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|kind| format!("  {kind}_temp_path {kind};\n")).collect();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}  access_log off;\n  keepalive_requests 1000000000;\n  default_type application/json;\n\
         \x20 server {{\n    listen {address};\n    location / {{ return 200 '{body}'; }}\n\
         \x20   location = /status {{ stub_status; }}\n  }}\n}}\n"
    )
}

/// The third number below the line that names accepted, handled and requests.
fn requests_in(status: &str) -> Option<u64> {
    let mut lines = status.lines().skip_while(|line| !line.contains("accepts handled requests"));
    lines.nth(1)?.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_requests_is_found() {
        let status = "HTTP/1.1 200 OK\r\n\r\nActive connections: 291 \nserver accepts handled requests\n 7 7 31070 \nReading: 6\n";
        assert_eq!(requests_in(status), Some(31070));
        assert_eq!(requests_in("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }

    #[test]
    fn the_answer_has_the_length_it_says() {
        let configuration = configuration(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let (_, body) = configuration.split_once("return 200 '").unwrap();
        assert_eq!(body.split_once('\'').unwrap().0.len(), BODY);
    }
}
