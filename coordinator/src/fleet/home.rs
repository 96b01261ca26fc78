//! Where a fleet is kept: the folder with its authority, its join blob and what was ordered. The folder of a run, for a
//! fleet that was launched for it; one of the folder of fleets, for a fleet that serves several.
//!
//! It serves whoever plays with the fleet. Nobody needs it to end the fleet: that goes by tags.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::advertise::Advertised;
use super::wanted::Wanted;
use crate::run::authority::now_unix;
use crate::run::folder::replace;

/// The name of the file that tells of the fleet.
const RECORD: &str = "fleet.json";

/// What is known of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its name, which is in the tags of all that belongs to it.
    pub(crate) name: String,
    /// The run that it was launched for, if it was for one.
    pub(crate) run: Option<String>,
    /// What was ordered.
    pub(crate) wanted: Wanted,
    /// By which host agents reach the coordinator.
    pub(crate) advertised: Advertised,
    /// Where they join, and where they dial.
    pub(crate) listeners: [SocketAddr; 2],
    /// When the last instance has ended by itself, in seconds since the Unix epoch.
    pub(crate) expires_unix: u64,
    /// What it has cost, and until when that was reckoned.
    pub(crate) spent: Option<SpentUntil>,
}

/// How far a fleet's costs have been reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpentUntil {
    /// In US dollars.
    pub(crate) usd: f64,
    /// Until then, in seconds since the Unix epoch.
    pub(crate) until_unix: u64,
}

impl SpentUntil {
    /// As the machine's clock says it.
    pub(crate) fn until(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.until_unix)
    }
}

/// The folder of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder of a run, as that of the fleet that was launched for it.
    pub(crate) fn of_run(folder: &Path) -> Home {
        Home(folder.to_owned())
    }

    /// Makes the folder of a fleet for several runs.
    pub(crate) fn create(fleets: &Path, name: &str) -> anyhow::Result<Home> {
        let path = fleets.join(name);
        let home = Home(path.clone());
        // One whose time is over is nobody's.
        let is_over = home.record().is_ok_and(|record| record.expires_unix <= now_unix());
        if path.join(RECORD).exists() && !is_over {
            bail!(
                "launching the fleet {name}: {} is there already; end that one with `coordinator fleet down {name}`, or choose another --name",
                path.display()
            );
        }
        if is_over {
            home.remove()?;
        }
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("making the fleet's folder {}", path.display()))?;
        Ok(home)
    }

    /// The folder of a fleet by its name, whatever is in it.
    pub(crate) fn named(fleets: &Path, name: &str) -> Option<Home> {
        let home = Home(fleets.join(name));
        home.0.is_dir().then_some(home)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What is known of the fleet.
    pub(crate) fn record(&self) -> anyhow::Result<Record> {
        let path = self.0.join(RECORD);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading what is known of the fleet in {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))
    }

    /// Writes that down.
    pub(crate) fn keep(&self, record: &Record) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(record).context("writing the fleet's record as JSON")?;
        replace(&self.0.join(RECORD), text.as_bytes(), 0o600)
    }

    /// Forgets the fleet, which has ended.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("removing the fleet's folder {}", self.0.display()))
    }
}

/// All fleets of a folder, by name, but those whose time is over.
fn all(fleets: &Path) -> Vec<(Home, Record)> {
    let entries = fs::read_dir(fleets).into_iter().flatten().flatten().map(|entry| Home(entry.path()));
    let mut all: Vec<(Home, Record)> = entries.filter_map(|home| Some((home.clone(), home.record().ok()?))).collect();
    all.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    all
}

/// Finds a fleet for a run: the one of a name, or the only one that is up.
pub(crate) fn find(fleets: &Path, name: Option<&str>) -> anyhow::Result<(Home, Record)> {
    let mut up: Vec<(Home, Record)> =
        all(fleets).into_iter().filter(|(_, record)| record.expires_unix > now_unix()).collect();
    let names = |up: &[(Home, Record)]| up.iter().map(|(_, record)| record.name.clone()).collect::<Vec<_>>().join(", ");
    let how = "`coordinator fleet up` launches one; --agents join:N waits for N agents that people start";
    match name {
        Some(name) => match up.iter().position(|(_, record)| record.name == name) {
            Some(place) => Ok(up.swap_remove(place)),
            None if up.is_empty() => bail!("finding the fleet {name}: none is up in {}: {how}", fleets.display()),
            None => bail!("finding the fleet {name}: it is not up; there are {}", names(&up)),
        },
        None if up.is_empty() => bail!("finding a fleet: none is up in {}: {how}", fleets.display()),
        None if up.len() > 1 => bail!("choosing a fleet: name one with --fleet: {}", names(&up)),
        None => Ok(up.swap_remove(0)),
    }
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::Ec2;

    use super::*;

    fn record(name: &str, expires_unix: u64) -> Record {
        let address = "127.0.0.1:7701".parse().unwrap();
        Record {
            name: name.to_owned(),
            run: None,
            wanted: Wanted { agents: 3, lasts: Duration::from_secs(60), is_relayed: false, ec2: Ec2::default() },
            advertised: "load.example.com:7701".parse().unwrap(),
            listeners: [address; 2],
            expires_unix,
            spent: Some(SpentUntil { usd: 0.25, until_unix: 7 }),
        }
    }

    #[test]
    fn the_only_fleet_that_is_up_is_meant_or_the_one_that_is_named() {
        let fleets = tempfile::tempdir().unwrap();
        let error = |name: Option<&str>| find(fleets.path(), name).unwrap_err().to_string();
        assert!(error(None).contains("`coordinator fleet up` launches one"));
        Home::create(fleets.path(), "friday").unwrap().keep(&record("friday", u64::MAX)).unwrap();
        Home::create(fleets.path(), "monday").unwrap().keep(&record("monday", 1)).unwrap();
        assert_eq!(find(fleets.path(), None).unwrap().1, record("friday", u64::MAX), "the other is over");
        assert!(error(Some("monday")).contains("it is not up; there are friday"));
        let sunday = Home::create(fleets.path(), "sunday").unwrap();
        sunday.keep(&record("sunday", u64::MAX)).unwrap();
        assert!(error(None).contains("--fleet: friday, sunday"));
        assert_eq!(find(fleets.path(), Some("sunday")).unwrap().1.name, "sunday");
        assert!(Home::create(fleets.path(), "sunday").is_err(), "it is there");
        sunday.remove().unwrap();
        assert_eq!(find(fleets.path(), None).unwrap().1.name, "friday");
    }
}
