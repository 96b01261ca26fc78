//! The script, run for real with stand-ins for what would touch the machine, and a program that is pushed to it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::*;
use crate::secret::Secret;

const AGENT: &[u8] = b"#!/bin/sh\necho \"agent $* $REHEARSAL_RELAY\" >> \"$LOG\"\n";
const LONG: Duration = Duration::from_secs(60);

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn usual() -> Bootstrap {
    let mirror = Some(7_724);
    let options = RelayOptions { mirror, ..RelayOptions::new(Secret::random(), 7_721, vec![7_722, 7_723]) };
    Bootstrap { ttl: Duration::from_secs(5_430), sha256: sha256(AGENT), options }
}

#[test]
fn the_longest_realistic_script_is_short() {
    let listen = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let options = RelayOptions { listen, doors: vec![50_001, 50_002, 50_003, 50_004], ..usual().options };
    let script = user_data(&Bootstrap { options, ttl: Duration::from_secs(86_400), ..usual() }).unwrap();
    println!("{} bytes of {LONGEST}", script.len());
    assert!(script.starts_with("#!/bin/sh\nshutdown -P +1440 ||"), "it begins with its end");
}

#[test]
fn mistakes_are_told_all_at_once() {
    let options = RelayOptions { control: 0, doors: vec![7, 7], ..usual().options };
    let UserDataError(wrong) = user_data(&Bootstrap { sha256: "a;b".into(), options, ..usual() }).unwrap_err();
    assert_eq!(wrong, ["`a;b` is no SHA-256 in hexadecimal", "a port is 0; say which", "port 7 has two uses"]);
    let options = RelayOptions { doors: (1..=255).collect(), ..usual().options };
    let UserDataError(wrong) = user_data(&Bootstrap { options, ..usual() }).unwrap_err();
    assert!(wrong[0].contains("have fewer doors"), "{wrong:?}");
}

/// A machine that boots: its programs write down what they are asked.
struct Machine {
    folder: TempDir,
    bootstrap: Bootstrap,
}

