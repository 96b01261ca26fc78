//! The script is short, is shell, and does things in the right order: run for real, with stand-ins for all that would
//! touch the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::*;

const AGENT: &str = "#!/bin/sh\necho \"agent $* $REHEARSAL_JOIN\" >> \"$LOG\"\n";

pub(crate) fn usual() -> Boot {
    let build = |arch| Build { arch, sha256: "0".repeat(64) };
    Boot {
        join: "rhj1_secret".into(),
        builds: vec![build(Arch::X86_64), build(Arch::Aarch64)],
        urls: vec!["https://203.0.113.7:7712/agent/{arch}".into()],
    }
}

/// A blob with three addresses of each kind, two builds and three places to get them from.
fn longest() -> Boot {
    let host = "rehearsal-coordinator.staging.example.com";
    Boot {
        join: format!("rhj1_{}", "x".repeat(965)),
        urls: vec![
            format!("https://{host}:7712/agent/{{arch}}"),
            "https://[2001:db8:1234:5678:9abc:def0:1234:5678]:7712/agent/{arch}".into(),
        ],
        ..usual()
    }
}

#[test]
fn the_longest_realistic_script_is_short() {
    let day = Duration::from_secs(24 * 3_600);
    let script = script(&longest(), day).unwrap();
    println!("{} bytes of {LONGEST}", script.0.len());
    assert_eq!(
        script.0.lines().nth(1).unwrap().split(" ||").next(),
        Some("shutdown -P +1440"),
        "it begins with its end"
    );
    assert_eq!(format!("{script:?}"), format!("UserData({} bytes)", script.0.len()), "the secret is not printed");
    let too_long = Boot { join: "x".repeat(LONGEST), ..longest() };
    assert!(matches!(super::script(&too_long, day), Err(UserDataError::TooLong(_))));
}

#[test]
fn nothing_gets_into_the_shell_but_what_we_write() {
    let check = |boot: Boot, expected: UserDataError| {
        assert_eq!(script(&boot, Duration::from_secs(600)), Err(expected));
    };
    let unsafe_url = UserDataError::Unsafe("address of the agent");
    for url in
        ["https://x/$(reboot)", "https://x/\"; reboot", "https://x/`reboot`", "https://x/\\", "http://x/", "x y", ""]
    {
        check(Boot { urls: vec![url.into()], ..usual() }, unsafe_url.clone());
    }
    check(Boot { join: "a;b".into(), ..usual() }, UserDataError::Unsafe("join blob"));
    check(Boot { join: String::new(), ..usual() }, UserDataError::Unsafe("join blob"));
    check(Boot { urls: vec![], ..usual() }, UserDataError::Lacks("address"));
    check(Boot { builds: vec![], ..usual() }, UserDataError::Lacks("build"));
    for sum in ["", "0123", &"G".repeat(64), &"A".repeat(64)] {
        let build = Build { arch: Arch::X86_64, sha256: sum.into() };
        check(Boot { builds: vec![build], ..usual() }, UserDataError::Checksum(sum.into()));
    }
    let presigned = "https://b.s3.amazonaws.com/agent-{arch}?X-Amz-Expires=900&X-Amz-Signature=0a1b%2F";
    assert!(script(&Boot { urls: vec![presigned.into()], ..usual() }, Duration::from_secs(600)).is_ok());
}

#[test]
fn shells_and_linters_take_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("user-data");
    fs::write(&path, script(&longest(), Duration::from_secs(3_600)).unwrap().0).unwrap();
    let run = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).arg(&path).output();
    let parsed = run("sh", &["-n"]).unwrap();
    assert!(parsed.status.success(), "{parsed:?}");
    match run("shellcheck", &["--shell=dash", "--severity=info"]) {
        Ok(checked) => assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout)),
        Err(missing) => eprintln!("SKIPPED: user data was not linted: shellcheck cannot be run: {missing}"),
    }
}

/// A machine that boots: programs that write down what they are asked, and a mirror with something on it.
struct Machine {
    folder: TempDir,
}

