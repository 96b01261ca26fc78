//! The observers that this coordinator has. Amazon's are known by name in every build, and work in one with the feature
//! `aws`.

use rehearsal_observe::Registry;

/// Gives all of them by name.
pub fn registry() -> Registry {
    rehearsal_observe_aws::register(Registry::default())
}

#[cfg(test)]
mod tests {
    use rehearsal_observe::Context;
    use serde_json::json;

    use super::*;

    #[test]
    fn amazons_observers_are_there_or_say_how_to_get_them() {
        let autoscaler = json!({ "supply": { "observe": "asg", "group": "web" } });
        let made = registry().sources(&autoscaler, &Context::default());
        match cfg!(feature = "aws") {
            true => assert_eq!(made.map(|sources| sources.len()).unwrap(), 1),
            false => {
                assert!(made.unwrap_err()[0].to_string().contains("needs a coordinator built with `--features aws`"))
            }
        }
    }
}
