//! Tags: the only memory of what was launched. They are given in the same call that makes a thing, so that nothing of
//! ours exists without them, and they are all that [`sweep`](crate::sweep) needs.

use std::collections::BTreeMap;

/// The tag that everything of ours has, and that the [policy](crate::policy) asks for.
pub const APP: (&str, &str) = ("app", "rehearsal");
/// The fleet's name.
pub const FLEET: &str = "rehearsal:fleet";
/// The run for which the fleet was launched, if it was launched for one.
pub const RUN: &str = "rehearsal:run";
/// Who launched it.
pub const OWNER: &str = "rehearsal:owner";
/// When it must be gone, in seconds since the Unix epoch.
pub const EXPIRES: &str = "rehearsal:expires";
/// The round and the number of the lot that it came with, for people who search.
pub const LOT: &str = "rehearsal:lot";

/// What an instance of a fleet is if it is no agent, such as its [`relay`](crate::relay): it is paid and ended with the
/// fleet, and never counted, replaced or ended as one agent more or less.
pub const PART: &str = "rehearsal:part";

/// Amazon's limit on the length of a tag's value, in characters.
pub const LONGEST_VALUE: usize = 256;

/// The tags of one thing, in the order of their keys.
pub type Tags = BTreeMap<String, String>;

/// Makes the tags of something of a fleet.
#[must_use]
pub fn of_fleet(fleet: &str, run: Option<&str>, owner: &str, expires_unix: u64) -> Tags {
    let mut tags = of_anything();
    let mut give = |key: &str, value: String| tags.insert(key.to_owned(), value);
    give(FLEET, fleet.to_owned());
    give(OWNER, owner.to_owned());
    give(EXPIRES, expires_unix.to_string());
    if let Some(run) = run {
        give(RUN, run.to_owned());
    }
    tags
}

/// Makes the tags of what all fleets share: security groups and launch templates.
#[must_use]
pub fn of_anything() -> Tags {
    Tags::from([(APP.0.to_owned(), APP.1.to_owned())])
}

/// Whether an instance with these tags is an agent.
#[must_use]
pub fn is_agent(tags: &Tags) -> bool {
    !tags.contains_key(PART)
}

/// Whether tags can be given: Amazon takes letters, digits, spaces and `+ - = . _ : / @`.
#[must_use]
pub fn is_value(text: &str) -> bool {
    let is_taken = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    text.chars().count() <= LONGEST_VALUE && text.chars().all(is_taken)
}

/// Whether something that must be gone by its tags still exists: it expired, or does not say when it will. Whatever we
/// launch says so; if somebody took the tag away, it is safer to end it than to leave it.
#[must_use]
pub fn is_expired(tags: &Tags, now_unix: u64) -> bool {
    let expires = tags.get(EXPIRES).and_then(|text| text.parse::<u64>().ok());
    expires.is_none_or(|expires| expires <= now_unix)
}

/// Which of our things are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of one fleet.
    Fleet(String),
    /// Those that were launched for one run.
    Run(String),
    /// Those that should be gone at this second since the Unix epoch.
    Expired(u64),
    /// All, and what fleets share as well.
    All,
}

impl Scope {
    /// The tags to ask the cloud for. What is not said in equalities is left to [`Scope::means`].
    #[must_use]
    pub fn filter(&self) -> Tags {
        let mut tags = of_anything();
        match self {
            Scope::Fleet(fleet) => tags.insert(FLEET.to_owned(), fleet.clone()),
            Scope::Run(run) => tags.insert(RUN.to_owned(), run.clone()),
            Scope::Expired(_) | Scope::All => None,
        };
        tags
    }

    /// Whether something with these tags is meant. Never anything that is not ours.
    #[must_use]
    pub fn means(&self, tags: &Tags) -> bool {
        let has = |(key, value): (&String, &String)| tags.get(key) == Some(value);
        let is_in_time = match self {
            Scope::Expired(now_unix) => is_expired(tags, *now_unix),
            Scope::Fleet(_) | Scope::Run(_) | Scope::All => true,
        };
        self.filter().iter().all(has) && is_in_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_means_what_is_ours_and_its_own() {
        let ours = of_fleet("friday", Some("run-7"), "ann", 1_000);
        let foreign = Tags::from([("app".to_owned(), "shop".to_owned())]);
        let mut timeless = ours.clone();
        timeless.remove(EXPIRES);
        let check = |scope: Scope, tags: &Tags, expected: bool, why: &str| {
            assert_eq!(scope.means(tags), expected, "{why}: {scope:?} {tags:?}");
        };
        check(Scope::All, &ours, true, "all means ours");
        check(Scope::All, &foreign, false, "and nobody else's");
        check(Scope::All, &Tags::new(), false, "nor what has no tags");
        check(Scope::Expired(2_000), &foreign, false, "even if it says nothing of its end");
        check(Scope::Fleet("friday".into()), &ours, true, "by name");
        check(Scope::Fleet("fri".into()), &ours, false, "not by half a name");
        check(Scope::Run("run-7".into()), &ours, true, "by run");
        check(Scope::Run("run-8".into()), &ours, false, "not by another run");
        check(Scope::Expired(999), &ours, false, "it has a second left");
        check(Scope::Expired(1_000), &ours, true, "it is over");
        check(Scope::Expired(0), &timeless, true, "nobody knows when it would end");
    }

    #[test]
    fn tags_take_names_and_no_commands() {
        assert!(is_value("friday-night/2 ü+x=y.z_1:@"));
        assert!(!is_value("a\nb") && !is_value("a&b") && !is_value(&"x".repeat(257)));
    }
}
