//! The program as people run it, and the timelines that come with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rehearsal_fake_aws::Timeline;

fn timelines() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("timelines")
}

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_program_says_where_it_answers_and_moves_its_clock() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-aws"));
    command.arg(timelines().join("ecs-healthy.toml")).args(["--listen", "127.0.0.1:0", "--hold", "--at", "100"]);
    let mut program = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let told = ask("GET /timeline HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(told.contains("\"second\":100.0"), "{told}");
    let body = "{\"second\": 200}";
    let head = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let told = ask(&format!("PUT /timeline {head}Content-Length: {}\r\n\r\n{body}", body.len()));
    assert!(told.contains("\"second\":200.0"), "{told}");
    let body = "{\"cluster\": \"realtime\", \"services\": [\"web\"]}";
    let target = "X-Amz-Target: AmazonEC2ContainerServiceV20141113.DescribeServices\r\n";
    let told = ask(&format!("POST / {head}{target}Content-Length: {}\r\n\r\n{body}", body.len()));
    assert!(told.contains("\"desiredCount\":5"), "{told}");
}

#[test]
fn what_is_no_timeline_is_told_with_its_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-aws"));
    let ended = command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("at line ") && told.contains("unknown field `"), "{told}");
    assert!(!told.contains("backtrace"), "{told}");
}

#[test]
fn every_timeline_that_comes_with_it_is_understood_and_says_what_it_shows() {
    let files: Vec<_> = std::fs::read_dir(timelines()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let timeline = Timeline::parse(&std::fs::read_to_string(&file).unwrap());
        let timeline = timeline.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!timeline.title.is_empty() && timeline.ends > 0.0, "{}", file.display());
    }
}
