//! What can be typed about fleets, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use rehearsal_plan::{Ec2, Launch, duration};

use super::advertise::Advertised;
use crate::cli::Surroundings;

/// The commands of `coordinator fleet`.
#[derive(Debug, Subcommand)]
pub enum Fleet {
    /// Find out beforehand what would keep a fleet from being launched
    Doctor(Doctor),
    /// Launch a fleet that several runs may use, and wait until its agents have joined
    Up(Up),
    /// List the instances of all fleets in all regions
    List(List),
    /// End a fleet
    Down(Down),
    /// Find and end everything of ours in all regions, by its tags alone
    Sweep(Sweep),
}

/// How a fleet of EC2 instances is to be; what is not said is as the environment says in [agents.ec2].
#[derive(Clone, Debug, Default, Args)]
pub struct Instances {
    /// Regions to launch in [default: all that the account has enabled]
    #[arg(help_heading = "EC2", long, value_name = "REGION,…", value_delimiter = ',')]
    pub regions: Option<Vec<String>>,
    /// Virtual CPUs of each agent: 2, 4, 8 or 16 [default: 2]; with join:N, how many cores agents elsewhere have
    #[arg(help_heading = "EC2", long, value_name = "N")]
    pub vcpus: Option<u32>,
    /// With fewer agents give the launch up [default: 90 % of them]
    #[arg(help_heading = "EC2", long, value_name = "N")]
    pub min_agents: Option<u32>,
    /// Agents beside the others that take over when one goes [default: 0]
    #[arg(help_heading = "EC2", long, value_name = "N")]
    pub spares: Option<u32>,
    /// How many of a hundred agents Amazon may not take back, at several times the price [default: 0]
    #[arg(help_heading = "EC2", long, value_name = "PERCENT")]
    pub on_demand: Option<u32>,
    /// What an instance may cost at most, in US dollars per hour
    #[arg(help_heading = "EC2", long, value_name = "USD")]
    pub max_price: Option<f64>,
    /// What the fleet may cost at most: it ends before that is passed
    #[arg(help_heading = "EC2", long, value_name = "USD")]
    pub budget: Option<f64>,
    /// How long after its boot an instance ends itself, whatever else happens [default: 30 min longer than needed]
    #[arg(help_heading = "EC2", long, value_name = "DURATION", value_parser = duration::parse)]
    pub ttl: Option<Duration>,
    /// A subnet to use in a region instead of those of its default network; may be said again
    #[arg(help_heading = "EC2", long, value_name = "REGION=SUBNET", value_parser = subnet)]
    pub subnet: Vec<(String, String)>,
    /// The agent's binary for the instances; once for each kind of processor [default: `agent` beside this program]
    #[arg(help_heading = "EC2", long = "agent", value_name = "FILE")]
    pub agent_file: Vec<String>,
    /// Where instances download the agent instead, with its SHA-256: https://…/agent-{arch}#x86_64=SHA-256,aarch64=…
    #[arg(help_heading = "EC2", long, value_name = "URL")]
    pub agent_url: Option<String>,
    /// The profile of Amazon's configuration files whose account pays
    #[arg(help_heading = "EC2", long, value_name = "NAME")]
    pub profile: Option<String>,
}

impl Instances {
    /// The same as an environment says it.
    pub(crate) fn said(&self) -> Ec2 {
        let mut said = Ec2 {
            regions: self.regions.clone(),
            vcpus: self.vcpus,
            min: self.min_agents,
            spares: self.spares,
            on_demand: self.on_demand,
            max_price: self.max_price,
            budget: self.budget,
            ttl: self.ttl,
            agent: self.agent_file.clone(),
            agent_url: self.agent_url.clone(),
            profile: self.profile.clone(),
            ..Ec2::default()
        };
        for (region, subnet) in &self.subnet {
            said.subnets.entry(region.clone()).or_default().push(subnet.clone());
        }
        said
    }
}

impl Instances {
    /// Those that were given and say nothing about agents that nobody launches at Amazon.
    pub(crate) fn idle(&self, launch: Launch, is_standing: bool) -> Vec<&'static str> {
        let given = [
            ("--regions", self.regions.is_some()),
            ("--vcpus", self.vcpus.is_some()),
            ("--min-agents", self.min_agents.is_some()),
            ("--spares", self.spares.is_some()),
            ("--on-demand", self.on_demand.is_some()),
            ("--max-price", self.max_price.is_some()),
            ("--budget", self.budget.is_some()),
            ("--ttl", self.ttl.is_some()),
            ("--subnet", !self.subnet.is_empty()),
            ("--agent", !self.agent_file.is_empty()),
            ("--agent-url", self.agent_url.is_some()),
            ("--profile", self.profile.is_some()),
        ];
        let of_use: &[&str] = match launch {
            Launch::Ec2 => return Vec::new(),
            Launch::Local => &[],
            Launch::Join if is_standing => &["--min-agents"],
            Launch::Join => &["--vcpus"],
        };
        given.into_iter().filter(|(name, is_given)| *is_given && !of_use.contains(name)).map(|(name, _)| name).collect()
    }
}

