/** A run of which nothing is known yet but its id. */
import type { RunNow } from "../api/types";

export function emptyRun(id: string): RunNow {
  return {
    id,
    scenario: "",
    environment: "",
    state: "draft",
    paused: false,
    started_at: null,
    now_s: null,
    settled_s: null,
    ends_s: null,
    users: { planned: 0, waiting: 0, live: 0, finished: 0, failed: 0, dropped: 0, cancelled: 0, lost: 0, restored: 0 },
    loads: [],
    calls: [],
    sockets: [],
    agents: [],
    cues: [],
    checks: [],
    errors: [],
    thresholds: [],
    events: [],
    generator: null,
    verdict: null,
    findings: [],
    autoscaler: null,
  };
}
