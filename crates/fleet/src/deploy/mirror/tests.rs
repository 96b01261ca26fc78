//! The mirror as instances meet it, with the very commands of user data, and as those meet it who would hold it up.

use std::{fs, future::Future, path::Path, process::Output, time::SystemTime};

use futures_util::future::join_all;
use rehearsal_proto::tls::SERVER_NAME;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::{interval, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    Authority,
    deploy::{Sha256, elf::sample::Sample},
};

/// Longer than anything here takes on a machine that does much else.
const BOUND: Duration = Duration::from_secs(60);
/// How soon those are cut off who are to be cut off.
const SOON: Duration = Duration::from_millis(300);
/// Nobody is cut off, whatever else the machine does.
const PATIENT: Limits =
    Limits { handshake: BOUND, head: BOUND, line: BOUND, piece: BOUND, visit: BOUND, ..Limits::USUAL };
const REQUEST: &[u8] = b"GET /agent/x86_64 HTTP/1.1\r\nhost: x\r\n\r\n";
/// More than the buffers of both ends of a connection take.
const HUGE: usize = 8 << 20;

/// A mirror with its authority, and room for what is downloaded from it.
struct Rig {
    mirror: Mirror,
    authority: Authority,
    folder: TempDir,
}

impl Rig {
    async fn new(limits: Limits, binaries: Vec<AgentBinary>) -> Rig {
        let (authority, certificate) = authority();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mirror = Mirror::start_with(listener, binaries, &certificate, limits).await.unwrap();
        Rig { mirror, authority, folder: tempfile::tempdir().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.mirror.address())
    }

    /// Runs a line of shell in the folder, in which `$u` is the address of the build for x86_64.
    async fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("u", self.url("/agent/x86_64")).current_dir(self.folder.path());
        let output = timeout(BOUND, command.kill_on_drop(true).output()).await.expect("curl ends within the bound");
        let output = output.unwrap();
        assert_ne!(output.status.code(), Some(127), "instances download with curl; these tests need it, too");
        output
    }

    /// What curl says to `-w`.
    async fn ask(&self, what: &str, arguments: &str) -> String {
        let line = format!("curl -sk -o /dev/null -w '{what}' {arguments}");
        String::from_utf8(self.shell(&line).await.stdout).unwrap()
    }

    async fn connect(&self) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // So that what is not read soon fills it up.
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        socket.connect(self.mirror.address()).await.unwrap()
    }

    /// A client that trusts the fleet's authority alone.
    async fn shake_hands(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.certificate().to_vec())).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(SERVER_NAME.try_into().unwrap(), self.connect().await).await.unwrap()
    }

    /// A client that has its turn, has read the beginning of its answer, and reads no more.
    async fn hold_a_turn(&self) -> TlsStream<TcpStream> {
        let mut stream = self.shake_hands().await;
        stream.write_all(REQUEST).await.unwrap();
        let mut beginning = [0; 15];
        timeout(BOUND, stream.read_exact(&mut beginning)).await.unwrap().unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 200 OK");
        stream
    }
}

fn authority() -> (Authority, ServerCertificate) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let authority = Authority::create("test", now).unwrap();
    let certificate = authority.server_certificate(&[SERVER_NAME.to_owned()], now).unwrap();
    (authority, certificate)
}

fn binary(sample: &Sample) -> AgentBinary {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent");
    fs::write(&path, sample.file()).unwrap();
    AgentBinary::read(&path).unwrap()
}

/// A build that gzip makes much smaller.
fn usual() -> AgentBinary {
    binary(&Sample { code: b"an instruction, ".repeat(20_000), ..Sample::default() })
}

/// A build that gzip does not make smaller: xorshift, whose bytes look like chance.
fn huge() -> AgentBinary {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    binary(&Sample { code: words.take(HUGE / 8).flatten().collect(), ..Sample::default() })
}

fn sum_of(path: &Path) -> Sha256 {
    Sha256::of(&fs::read(path).unwrap())
}

/// Waits for a condition, within the bound.
async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let waiting = async {
        while !is().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, waiting).await.expect(what);
}

async fn until_told(mirror: &Mirror, what: &str, is: impl Fn(Served) -> bool) {
    until(what, async || is(mirror.told())).await;
}

