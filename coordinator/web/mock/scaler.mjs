/** A made-up autoscaler under the made-up run: it follows the load, flaps, is not seen for a while and loses its metric. */

const BOOT_S = 8;
const DRAIN_S = 6;

/** What is known of it at `now`, with the samples from `from` on. */
export function scaler(run, now, from) {
  const per = run.users / 8;
  const to = Math.floor(now);
  const series = Object.fromEntries(
    ["demand", "desired", "running", "ready", "draining", "cpu", "queue"].map((n) => [n, []]),
  );
  const [load, activities, booting, draining] = [[], [], [], []];
  const put = (samples, at, value) => {
    if (samples.length === 0 || samples.at(-1)[1] !== value) samples.push([at, value]);
  };
  let [desired, ready] = [2, 2];
  for (let s = 0; s < to; s++) {
    const { live } = run.usersAt(s);
    if (s % 5 === 2) {
      const wanted = Math.max(2, Math.ceil((live * 1.05) / per) + (s % 30 < 15 && s > 20 ? 2 : 0));
      if (wanted !== desired) activities.push([s, wanted - desired]);
      for (let i = desired; i < wanted; i++) booting.push(s + BOOT_S);
      for (let i = wanted; i < desired; i++) {
        if (booting.length > 0) booting.pop();
        else {
          ready -= 1;
          draining.push(s + DRAIN_S);
        }
      }
      desired = wanted;
    }
    while (booting[0] <= s) ready += booting.shift() ? 1 : 0;
    while (draining[0] <= s) draining.shift();
    const unseen = s >= 48 && s < 56;
    put(load, s, live);
    put(series.demand, s, Math.ceil(live / per));
    put(series.desired, s, unseen ? null : desired);
    put(series.running, s, unseen ? null : ready + booting.length + draining.length);
    put(series.ready, s, unseen ? null : ready);
    put(series.draining, s, unseen ? null : draining.length);
    const cpu = (25 * live) / (per * ready) + Math.sin(s * 3);
    put(series.cpu, s, s >= 70 && s < 85 ? null : Math.round(cpu * 10) / 10);
    put(series.queue, s, Math.round(Math.max(0, cpu - 24) * 40));
  }
  const findings = [
    ["fail", "flapping", "the scaler turned round 5 times within 60 s, from 32 s on, while the load was flat", 32, 92],
    ["doubt", "unseen", "nobody saw how many instances there were for 8 s, from 48 s on (503)", 48, 56],
    ["tell", "blind", "cpu was missing for 15 s, from 70 s on, and the scaler held what it had", 70, 85],
  ];
  return {
    observed: true,
    from_s: 0,
    to_s: to,
    capacity: { of: "users", per_instance: per },
    bounds: { at_least: 2, at_most: 10 },
    steps: [
      { at_s: 9, direction: "up", from: 2, to: 8, detection_s: null, decision_s: 3, actuation_s: 3.4, readiness_s: 11 },
    ].map((step) => ({ ...step, rise_at_s: step.at_s, settling_s: null, overshoot: 2 })),
    bands: [{ metric: "cpu", lo: 10, hi: 30, share: 0.914 }],
    findings: findings
      .filter(([, , , at]) => at < to)
      .map(([weight, kind, text, from_s, to_s]) => ({ weight, kind, text, from_s, to_s: Math.min(to, to_s) })),
    activities,
    load: since(load, from),
    series: Object.fromEntries(Object.entries(series).map(([name, samples]) => [name, since(samples, from)])),
    under_accuracy: 0.31,
    over_accuracy: 1.4,
    under_accuracy_relative: 5.2,
    over_accuracy_relative: 24.1,
    under_share: 11.4,
    over_share: 63,
    jitter: 3.6,
    instability: 38,
    tick_s: 10,
    observed_share: 93.4,
    readiness_s: 11,
    overshoot: 2,
    reversals: 5,
    errors_while_draining: null,
  };
}

/** What holds at an instant is its first sample. */
function since(samples, from) {
  const held = samples.findLast(([at]) => at <= from);
  return [...(held ? [[from, held[1]]] : []), ...samples.filter(([at]) => at > from)];
}
