//! Where instances get the agent's binary: from this coordinator, which reads it from files, or from elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rehearsal_ec2::machines::Arch;
use rehearsal_ec2::user_data::{Boot, Build};
use rehearsal_fleet::deploy::{self, AgentBinary, Glibc, Linkage, Mirror, Pinned};
use rehearsal_plan::Ec2;
use tokio::net::TcpListener;

use crate::run::authority::SharedAuthority;
use crate::serve::log;

/// Names of the agent's binary beside that of the coordinator.
const BESIDE: [&str; 3] = ["agent", "agent-x86_64", "agent-aarch64"];

/// The C library of Amazon Linux 2023.
const AMAZON_LINUX: Glibc = Glibc { major: 2, minor: 34 };
/// In the place of a checksum where nothing is launched.
const NO_SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The agent's builds, and where they are.
pub(super) enum Deploy {
    /// Files of this machine.
    Here(Vec<AgentBinary>),
    /// An address that somebody else serves.
    There(Pinned),
    /// Nobody is to be launched any more.
    Nowhere,
}

impl Deploy {
    /// Finds the builds that somebody named, or those beside this program.
    pub(super) fn read(ec2: &Ec2) -> anyhow::Result<Deploy> {
        if let Some(address) = &ec2.agent_url {
            if !ec2.agent.is_empty() {
                bail!("choosing the agent's binary: give files or an address, not both");
            }
            return Ok(Deploy::There(address.parse()?));
        }
        let named: Vec<PathBuf> = ec2.agent.iter().map(PathBuf::from).collect();
        let files = if named.is_empty() { beside_this_program()? } else { named };
        let mut binaries: Vec<AgentBinary> = Vec::new();
        for file in &files {
            let binary = AgentBinary::read(file)?;
            check_linkage(file, &binary)?;
            if binaries.iter().any(|other| other.arch() == binary.arch()) {
                bail!("choosing the agent's binary: {} is another one for {}", file.display(), binary.arch());
            }
            binaries.push(binary);
        }
        Ok(Deploy::Here(binaries))
    }

    /// For which processors there is an agent, with its checksum.
    pub(super) fn builds(&self) -> Vec<Build> {
        let build = |arch: deploy::Arch, sha256: &str| {
            let arch = match arch {
                deploy::Arch::X86_64 => Arch::X86_64,
                deploy::Arch::Aarch64 => Arch::Aarch64,
            };
            Build { arch, sha256: sha256.to_owned() }
        };
        match self {
            Deploy::Here(binaries) => {
                binaries.iter().map(|binary| build(binary.arch(), binary.sha256().as_str())).collect()
            }
            Deploy::There(pinned) => pinned.builds.iter().map(|(arch, sum)| build(*arch, sum.as_str())).collect(),
            // What runs may run on any, and what is only asked about, too.
            Deploy::Nowhere => deploy::Arch::ALL.into_iter().map(|arch| build(arch, NO_SUM)).collect(),
        }
    }

    /// What an instance needs to become an agent; `mirror` is the address of the coordinator's own server.
    pub(super) fn boot(&self, join: String, mirror: Option<&str>) -> Boot {
        let urls = match self {
            Deploy::There(pinned) => vec![pinned.url.clone()],
            Deploy::Here(_) | Deploy::Nowhere => {
                mirror.iter().map(|address| format!("{address}{}", deploy::PATH)).collect()
            }
        };
        Boot { join, builds: self.builds(), urls }
    }

    /// Serves the files at an address, if they are here, and tells by which address agents reach them at `host`.
    pub(super) async fn serve(
        &self,
        at: SocketAddr,
        host: &str,
        authority: &SharedAuthority,
    ) -> anyhow::Result<Option<(Mirror, String)>> {
        let Deploy::Here(binaries) = self else { return Ok(None) };
        let listener = TcpListener::bind(at).await.with_context(|| format!("serving the agent's binary at {at}"))?;
        // Who downloads checks what came, and not by whom: any name will do.
        let certificate = authority.server_certificate(&[Ipv4Addr::LOCALHOST.to_string()])?;
        let mirror = Mirror::start(listener, binaries.clone(), &certificate).await?;
        let address = format!("https://{host}:{}", mirror.address().port());
        Ok(Some((mirror, address)))
    }
}

fn beside_this_program() -> anyhow::Result<Vec<PathBuf>> {
    let program = std::env::current_exe().context("finding this program")?;
    let folder = program.parent().unwrap_or(Path::new("."));
    // `cargo xtask agent` leaves those that need nothing of their instance in folders of their own.
    let built = |arch: &deploy::Arch| {
        let triple = format!("{}-unknown-linux-gnu", arch.name());
        Some(folder.parent()?.join(triple).join(folder.file_name()?).join("agent"))
    };
    let of_xtask: Vec<PathBuf> = deploy::Arch::ALL.iter().filter_map(built).filter(|path| path.is_file()).collect();
    if !of_xtask.is_empty() {
        return Ok(of_xtask);
    }
    let found: Vec<PathBuf> = BESIDE.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
    if found.is_empty() {
        bail!(
            "finding the agent's binary: there is none in {}; build one with `cargo xtask agent` and name it with --agent, \
             or give an address with --agent-url",
            folder.display()
        );
    }
    Ok(found)
}

/// A binary that needs libraries needs them on every instance.
fn check_linkage(file: &Path, binary: &AgentBinary) -> anyhow::Result<()> {
    let Linkage::Dynamic { glibc, .. } = binary.linkage() else { return Ok(()) };
    let needs = glibc.map_or("another C library than glibc".to_owned(), |glibc| glibc.to_string());
    let told =
        format!("{} needs {needs} on its instance: `cargo xtask agent` builds one that needs nothing", file.display());
    // Asking for more than the image has would start instances that never join.
    if glibc.is_none_or(|glibc| glibc > AMAZON_LINUX) && !is_faked() {
        bail!("choosing the agent's binary: {told}");
    }
    log(&format!("warning: {told}"));
    Ok(())
}

/// Whether the cloud is another than Amazon's, whose instances are somebody else's machines.
fn is_faked() -> bool {
    ["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL"].iter().any(|name| std::env::var_os(name).is_some())
}
