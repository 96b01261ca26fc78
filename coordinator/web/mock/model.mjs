/**
 * A made-up run that looks like a real one: viewers arrive, sign in, hold sockets, hear cues and vote. Every second is a pure
 * function of its number, so that a timeline can be asked for again.
 */

const BANDS = 62;
const REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "ap-northeast-1", "sa-east-1"];
const CALLS = [
  ["GET /api/heartbeat", 0.2, 0.004],
  ["GET /api/programme", 0, 0.009],
  ["POST /auth/guest", 0, 0.014],
  ["sns sign-in", 0, 0.031],
  ["vote", 0, 0.046],
];

/** A number from 0 to 1 that depends on its arguments only. */
export function noise(...seed) {
  let hash = 2166136261;
  for (const part of seed) for (const char of String(part)) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}

export class MockRun {
  constructor({
    users = 2000,
    agents = 2,
    minutes = 3,
    startedAt = Date.now() / 1000,
    id = "2026-11-21-2059-kx3",
  } = {}) {
    Object.assign(this, { users, agents, length: minutes * 60, startedAt, id });
    this.arriveOver = Math.round(this.length * 0.4);
    this.firings = [];
    this.events = [
      { at_s: -4, kind: "run", who: "coordinator", text: "gathers agents" },
      { at_s: 0, kind: "run", who: "coordinator", text: "started: 2000 users by plan version 1" },
    ];
    this.factor = 1;
    this.paused = false;
    this.stoppedAt = null;
    this.version = 1;
  }

  arrived(s) {
    return Math.min(this.users, Math.floor((Math.max(0, s) / this.arriveOver) * this.users));
  }
  leaving(s) {
    return s < this.length - 15 ? 0 : Math.min(1, (s - this.length + 15) / 15);
  }

  /** Users by state at the end of a second. */
  usersAt(s) {
    const arrived = Math.max(0, this.arrived(s) - Math.round(this.users * 0.002));
    const failed = Math.floor(arrived * 0.0015),
      lost = s > this.length * 0.6 ? Math.round(this.users * 0.004) : 0;
    const gone = Math.floor((arrived - failed - lost) * this.leaving(s));
    return {
      waiting: this.users - arrived,
      live: arrived - failed - lost - gone,
      finished: gone,
      failed,
      dropped: 0,
      cancelled: 0,
      lost,
    };
  }

  latency(name, s, n, base) {
    if (n === 0) return undefined;
    const slow = 1 + 3 * Math.exp(-(((s - this.length * 0.55) / 9) ** 2)) + 0.25 * noise(name, s);
    const p50 = base * slow;
    return {
      n,
      p50,
      p90: p50 * 2.1,
      p99: p50 * (5 + 2 * noise(name, s, "p99")),
      max: p50 * (8 + 14 * noise(name, s, "max")),
    };
  }

