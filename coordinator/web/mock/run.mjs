/** The run of the model as the server would send it. */
import { CALLS, noise } from "./model.mjs";

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** Totals of all seconds up to now, kept so that an hour is not added up for every snapshot. */
class Totals {
  constructor(run) {
    Object.assign(this, { run, until: 0, calls: new Map(), errors: new Map() });
  }

  upTo(end) {
    for (; this.until < end; this.until++) {
      const second = this.run.second(this.until, this.until + 10);
      for (const [name, latency] of Object.entries(second.calls))
        this.calls.set(name, (this.calls.get(name) ?? 0) + latency.n);
      for (const [kind, n] of Object.entries(second.errors)) this.errors.set(kind, (this.errors.get(kind) ?? 0) + n);
    }
    return this;
  }
}

const totals = new WeakMap();

export function runNow(run) {
  const now = run.now(),
    state = run.state(now),
    over = state === "judged";
  if (!totals.has(run)) totals.set(run, new Totals(run));
  const total = totals.get(run).upTo(Math.floor(now));
  const users = { planned: run.users, ...run.usersAt(now), restored: 0 };
  const sockets = ["websocket", "polling"].map((transport, i) => {
    const opened = Math.round(run.arrived(now) * (i ? 0.2 : 0.8)),
      open = over ? 0 : Math.round(users.live * (i ? 0.2 : 0.8));
    return { transport, open, opened, failed: i, closed: opened - open, sent: 0, received: run.firings.length * open };
  });
  return {
    id: run.id,
    scenario: "broadcast_vote",
    environment: "dev",
    state,
    paused: run.paused,
    started_at: new Date(run.startedAt * 1000).toISOString().slice(0, 19) + "Z",
    now_s: now,
    settled_s: over ? Math.floor(now) : Math.max(0, Math.floor(now) - 3),
    ends_s: run.length,
    users,
    loads: [{ scenario: "user", kind: "arrive", planned: run.users }],
    calls: CALLS.filter(([name]) => total.calls.has(name)).map(([name, , base]) =>
      callNow(name, base, total.calls.get(name), over),
    ),
    sockets,
    agents: run.agentsNow(now),
    cues: [
      { name: "open_vote", when: "30 s after the last arrival" },
      { name: "close_vote", when: "by hand" },
    ].map((cue) => ({
      ...cue,
      firings: run.firings.filter((f) => f.cue === cue.name).map((f) => run.firingNow(f, now)),
    })),
    checks: total.calls.has("vote") ? [{ name: "vote counted", passed: total.calls.get("vote") - 2, failed: 2 }] : [],
    errors: [...total.errors].map(([kind, count]) => ({
      kind,
      count,
      sample:
        kind === "timeout"
          ? "GET /api/heartbeat: no answer within 10 s"
          : "POST /api/votes: 503 Service Unavailable: upstream connect error or disconnect before headers",
    })),
    thresholds: thresholds(run, total),
    events: run.events,
    generator: "good",
    verdict: over ? "fail" : null,
    findings: over ? findings(run) : [],
    autoscaler: now < 4 ? null : { revision: Math.floor(now / 2) + (over ? 1 : 0), last_s: Math.floor(now) },
  };
}

function callNow(name, base, answered, over) {
  const failed = Math.round(answered * 0.002),
    open = over ? 0 : Math.round(answered * 0.01 * noise(name, answered)),
    cut = over ? 3 : 0;
  return {
    name,
    begun: answered + failed + cut + open,
    answered,
    failed,
    cut,
    open,
    p50: base * 1.2,
    p90: base * 2.7,
    p99: base * 8.1,
    max: base * 31,
  };
}

function thresholds(run, total) {
  const voted = total.calls.has("vote"),
    failed = sum([...total.errors.values()]),
    fired = run.firings.length > 0;
  return [
    {
      text: "http.response{name:vote} p(99) < 500ms",
      value: voted ? 0.412 : null,
      shown: voted ? "412 ms" : null,
      outcome: voted ? "pass" : "no_data",
    },
    { text: "http.failed rate < 0.1%", value: 0.002, shown: "0.2 %", outcome: failed > 20 ? "fail" : "pass" },
    {
      text: "cue.reach{cue:open_vote} rate > 99.9%",
      value: fired ? 0.9985 : null,
      shown: fired ? "99.85 %" : null,
      outcome: fired ? "fail" : "no_data",
    },
    {
      text: "cue.delay{cue:open_vote} p(99) < 2s",
      value: fired ? 0.61 : null,
      shown: fired ? "610 ms" : null,
      outcome: fired ? "pass" : "no_data",
    },
  ];
}

function findings(run) {
  const middle = run.length * 0.55;
  return [
    {
      severity: "error",
      subject: "http.failed rate < 0.1%",
      text: "0.2 % of all calls failed. Most were answers 503 within twelve seconds, while response times rose fourfold.",
      from_s: middle - 6,
      to_s: middle + 6,
    },
    {
      severity: "error",
      subject: "cue.reach{cue:open_vote} rate > 99.9%",
      text: "3 of 2 000 users that were there never heard the cue; all three were on polling sockets.",
      from_s: run.firings[0]?.at_s ?? 0,
      to_s: (run.firings[0]?.at_s ?? 0) + 2,
    },
    {
      severity: "warning",
      subject: "load generator",
      text: "agent-0001 was at 97 % of a core for six seconds; response times of these seconds are doubtful.",
      from_s: middle - 3,
      to_s: middle + 3,
    },
    {
      severity: "info",
      subject: "autoscaler not judged",
      text: "The environment names no observer.",
      from_s: 0,
      to_s: run.length,
    },
  ];
}

export function secondsSince(run, from) {
  const end = Math.floor(run.now()) + 1;
  return Array.from({ length: Math.max(0, end - from) }, (_, i) =>
    run.second(from + i, run.state(run.now()) === "judged" ? end + 10 : end),
  );
}