/// A name that can be that of a folder, and of nothing outside it.
pub(crate) fn fleet_name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=64).contains(&text.len()) && !text.starts_with(['.', '-']) && text.bytes().all(is_plain);
    let wrong =
        "expected up to 64 letters, digits, `-`, `_` and `.`, and none of the last three but `_` at the beginning";
    is_name.then(|| text.to_owned()).ok_or_else(|| wrong.to_owned())
}

fn subnet(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((region, subnet)) if !region.is_empty() && subnet.starts_with("subnet-") => {
            Ok((region.to_owned(), subnet.to_owned()))
        }
        _ => Err("expected REGION=SUBNET, such as eu-west-1=subnet-0123456789abcdef0".to_owned()),
    }
}

/// A fleet for a scenario, or one that is described by options alone.
#[derive(Clone, Debug, Args)]
pub struct Ordered {
    /// A scenario: its environment says how many agents it wants, and of what kind
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<PathBuf>,
    #[command(flatten)]
    pub surroundings: Surroundings,
    /// How many agents play [default: as the environment says]
    #[arg(long, value_name = "N")]
    pub agents: Option<u32>,
    /// How long they are needed
    #[arg(long = "for", value_name = "DURATION", default_value = "4h", value_parser = duration::parse)]
    pub lasts: Duration,
    #[command(flatten)]
    pub instances: Instances,
}

/// Where a coordinator is reached that nobody can dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Coordinator {
    /// At an instance of EC2.
    Ec2,
}

/// Where fleets are kept that several runs use.
#[derive(Clone, Debug, Args)]
pub struct Fleets {
    /// Where fleets are kept that several runs use
    #[arg(long, value_name = "DIR", default_value = "fleets")]
    pub fleets: PathBuf,
}

/// Options of `fleet up`.
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub ordered: Ordered,
    /// The fleet's name [default: fleet- and the time]
    #[arg(long, value_name = "NAME", value_parser = fleet_name)]
    pub name: Option<String>,
    /// The host by which agents reach this coordinator now and during the runs, and the first of three ports
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "coordinator")]
    pub advertise: Option<Advertised>,
    /// Where agents reach this coordinator if nobody can dial it: `ec2` launches a small instance that relays
    #[arg(long, value_name = "ec2", conflicts_with = "advertise")]
    pub coordinator: Option<Coordinator>,
    #[command(flatten)]
    pub fleets: Fleets,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Options of `fleet doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub ordered: Ordered,
    /// The host by which agents are to reach this coordinator: find out whether they will
    #[arg(long, value_name = "HOST[:PORT]")]
    pub advertise: Option<Advertised>,
    /// Launch one instance that tries to join, and end it: the only certain answer, for about a cent
    #[arg(long, requires = "advertise")]
    pub probe: bool,
    /// Print the policy of least privilege, and nothing else
    #[arg(long)]
    pub policy: bool,
    /// Do not ask before an instance is launched
    #[arg(long)]
    pub yes: bool,
}

/// Options of `fleet list`.
#[derive(Debug, Args)]
pub struct List {
    /// The profile of Amazon's configuration files whose account is meant
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `fleet down`.
#[derive(Debug, Args)]
pub struct Down {
    /// The fleet's name; that of a fleet that was launched for a run is the run's id
    #[arg(value_name = "FLEET", value_parser = fleet_name)]
    pub name: String,
    #[command(flatten)]
    pub fleets: Fleets,
    /// The profile of Amazon's configuration files whose account is meant
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// Options of `fleet sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Only what should have ended by now
    #[arg(long)]
    pub expired: bool,
    /// The profile of Amazon's configuration files whose account is meant
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_instances_is_idle_where_none_are_launched() {
        let given = Instances { vcpus: Some(4), min_agents: Some(2), budget: Some(5.0), ..Instances::default() };
        let idle = |launch, is_standing| given.idle(launch, is_standing);
        assert_eq!(idle(Launch::Ec2, false), [""; 0]);
        assert_eq!(idle(Launch::Local, false), ["--vcpus", "--min-agents", "--budget"]);
        assert_eq!(idle(Launch::Join, false), ["--min-agents", "--budget"], "agents elsewhere have cores");
        assert_eq!(idle(Launch::Join, true), ["--vcpus", "--budget"], "of a fleet that stands some may be gone");
    }
}
