/** Scenarios and forecasts of the mock. */

export const scenarios = [
  {
    name: "broadcast_vote",
    path: "scenarios/broadcast_vote.rhai",
    environments: ["dev", "staging", "stress"],
    problems: 0,
  },
  { name: "broken", path: "scenarios/broken.rhai", environments: ["dev"], problems: 2 },
];

export const refusal = {
  error: "the scenario broken.rhai has 2 problems",
  problems: [
    {
      file: "scenarios/broken.rhai",
      line: 6,
      column: 15,
      severity: "error",
      message: "`env.user` is not set in environment dev",
      hint: "did you mean `env.users`?",
    },
    {
      file: "scenarios/broken.rhai",
      line: 11,
      column: 13,
      severity: "error",
      message: "unknown metric `http.respones`",
      hint: "did you mean `http.response`?",
    },
  ],
};

export function forecast({ environment, set, agents }) {
  const users = Number(set.users ?? 2000),
    stress = environment === "stress";
  const curve = Array.from({ length: 61 }, (_, i) => [
    i,
    Math.min(users, Math.round((users * i) / 30)),
    i < 55 ? Math.min(users, Math.round((users * i) / 30)) : Math.round((users * (60 - i)) / 5),
  ]);
  return {
    users,
    peak_live: users,
    peak_arrivals_per_s: users / 30,
    duration_s: 60,
    agents: { launch: stress ? "ec2" : "local", count: agents ?? 2 },
    target: stress ? "https://stress.example.com" : "demo",
    allow: stress ? ["stress.example.com"] : [],
    cues: [
      { name: "open_vote", when: "5 s after the last arrival" },
      { name: "close_vote", when: "by hand" },
    ],
    thresholds: [
      "http.response{name:vote} p(99) < 500ms",
      "http.failed rate < 0.1%",
      "cue.reach{cue:open_vote} rate > 99.9%",
    ],
    curve,
    warnings: stress
      ? [
          {
            file: "environments/stress.toml",
            line: 3,
            column: 1,
            severity: "warning",
            message: "`allow` names a host that the target does not use",
            hint: null,
          },
        ]
      : [],
    price_usd_per_h: stress ? 3.84 : null,
  };
}
