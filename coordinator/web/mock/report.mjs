/** Writes a report of a finished made-up run: `node mock/report.mjs > report.html`. */
import { readFile } from "node:fs/promises";
import { MockRun } from "./model.mjs";
import { runNow, secondsSince } from "./run.mjs";
import { scaler } from "./scaler.mjs";

const run = new MockRun({ startedAt: Date.now() / 1000 - 400 });
run.fire("open_vote", 95, "plan");
const now = runNow(run);
const report = {
  schema: 1,
  run_id: run.id,
  scenario: now.scenario,
  environment: now.environment,
  started_at: now.started_at,
  duration_s: now.now_s,
  verdict: now.verdict,
  findings: now.findings,
  users: now.users,
  metrics: [],
  autoscaler: scaler(run, now.now_s, 0),
  agents: now.agents.map((agent, i) => ({
    id: agent.id,
    region: agent.region,
    users: agent.started,
    lost: false,
    clock_offset_s: 0.0003,
    clock_bound_s: agent.clock_bound_s,
    unobserved: i ? [{ from_s: 110, to_s: 113 }] : [],
  })),
  generator: {
    grade: "fair",
    worst: [{ from_s: 96, to_s: 102, grade: "poor", reasons: ["CPU of the busiest core 97 %, limit 90 %"] }],
  },
};
const data = JSON.stringify({ report, run: now, seconds: secondsSince(run, 0), bands: [] }).replaceAll("<", "\\u003c");
const template = await readFile(new URL("../dist/report.html", import.meta.url), "utf8");
process.stdout.write(
  template.replace(
    "<!--REHEARSAL-DATA-->",
    () => `<script type="application/json" id="rehearsal-data">${data}</script>`,
  ),
);