#[tokio::test]
async fn user_data_gets_what_it_expects() {
    let aarch64 = binary(&Sample { machine: 183, code: vec![7; 5_000], ..Sample::default() });
    let builds = [usual(), aarch64];
    let rig = Rig::new(PATIENT, builds.to_vec()).await;
    for build in &builds {
        let (url, h) = (rig.url(&PATH.replace("{arch}", build.arch().name())), build.sha256());
        let line = format!(
            r#"curl -fgskLm300 --compressed -o agent "{url}" && echo "{h}  agent" | sha256sum -c && echo checked"#
        );
        let output = rig.shell(&line).await;
        assert!(output.stdout.ends_with(b"checked\n"), "{output:?}");
    }
    until_told(&rig.mirror, "both are counted", |served| served.downloads == 2).await;
    let plain: usize = builds.iter().map(AgentBinary::size).sum();
    let served = rig.mirror.told();
    assert!(served.bytes > 0 && served.bytes < plain as u64 / 10, "{served:?}: they were sent compressed");
    assert_eq!((served.cut, served.turned_away), (0, 0));
}

#[tokio::test]
async fn clients_without_gzip_get_the_file_itself() {
    let build = usual();
    let rig = Rig::new(PATIENT, vec![build.clone()]).await;
    let told = rig.ask("%{http_code} %{size_download}", "-H 'accept-encoding: gzip;q=0' $u").await;
    assert_eq!(told, format!("200 {}", build.size()));
    let output = rig.shell("curl -fsk -o agent $u").await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sum_of(&rig.folder.path().join("agent")), *build.sha256());
}

#[tokio::test]
async fn only_builds_that_are_there_are_served_and_only_to_be_read() {
    let build = usual();
    let rig = Rig::new(PATIENT, vec![build.clone()]).await;
    for path in ["/agent/aarch64", "/agent/", "/agent", "/", "/agent/x86_64/", "/agent/../agent/X86_64", "/metrics"] {
        assert_eq!(rig.ask("%{http_code}", &format!("--path-as-is {}", rig.url(path))).await, "404", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(
            rig.ask("%{http_code} %header{allow}", &format!("-X {method} $u")).await,
            "405 GET, HEAD",
            "{method}"
        );
    }
    assert_ne!(rig.ask("%{http_code}", "-T - $u </dev/zero").await, "200", "an endless body is not read");
    let head = "%{http_code} %header{content-length} %header{content-encoding} %{size_download}";
    assert_eq!(rig.ask(head, "-I $u").await, format!("200 {}  0", build.size()));
    assert!(rig.ask(head, "-I --compressed $u").await.ends_with(" gzip 0"));
    assert_eq!(rig.mirror.told().downloads, 0, "nothing of this is a download");
    let long = format!("-H \"x: $(printf %0{}d 0)\" $u", 4 * 16 * 1024);
    assert_ne!(rig.ask("%{http_code}", &long).await, "200", "a head is bounded");
}

#[tokio::test]
async fn a_hundred_instances_at_once_all_get_it() {
    let build = usual();
    let rig = Rig::new(Limits { downloads: 8, ..PATIENT }, vec![build.clone()]).await;
    let lines: Vec<String> = (0..100).map(|n| format!("curl -fgskLm300 --compressed -o agent{n} $u")).collect();
    let outputs = join_all(lines.iter().map(|line| rig.shell(line))).await;
    for (n, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "{output:?}");
        assert_eq!(sum_of(&rig.folder.path().join(format!("agent{n}"))), *build.sha256());
    }
    until_told(&rig.mirror, "all are counted", |served| served.downloads == 100).await;
    assert_eq!((rig.mirror.told().cut, rig.mirror.told().turned_away), (0, 0));
}

#[tokio::test]
async fn who_does_not_get_a_turn_is_told_to_come_again() {
    let rig = Rig::new(Limits { downloads: 1, line: SOON, ..PATIENT }, vec![huge()]).await;
    let holder = rig.hold_a_turn().await;
    assert_eq!(rig.ask("%{http_code} %header{retry-after}", "$u").await, "503 10");
    assert_eq!(rig.ask("%{http_code}", "-I $u").await, "200", "to look takes no turn");
    assert_eq!(rig.mirror.told().turned_away, 1);
    drop(holder);
    until("the turn of who has left is free", async || rig.ask("%{http_code}", "$u").await == "200").await;
    assert_eq!(rig.mirror.told().cut, 0, "who leaves was not cut off");
}

#[tokio::test]
async fn who_is_silent_is_cut_off() {
    let rig = Rig::new(Limits { handshake: SOON, ..PATIENT }, vec![usual()]).await;
    let mut stream = rig.connect().await;
    let _ = timeout(BOUND, stream.read(&mut [0])).await.expect("the connection is ended");
    until_told(&rig.mirror, "silence before the handshake", |served| served.cut == 1).await;

    let rig = Rig::new(Limits { head: SOON, ..PATIENT }, vec![usual()]).await;
    let mut stream = rig.shake_hands().await;
    let _ = timeout(BOUND, stream.read(&mut [0])).await.expect("the connection is ended");
    until_told(&rig.mirror, "silence before the request", |served| served.cut == 1).await;
}

