//! What the load is and what became of it: users, requests, response times, errors, sockets.

use ratatui::text::{Line, Span};
use rehearsal_report::view::{CallNow, ErrorNow, Second, UsersNow};
use rehearsal_verdict::amounts::{count, seconds};

use super::View;
use super::chart::{Chart, extent};
use super::section::{Keep, Row, Section, flow};
use crate::recent::LOOK_BACK_S;
use crate::words::{clean, clock};

pub(super) fn users<'a>(view: &View<'a>) -> Section<'a> {
    let (UsersNow { live, .. }, palette) = (view.scene.run.users, view.palette);
    let history = view.scene.seconds;
    let target = history.iter().rfind(|second| second.settled).and_then(|second| second.target);
    let mut first = vec![Span::styled(format!("{} live", count(live)), palette.strong())];
    first.extend(target.map(|target| Span::styled(format!(" · target {}", count(target)), palette.faint())));
    let mut rows = vec![Row::new(Keep::Core, first)];
    rows.extend(details(flow(states(view), view.widths.facts, 3, palette), Keep::Detail));
    // Two rows more make a curve of which one sees the shape.
    while rows.len() < 3 {
        rows.push(Row::new(Keep::Comfort, Line::default()));
    }
    let live = |second: &Second| second.users.get("live").copied();
    let chart = Chart::new(history, live).with_target(history, |second| second.target);
    Section { chart: Some(chart), ..Section::labelled("users", rows) }
}

/// How many users are planned, and in what states they are but live; those first that should not be.
fn states<'a>(view: &View<'a>) -> Vec<Span<'a>> {
    let (users, palette) = (view.scene.run.users, view.palette);
    let states = [
        (users.failed, "failed", palette.bad()),
        (users.dropped, "dropped", palette.bad()),
        (users.lost, "lost", palette.bad()),
        (users.planned, "planned", palette.faint()),
        (users.waiting, "waiting", palette.faint()),
        (users.finished, "finished", palette.faint()),
        (users.cancelled, "cancelled", palette.faint()),
        (users.restored, "restored", palette.faint()),
    ];
    let some = states.into_iter().filter(|(users, _, _)| *users > 0);
    some.map(|(users, name, style)| Span::styled(format!("{} {name}", count(users)), style)).collect()
}

/// Rows after the first: the first of them says more than those that follow.
fn details<'a>(lines: Vec<Line<'a>>, first: Keep) -> impl Iterator<Item = Row<'a>> {
    lines.into_iter().enumerate().map(move |(n, line)| Row::new(if n == 0 { first } else { Keep::Comfort }, line))
}

pub(super) fn requests<'a>(view: &View<'a>) -> Section<'a> {
    let palette = view.palette;
    let calls = &view.scene.run.calls;
    let total = |of: fn(&CallNow) -> u64| calls.iter().map(of).sum::<u64>();
    let totals = [
        (total(|call| call.failed), "failed", palette.bad()),
        (total(|call| call.answered), "answered", palette.faint()),
        (total(|call| call.open), "open", palette.faint()),
        (total(|call| call.cut), "cut off", palette.faint()),
    ];
    let some = totals.into_iter().filter(|(calls, _, _)| *calls > 0);
    let items = some.map(|(calls, name, style)| Span::styled(format!("{} {name}", count(calls)), style));
    let totals: Vec<Span<'a>> = items.collect();
    let mut rows = match &view.recent {
        Some(recent) => {
            vec![Row::new(Keep::Core, Line::styled(format!("{}/s", per_second(recent.rate())), palette.strong()))]
        }
        None if totals.is_empty() => vec![Row::new(Keep::Core, Line::styled("none yet", palette.faint()))],
        None => Vec::new(),
    };
    let keep = if rows.is_empty() { Keep::Core } else { Keep::Detail };
    rows.extend(details(flow(totals, view.widths.facts, 2, palette), keep));
    let answers = |second: &Second| Some(second.response.map_or(0, |response| response.n));
    Section { chart: Some(Chart::new(view.scene.seconds, answers)), ..Section::labelled("requests", rows) }
}

/// A rate: few are written with a decimal, because a half is much of one and nothing of a thousand.
fn per_second(rate: f64) -> String {
    if rate < 9.95 { format!("{rate:.1}") } else { count(rate.round() as u64) }
}

