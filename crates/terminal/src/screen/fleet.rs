//! Who makes the load and how well, and where more is to be seen.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};
use rehearsal_report::view::AgentNow;
use rehearsal_verdict::amounts::{count, percent, seconds};

use super::View;
use super::section::{Keep, Row, Section, flow};
use crate::words::clean;

pub(super) fn agents<'a>(view: &View<'a>) -> Section<'a> {
    let (run, palette) = (view.scene.run, view.palette);
    if run.agents.is_empty() {
        return Section::default();
    }
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for agent in &run.agents {
        *states.entry(&agent.state).or_default() += 1;
    }
    let connected = states.remove("connected").unwrap_or(0);
    let mut items = vec![Span::raw(format!("{} of {} connected", count(connected), count(run.agents.len() as u64)))];
    let is_trouble = |state: &str| matches!(state, "closed" | "silent" | "expired");
    let trouble = states.keys().any(|state| is_trouble(state));
    items.extend(states.iter().map(|(state, agents)| {
        Span::styled(format!("{} {}", count(*agents), clean(state)), palette.bad_if(is_trouble(state)))
    }));
    let worst = |of: fn(&AgentNow) -> Option<f64>| run.agents.iter().filter_map(of).reduce(f64::max);
    let (grade, style) = match run.generator.as_deref() {
        Some("good") => ("good".to_owned(), palette.good()),
        Some("fair") => ("fair".to_owned(), palette.doubtful()),
        Some(other) => (clean(other), palette.bad()),
        None => ("unknown".to_owned(), palette.faint()),
    };
    items.push(Span::styled(format!("generator {grade}"), style));
    if let Some(bound) = worst(|agent| agent.clock_bound_s) {
        items.push(Span::raw(format!("clocks ±{}", seconds(bound))));
    }
    if let Some(cpu) = worst(|agent| agent.cpu) {
        items.push(Span::raw(format!("CPU {}", percent((cpu * 100.0).round() / 100.0))));
    }
    let keep = if trouble || run.generator.as_deref() == Some("poor") { Keep::Trouble } else { Keep::Quiet };
    let rows = flow(items, view.widths.alone, 2, palette).into_iter().map(|line| Row::new(keep, line));
    Section::labelled("agents", rows.collect())
}

/// The address stands alone when it has no room beside its label, and not at all when it would be cut: part of an address
/// leads nowhere.
pub(super) fn dashboard<'a>(view: &View<'a>) -> Section<'a> {
    let Some(address) = view.scene.dashboard else { return Section::default() };
    let address = Line::raw(clean(address));
    match address.width() {
        width if width <= usize::from(view.widths.alone) => {
            Section::labelled("dashboard", vec![Row::new(Keep::Outlook, address)])
        }
        width if width <= usize::from(view.widths.whole) => Section::whole(Keep::Outlook, address),
        _ => Section::default(),
    }
}
