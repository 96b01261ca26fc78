//! The embedded demo system: `http` with everything filled in.

use rehearsal_plan::Problem;
use serde_json::Value;

use super::http::Http;
use crate::json::Pointers;
use crate::observation::Role;
use crate::observer::Observer;
use crate::settings::{self, Settings};
use crate::web::Web;

/// Takes `url`, the demo's admin URL, by default the environment's; and `metric`, by default the name of the table.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let admin = settings.context().admin.clone().map(Value::String);
    let url = match (settings.take("url", settings::url), settings.has("url"), admin) {
        (url, true, _) => url,
        (_, false, Some(admin)) => match settings::url(&admin) {
            Ok(url) => Some(url),
            Err(problem) => {
                settings.complain(problem.within("the environment's `admin`"));
                None
            }
        },
        (_, false, None) => {
            settings.complain(Problem::new("lacks the key `url`, and the environment has no `admin` either"));
            None
        }
    };
    let mut web = Web::from_settings(settings, url);
    let (page, pointers) = match role {
        Role::Supply => ("supply", Pointers::of_supply()),
        Role::Metric => {
            let name = settings.take("metric", settings::text).unwrap_or_else(|| settings.name().into());
            ("metrics", Pointers::of_metric(&name))
        }
        Role::Activities => ("activities", Pointers::of_activities()),
    };
    if let Some(web) = &mut web {
        web.set_base(web.url(&["autoscaler", page]));
    }
    Some(Box::new(Http { web: web?, pointers }))
}