pub(super) fn response<'a>(view: &View<'a>) -> Section<'a> {
    let palette = view.palette;
    let Some(recent) = view.recent.as_ref() else { return Section::default() };
    let Some(times) = &recent.times else {
        let text = format!("no answer in the last {LOOK_BACK_S} s");
        return Section::labelled("response", vec![Row::new(Keep::Core, Line::styled(text, palette.faint()))]);
    };
    let items = vec![
        Span::raw(format!("p50 {}", times.p50.text())),
        Span::styled(format!("p99 {}", times.p99.text()), palette.strong()),
        Span::raw(format!("max {}", seconds(times.max))),
    ];
    let mut lines = flow(items, view.widths.facts, 2, palette).into_iter();
    let mut rows: Vec<Row<'a>> = lines.next().map(|line| Row::new(Keep::Core, line)).into_iter().collect();
    rows.extend(lines.map(|line| Row::new(Keep::Detail, line)));
    let what = format!("last {} s; the curve is p99", recent.seconds);
    rows.push(Row::new(Keep::Detail, Line::styled(what, palette.faint())));
    // Whole microseconds are finer than any curve.
    let p99 = |second: &Second| second.response.map(|response| (response.p99 * 1e6) as u64);
    Section { chart: Some(Chart::new(view.scene.seconds, p99)), ..Section::labelled("response", rows) }
}

/// Below the curves: of which run time they are.
pub(super) fn axis<'a>(view: &View<'a>) -> Section<'a> {
    let widths = view.widths;
    let Some((first, last)) = extent(view.scene.seconds, widths.chart) else { return Section::default() };
    let (from, to) = (clock(first as f64), clock(last as f64));
    let columns = usize::try_from(last + 1 - first).unwrap_or(0);
    let Some(between) = columns.checked_sub(from.len() + to.len()).filter(|between| *between >= 2) else {
        return Section::default();
    };
    let text = format!("{}{from}{}{to}", " ".repeat(usize::from(widths.facts) + 2), " ".repeat(between));
    Section::labelled("", vec![Row::new(Keep::Comfort, Line::styled(text, view.palette.faint()))])
}

pub(super) fn errors<'a>(view: &View<'a>) -> Section<'a> {
    let (errors, palette) = (&view.scene.run.errors, view.palette);
    if errors.is_empty() {
        return Section::labelled("errors", vec![Row::new(Keep::Quiet, Line::styled("none", palette.faint()))]);
    }
    let mut items: Vec<Span<'a>> = Vec::new();
    if let Some(recent) = view.recent.as_ref().filter(|recent| recent.errors > 0) {
        let rate = per_second(recent.errors as f64 / recent.seconds as f64);
        items.push(Span::styled(format!("{rate}/s now"), palette.bad()));
    }
    let mut kinds: Vec<_> = errors.iter().collect();
    kinds.sort_by_key(|error| std::cmp::Reverse(error.count));
    let kind =
        |error: &&ErrorNow| Span::styled(format!("{} {}", clean(&error.kind), count(error.count)), palette.bad());
    items.extend(kinds.iter().map(kind));
    let mut lines = flow(items, view.widths.alone, 2, palette).into_iter();
    let mut rows: Vec<Row<'a>> = lines.next().map(|line| Row::new(Keep::Core, line)).into_iter().collect();
    rows.extend(lines.map(|line| Row::new(Keep::Trouble, line)));
    if let Some(error) = kinds.first().filter(|error| !error.sample.is_empty()) {
        rows.push(Row::new(Keep::Detail, Line::styled(clean(&error.sample), palette.faint())));
    }
    Section::labelled("errors", rows)
}

pub(super) fn sockets<'a>(view: &View<'a>) -> Section<'a> {
    let palette = view.palette;
    let mut items = Vec::new();
    for socket in &view.scene.run.sockets {
        let failed = if socket.failed > 0 { format!(", {} failed", count(socket.failed)) } else { String::new() };
        let text = format!("{} {} open{failed}", clean(&socket.transport), count(socket.open));
        items.push(Span::styled(text, palette.bad_if(socket.failed > 0)));
    }
    let keep = if view.scene.run.sockets.iter().any(|socket| socket.failed > 0) { Keep::Trouble } else { Keep::Quiet };
    let rows = flow(items, view.widths.alone, 2, palette).into_iter().map(|line| Row::new(keep, line));
    Section::labelled("sockets", rows.collect())
}