  second(s, now) {
    const users = this.usersAt(s),
      arrivals = this.arrived(s) - this.arrived(s - 1);
    // What agents have hardly begun to tell of is far from complete.
    const told = s >= now - 1 ? 0.45 : 1;
    const counts = [users.live / 5, arrivals, arrivals * 0.8, arrivals * 0.6, this.votes(s)];
    const calls = {},
      heat = new Map();
    let total = 0;
    CALLS.forEach(([name, , base], i) => {
      const latency = this.latency(name, s, Math.round(counts[i] * told * (0.95 + 0.1 * noise(name, s))), base);
      if (!latency) return;
      calls[name] = latency;
      total += latency.n;
      for (let k = 0; k < 40; k++) {
        const normal = Math.sqrt(-2 * Math.log(noise(name, s, k) + 1e-9)) * Math.cos(6.283 * noise(name, k, s, "b"));
        const band = Math.max(
          0,
          Math.min(BANDS - 1, Math.ceil(Math.log10((latency.p50 * Math.exp(0.65 * normal)) / 1e-4) * 10)),
        );
        heat.set(band, (heat.get(band) ?? 0) + Math.max(1, Math.round(latency.n / 40)));
      }
    });
    const all = Object.values(calls);
    const weighted = (field) => all.reduce((sum, latency) => sum + latency[field] * latency.n, 0) / total;
    const errors = {};
    if (noise(s, "timeout") > 0.93 && total > 50) errors.timeout = 1 + Math.floor(3 * noise(s, "t"));
    if (Math.abs(s - this.length * 0.55) < 6) errors["status 503"] = Math.round(12 * noise(s, "503"));
    const grade =
      Math.abs(s - this.length * 0.55) < 3 ? "poor" : Math.abs(s - this.length * 0.55) < 7 ? "fair" : "good";
    return {
      s,
      settled: s <= now - 3,
      users,
      target: this.arrived(s) - Math.floor(this.arrived(s) * this.leaving(s)),
      arrivals: this.arrivals(s, told),
      arrivals_planned: arrivals,
      response:
        total === 0
          ? null
          : {
              n: total,
              p50: weighted("p50"),
              p90: weighted("p90"),
              p99: weighted("p99") * 1.2,
              max: Math.max(...all.map((latency) => latency.max)),
            },
      calls,
      heat: [...heat].sort(([a], [b]) => a - b),
      errors,
      sockets: { websocket: Math.round(users.live * 0.8), polling: Math.round(users.live * 0.2) },
      generator: s < 2 ? null : grade,
    };
  }

  arrivals(s, told) {
    return Math.round((this.arrived(s) - this.arrived(s - 1)) * told);
  }
  votes(s) {
    return this.firings.reduce(
      (sum, firing) => sum + (s >= firing.at_s + 5 && s < firing.at_s + 15 ? firing.live / 10 : 0),
      0,
    );
  }

  fire(name, at, by) {
    const live = this.usersAt(at).live;
    this.firings.push({
      cue: name,
      firing: this.firings.length + 1,
      id: `${name}-${this.firings.length + 1}`,
      at_s: at,
      by,
      live,
    });
    this.events.push({ at_s: at, kind: "cue", who: name, text: `fired by ${by}` });
  }

  firingNow(firing, now) {
    const age = now - firing.at_s,
      heard = age < 0 ? 0 : Math.round(firing.live * Math.min(0.9985, age / 1.2));
    const delays =
      heard > 0
        ? { first: 0.011, p50: 0.084, p99: 0.61, last: Math.min(age, 1.13) }
        : { first: null, p50: null, p99: null, last: null };
    const { cue, ...rest } = firing;
    return {
      ...rest,
      state: age < 0 ? "announced" : "sent",
      live: age < 0 ? null : firing.live,
      connected: Math.round(firing.live * 0.999),
      heard,
      duplicates: 0,
      ...delays,
      clock_bound_s: 0.0021,
    };
  }

  now() {
    return Math.min(this.stoppedAt ?? Infinity, this.length + 6, Date.now() / 1000 - this.startedAt);
  }

  state(now) {
    if (this.stoppedAt !== null) {
      const since = Date.now() / 1000 - this.startedAt - this.stoppedAt;
      return since < 3 ? "stopping" : since < 5 ? "collecting" : "judged";
    }
    return now < this.length ? "running" : now < this.length + 5 ? "collecting" : "judged";
  }

  agentsNow(now) {
    return Array.from({ length: this.agents }, (_, i) => ({
      id: `agent-${String(i + 1).padStart(4, "0")}`,
      region: this.agents > 2 ? REGIONS[i % REGIONS.length] : "local",
      state: noise(i) > 0.994 ? "silent" : "connected",
      users: Math.round((this.usersAt(now).live / this.agents) * (0.9 + 0.2 * noise(i, "u"))),
      started: Math.round(this.arrived(now) / this.agents),
      clock_bound_s: 0.0004 + 0.004 * noise(i, "c"),
      cpu: 0.3 + 0.65 * noise(i, Math.floor(now)),
      lag_s: 0.001 + 0.01 * noise(i, "l", Math.floor(now)),
      open_files: 900,
      reported_s: Math.floor(now) - 1 - (noise(i) > 0.994 ? 40 : 0),
      unobserved: [],
    }));
  }
}

export { CALLS };