impl Machine {
    fn new(program: &[u8]) -> Machine {
        // Free a moment ago; nobody else on this machine asks for a port by its number.
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let listen = Ipv4Addr::LOCALHOST.into();
        let options = RelayOptions { listen, control, ..usual().options };
        let machine = Machine {
            folder: TempDir::new().unwrap(),
            bootstrap: Bootstrap { sha256: sha256(program), options, ..usual() },
        };
        for folder in ["cloud/instances/i-7/scripts", "bin", "tmp"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        for secret in ["user-data.txt", "user-data.txt.i", "obj.pkl"] {
            fs::write(machine.at("cloud/instances/i-7").join(secret), "secret").unwrap();
        }
        for quiet in ["shutdown", "poweroff"] {
            let path = machine.at("bin").join(quiet);
            fs::write(&path, "#!/bin/sh\necho \"$(basename \"$0\") $*\" >> \"$LOG\"\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn control(&self) -> SocketAddr {
        control_address(self.bootstrap.options.listen, &self.bootstrap.options)
    }

    /// Runs the script to its end.
    async fn boot(&self, shell: &str) -> Output {
        // Where cloud-init runs it from: it deletes itself.
        let path = self.at("cloud/instances/i-7/scripts/part-001");
        fs::write(&path, user_data(&self.bootstrap).unwrap()).unwrap();
        let mut command = Command::new(shell);
        command
            .arg(&path)
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.at("bin").display()));
        command.env("TMPDIR", self.at("tmp")).env("CLOUD_DIR", self.at("cloud")).env("LOG", self.at("log"));
        command.kill_on_drop(true).stdin(Stdio::null());
        timeout(LONG, command.output()).await.expect("the script ends").unwrap()
    }

    async fn push(&self, program: &[u8], within: Duration) -> (Result<(), PushError>, Vec<Progress>) {
        let told = Mutex::new(Vec::new());
        let progress = |progress| told.lock().unwrap().push(progress);
        let pushed = push(self.control(), &self.bootstrap.options.secret, program, within, progress).await;
        (pushed, told.into_inner().unwrap())
    }

    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.at("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until the instance listens.
    async fn call(&self) -> TcpStream {
        let calling = async {
            loop {
                match TcpStream::connect(self.control()).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        timeout(LONG, calling).await.expect("the instance listens")
    }
}

#[tokio::test]
async fn what_is_pushed_becomes_the_relay_and_the_instance_powers_off_after_it() {
    // `sh` is dash on one system and bash on another, Amazon's among them.
    for shell in ["dash", "bash"] {
        if let Err(missing) = std::process::Command::new(shell).args(["-c", ":"]).output() {
            eprintln!("SKIPPED: user data was not run by {shell}: {missing}");
            continue;
        }
        let program = [AGENT, b"#", &vec![b'x'; 3_000_000]].concat();
        let machine = Machine::new(&program);
        let (output, (pushed, told)) = tokio::join!(machine.boot(shell), machine.push(&program, LONG));
        assert!(pushed.is_ok(), "{shell}: {pushed:?} {output:?}");
        let options = machine.bootstrap.options.text();
        let expected = ["shutdown -P +90".to_owned(), format!("agent relay {options}"), "shutdown -P now".to_owned()];
        assert_eq!(machine.log(), expected, "{shell}: {output:?}");
        assert_eq!(told.last(), Some(&Progress::Sent { bytes: program.len(), of: program.len() }));
        let secrets = fs::read_dir(machine.at("cloud/instances/i-7")).unwrap().count();
        assert_eq!(secrets, 0, "nothing is left on the disk");
        let said = String::from_utf8_lossy(&output.stderr);
        // A machine that many share may have fewer files for us.
        assert!(said.lines().all(|line| line.contains("ulimit")), "{shell}: {said}");
    }
}

#[tokio::test]
async fn only_the_program_of_user_data_is_taken_whoever_brings_what() {
    let machine = Machine::new(AGENT);
    let visits = async {
        let (pushed, _) = machine.push(b"#!/bin/sh\necho another >> \"$LOG\"\n", LONG).await;
        assert!(matches!(pushed, Err(PushError::OtherProgram(at)) if at == machine.control()), "{pushed:?}");
        // Somebody without the secret, garbage, and some who say nothing and stay.
        let stranger = push(machine.control(), &Secret::random(), AGENT, Duration::from_millis(300), |_| {}).await;
        assert!(matches!(stranger, Err(PushError::GaveUp { .. })), "{stranger:?}");
        let mut garbage = machine.call().await;
        let _ = garbage.write_all(&[0xff; 100_000]).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(machine.call().await);
        }
        let (pushed, told) = machine.push(AGENT, LONG).await;
        assert!(pushed.is_ok(), "{pushed:?} {told:?}");
    };
    let (output, ()) = tokio::join!(machine.boot("sh"), visits);
    let log = machine.log();
    assert!(log.len() == 3 && log[1].starts_with("agent relay secret="), "{log:#?} {output:?}");
}

/// One who trickles bytes in would keep a place for ever if each byte had its own time.
#[tokio::test]
async fn who_does_not_prove_himself_in_time_is_cut() {
    let machine = Machine::new(AGENT);
    let visits = async {
        let mut silent = machine.call().await;
        let mut heard = Vec::new();
        let _ = timeout(LONG, silent.read_to_end(&mut heard)).await.expect("being cut");
        assert_eq!(heard.len(), 36, "a greeting, and no proof");
        machine.push(AGENT, LONG).await.0.unwrap();
    };
    tokio::join!(machine.boot("sh"), visits);
}

#[tokio::test]
async fn an_instance_to_which_nobody_comes_ends() {
    let mut machine = Machine::new(AGENT);
    machine.bootstrap.options.lease = Duration::from_secs(1);
    let output = machine.boot("sh").await;
    assert!(!output.status.success());
    assert_eq!(machine.log(), ["shutdown -P +90", "shutdown -P now"], "{output:?}");
}

#[tokio::test]
async fn nobody_pushes_for_ever() {
    let machine = Machine::new(AGENT);
    let (pushed, told) = machine.push(AGENT, Duration::from_millis(100)).await;
    let said = pushed.unwrap_err().to_string();
    assert!(said.contains("refused"), "it says why: {said}");
    assert!(matches!(told.first(), Some(Progress::Waiting { .. })), "{told:?}");
}