impl Machine {
    /// `mirror` is what the second of two addresses serves; the first is down.
    fn new(mirror: &str) -> Machine {
        let machine = Machine { folder: TempDir::new().unwrap() };
        let instance = machine.at("cloud/instances/i-7");
        fs::create_dir_all(instance.join("scripts")).unwrap();
        fs::create_dir_all(machine.at("cloud/data")).unwrap();
        fs::create_dir_all(machine.at("bin")).unwrap();
        fs::create_dir_all(machine.at("tmp")).unwrap();
        fs::write(machine.at("cloud/data/instance-id"), "i-7\n").unwrap();
        for secret in ["user-data.txt", "user-data.txt.i", "scripts/part-001", "obj.pkl"] {
            fs::write(instance.join(secret), "rhj1_secret").unwrap();
        }
        fs::write(machine.at("mirror"), mirror).unwrap();
        let log = "echo \"$(basename \"$0\") $*\" >> \"$LOG\"\n";
        for quiet in ["shutdown", "poweroff", "sysctl"] {
            machine.program(quiet, log);
        }
        machine.program("uname", "echo x86_64\n");
        // Pauses are over at once; timers never fire.
        machine.program("sleep", &format!("{log}[ \"$1\" -lt 60 ]\n"));
        // What is still on the disk when the network is used for the first time, and the last argument: the address.
        let curl = r#"
left=$(find "$CLOUD_DIR/instances" -type f | wc -l)
while [ $# -gt 1 ];do [ "$1" = -o ] && out=$2;shift;done
echo "curl $1 with $left secrets on the disk" >> "$LOG"
case $1 in *down*) exit 7;; *) cp "$MIRROR" "$out";; esac
"#;
        machine.program("curl", curl);
        machine
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.at("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script for an agent with this checksum to its end; gives what was done, in order.
    fn boot(&self, sha256: &str) -> (Output, Vec<String>) {
        self.boot_with("sh", sha256)
    }

    fn boot_with(&self, shell: &str, sha256: &str) -> (Output, Vec<String>) {
        let boot = Boot {
            builds: vec![Build { arch: Arch::X86_64, sha256: sha256.into() }],
            urls: vec!["https://down/agent".into(), "https://[2001:db8::7]/{arch}?a&b".into()],
            ..usual()
        };
        // Where cloud-init runs it from: it deletes itself.
        let path = self.at("cloud/instances/i-7/scripts/part-001");
        fs::write(&path, script(&boot, Duration::from_secs(5_430)).unwrap().0).unwrap();
        let output = Command::new(shell)
            .arg(&path)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.at("bin").display()))
            .env("TMPDIR", self.at("tmp"))
            .env("CLOUD_DIR", self.at("cloud"))
            .env("MIRROR", self.at("mirror"))
            .env("LOG", self.at("log"))
            .output()
            .unwrap();
        let log = fs::read_to_string(self.at("log")).unwrap_or_default();
        // The timer of the TTL runs beside the rest: it has no place in the order.
        let is_timer = |line: &&str| line.starts_with("sleep 5280");
        let lines = log.lines().filter(|line| !is_timer(line)).map(str::to_owned).collect();
        (output, lines)
    }
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn begins_with_its_end(lines: &[String]) {
    assert_eq!(lines.first().map(String::as_str), Some("shutdown -P +90"), "{lines:#?}");
    assert!(
        lines.get(1).is_some_and(|line| line.starts_with("sysctl -qw net.ipv4.ip_local_port_range=")),
        "{lines:#?}"
    );
}

#[test]
fn an_instance_becomes_an_agent_and_powers_off_after_it() {
    // `sh` is dash on one system and bash on another, Amazon's among them.
    for shell in ["sh", "dash", "bash"] {
        if let Err(missing) = Command::new(shell).args(["-c", ":"]).output() {
            eprintln!("SKIPPED: user data was not run by {shell}: {missing}");
            continue;
        }
        let machine = Machine::new(AGENT);
        let (output, lines) = machine.boot_with(shell, &sha256(AGENT));
        begins_with_its_end(&lines);
        let expected = [
            "curl https://down/agent with 0 secrets on the disk",
            "curl https://[2001:db8::7]/x86_64?a&b with 0 secrets on the disk",
            "agent --instance i-7 rhj1_secret",
            "shutdown -P now",
        ];
        assert_eq!(lines[2..], expected, "{shell}: {output:?}");
        assert!(output.status.success(), "{shell}: {output:?}");
    }
}

#[test]
fn an_agent_that_fails_ends_the_instance_too() {
    let agent = "#!/bin/sh\nexit 3\n";
    let machine = Machine::new(agent);
    let (output, lines) = machine.boot(&sha256(agent));
    assert_eq!(lines.last().map(String::as_str), Some("shutdown -P now"), "{lines:#?}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn what_is_not_the_agent_is_never_started() {
    let machine = Machine::new("#!/bin/sh\necho agent of somebody else >> \"$LOG\"\n");
    let (output, lines) = machine.boot(&sha256(AGENT));
    begins_with_its_end(&lines);
    assert!(!lines.iter().any(|line| line.starts_with("agent")), "{lines:#?}");
    let tries = lines.iter().filter(|line| line.starts_with("curl https://[")).count();
    assert_eq!(tries, 4, "a mirror may be repaired: {lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("shutdown -P now"), "{lines:#?}");
    assert!(!output.status.success());
}

#[test]
fn a_machine_of_another_kind_ends() {
    let machine = Machine::new(AGENT);
    machine.program("uname", "echo riscv64\n");
    let (_, lines) = machine.boot(&sha256(AGENT));
    begins_with_its_end(&lines);
    assert_eq!(lines[2..], ["shutdown -P now"]);
}

#[test]
fn a_machine_that_cannot_shut_down_powers_off() {
    let machine = Machine::new(AGENT);
    machine.program("shutdown", "exit 1\n");
    machine.program("sleep", "[ \"$1\" = 90m ]\n"); // that timer fires at once
    let (_, lines) = machine.boot(&sha256(AGENT));
    assert!(lines.iter().any(|line| line == "poweroff -f"), "{lines:#?}");
}

/// The folder is looked at from the stand-in for curl; this makes sure that it saw something to begin with.
#[test]
fn the_stand_ins_find_secrets_where_there_are_some() {
    let machine = Machine::new(AGENT);
    let left = |path: &Path| fs::read_dir(path).unwrap().count();
    assert_eq!(left(&machine.at("cloud/instances/i-7")), 4);
    machine.boot(&sha256(AGENT));
    assert_eq!(left(&machine.at("cloud/instances/i-7")), 0);
}
