//! From an environment to the sources that are read, with everything that is wrong with them.

use std::collections::BTreeMap;

use rehearsal_observe::{Context, Secret, Source};
use rehearsal_plan::{Environment, Problem};

use crate::observers::registry;

/// Makes the sources of an environment whose system under test is administered at `admin`. Nothing is connected to yet.
///
/// # Errors
/// All mistakes in the environment's `autoscaler`, and secrets whose variables are not set.
pub(crate) fn sources(environment: &Environment, admin: &str) -> Result<Vec<Source>, Vec<Problem>> {
    let Some(autoscaler) = &environment.autoscaler else { return Ok(Vec::new()) };
    let (secrets, mut problems) = secrets(&environment.secrets);
    let context = Context { secrets, admin: Some(admin.to_owned()) };
    match registry().sources(autoscaler, &context) {
        Ok(sources) if problems.is_empty() => Ok(sources),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// Reads secrets from the process's variables; one that is not there stands in as an empty text.
fn secrets(named: &BTreeMap<String, String>) -> (BTreeMap<String, Secret>, Vec<Problem>) {
    let mut problems = Vec::new();
    let read = |(name, variable): (&String, &String)| {
        let value = std::env::var(variable).unwrap_or_else(|_| {
            let problem = Problem::new(format!("the secret `{name}` is in the variable {variable}, which is not set"));
            problems.push(problem.hint(format!("start with {variable}=… in the process's environment")));
            String::new()
        });
        (name.clone(), Secret::new(value))
    };
    (named.iter().map(read).collect(), problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(toml: &str) -> Environment {
        let layer = rehearsal_plan::Layer { name: "test".into(), toml: toml.into() };
        Environment::from_layers(&[layer], &BTreeMap::new(), &[]).unwrap()
    }

    #[test]
    fn without_observers_there_are_no_sources() {
        assert_eq!(sources(&environment("users = 1"), "http://127.0.0.1/admin").unwrap().len(), 0);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let toml = "[secrets]\nkey = { env = \"REHEARSAL_TEST_NEVER_SET\" }\n\
                    [autoscaler.supply]\nobserve = \"dmeo\"\n[autoscaler.metrics.cpu]\nobserve = \"demo\"\nmetrik = \"cpu\"\n";
        let problems = sources(&environment(toml), "http://127.0.0.1/admin").unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for expected in ["REHEARSAL_TEST_NEVER_SET, which is not set", "did you mean `demo`?", "metrik"] {
            assert!(told.iter().any(|told| told.contains(expected)), "no \"{expected}\" in {told:#?}");
        }
    }
}
