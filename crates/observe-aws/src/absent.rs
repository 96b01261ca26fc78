//! Stands in for adapters that were not built: says how to get them.

use rehearsal_observe::{Observer, Role, Settings, settings};
use rehearsal_plan::Problem;

/// Complains of one thing only: which keys there may be nobody here knows.
pub fn make(settings: &mut Settings<'_>, _role: Role) -> Option<Box<dyn Observer>> {
    let name = settings.take("observe", settings::text)?;
    let problem = Problem::new(format!("names `{name}`, which needs a coordinator built with `--features aws`"));
    settings.complain_of("observe", problem.hint("cargo build --release --features aws"));
    settings.pass_over_the_rest();
    None
}

#[cfg(test)]
mod tests {
    use rehearsal_observe::{Context, Registry};
    use serde_json::json;

    #[test]
    fn each_says_how_to_get_it_and_nothing_else() {
        let registry = crate::register(Registry::default());
        for (name, _) in crate::ALL {
            let autoscaler = json!({ "supply": { "observe": name, "group": "web", "region": 7 } });
            let told = registry.sources(&autoscaler, &Context::default()).map(|_| ()).unwrap_err();
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            let expected = format!(
                "`autoscaler.supply.observe` names `{name}`, which needs a coordinator built with `--features aws` \
                 (hint: cargo build --release --features aws)"
            );
            assert_eq!(told, [expected]);
        }
    }
}