/// It is never silent for long, and would never come to an end.
#[tokio::test]
async fn who_sends_a_request_letter_by_letter_is_cut_off() {
    let rig = Rig::new(Limits { head: SOON, ..PATIENT }, vec![usual()]).await;
    let mut stream = rig.shake_hands().await;
    let mut letters = interval(SOON / 10);
    let sending = async {
        let _ = stream.write_all(b"GET /agent/x86_64 HTTP/1.1\r\nx: ").await;
        while stream.write_all(b"x").await.and(stream.flush().await).is_ok() {
            letters.tick().await;
        }
    };
    timeout(BOUND, sending).await.expect("nobody listens any more");
    until_told(&rig.mirror, "it was cut off", |served| served.cut == 1).await;
}

#[tokio::test]
async fn who_reads_a_byte_a_second_is_cut_off_and_its_turn_is_free() {
    let build = huge();
    let rig = Rig::new(Limits { downloads: 1, piece: SOON, ..PATIENT }, vec![build.clone()]).await;
    let mut slow = rig.shake_hands().await;
    slow.write_all(REQUEST).await.unwrap();
    let mut seconds = interval(Duration::from_secs(1));
    let reading = async {
        loop {
            seconds.tick().await;
            // Below TLS, which would read a whole record.
            if matches!(slow.get_mut().0.read(&mut [0]).await, Ok(0) | Err(_)) {
                break;
            }
        }
    };
    tokio::select! {
        // It reads on for as long as there is something in its own buffer.
        () = reading => {}
        () = until_told(&rig.mirror, "it was cut off", |served| served.cut == 1) => {}
    }
    let line = "curl -fgskLm300 --compressed -o agent $u";
    until("others get it now", async || rig.shell(line).await.status.success()).await;
    assert_eq!(sum_of(&rig.folder.path().join("agent")), *build.sha256());
    let Served { cut, bytes, .. } = rig.mirror.told();
    assert!(cut >= 1 && bytes > 0, "{cut} were cut off, {bytes} bytes");
}

#[tokio::test]
async fn nobody_stays_longer_than_a_visit() {
    let rig = Rig::new(Limits { visit: SOON, ..PATIENT }, vec![huge()]).await;
    let mut stream = rig.shake_hands().await;
    // On a busy machine the time may be over by now.
    let _ = stream.write_all(REQUEST).await;
    until_told(&rig.mirror, "it was cut off", |served| served.cut == 1).await;
    assert_eq!(rig.mirror.told().downloads, 0);
}

#[tokio::test]
async fn when_it_is_full_others_wait_outside() {
    let rig = Rig::new(Limits { connections: 1, handshake: SOON, ..PATIENT }, vec![usual()]).await;
    let _silent = rig.connect().await;
    until("once the silent one was cut off", async || rig.ask("%{http_code}", "$u").await == "200").await;
    assert!(rig.mirror.told().cut >= 1);
}

#[tokio::test]
async fn it_ends_with_everything_in_it() {
    let rig = Rig::new(PATIENT, vec![huge()]).await;
    let (address, mut holder) = (rig.mirror.address(), rig.hold_a_turn().await);
    rig.mirror.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens once it has stopped");
    let reading = async { while holder.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {} };
    timeout(BOUND, reading).await.expect("downloads end, too");

    let rig = Rig::new(PATIENT, vec![usual()]).await;
    let address = rig.mirror.address();
    drop(rig);
    until("a dropped one ends, too", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn what_cannot_be_served_is_told_at_the_start() {
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, certificate) = authority();
    let twice = Mirror::start(listen().await, vec![usual(), usual()], &certificate).await;
    assert!(matches!(twice, Err(MirrorError::Twice(Arch::X86_64))), "{twice:?}");
    let empty = ServerCertificate { chain: vec![], key: certificate.key };
    let bare = Mirror::start(listen().await, vec![usual()], &empty).await;
    assert!(matches!(bare, Err(MirrorError::Certificate(_))), "{bare:?}");
    let keyless = ServerCertificate { chain: certificate.chain, key: vec![1, 2, 3] };
    let broken = Mirror::start(listen().await, vec![usual()], &keyless).await;
    assert!(matches!(broken, Err(MirrorError::Certificate(_))), "{broken:?}");
}
