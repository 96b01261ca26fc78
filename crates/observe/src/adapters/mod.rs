//! The adapters, each in a file of its own: from the most general to those that know one system.

mod http;
mod command;
mod demo;
mod prometheus;
mod haproxy;
mod redis;
mod consul;
mod zabbix;
mod flynn;
mod kubernetes;

use rehearsal_plan::Problem;

use crate::observation::Role;
use crate::registry::Make;
use crate::settings::Settings;

/// All of them, by the names that environments use.
pub const ALL: [(&str, Make); 10] = [
    ("http", http::make),
    ("command", command::make),
    ("demo", demo::make),
    ("prometheus", prometheus::make),
    ("haproxy", haproxy::make),
    ("redis", redis::make),
    ("consul", consul::make),
    ("zabbix", zabbix::make),
    ("flynn", flynn::make),
    ("kubernetes", kubernetes::make),
];

/// Complains unless an adapter, which tells these roles, is asked for one of them.
pub fn tells(settings: &mut Settings<'_>, role: Role, roles: &[Role]) -> bool {
    let can = roles.contains(&role);
    if !can {
        let names: Vec<String> = roles.iter().map(Role::to_string).collect();
        let problem = Problem::new(format!("names an observer that does not tell {role}"));
        settings.complain_of("observe", problem.hint(format!("it tells {}", names.join(" and "))));
    }
    can
}
