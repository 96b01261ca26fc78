/** The rows of the table of agents: regions with their sums, and below each the agents that are unfolded. */
import type { AgentNow } from "../api/types";

export const AGENT_COLUMNS = ["id", "state", "users", "clock_bound_s", "cpu", "lag_s", "reported_s"] as const;
export type AgentColumn = (typeof AGENT_COLUMNS)[number];

export interface RegionRow {
  region: string;
  agents: number;
  /** Agents by state, in the order of the alphabet. */
  states: [string, number][];
  users: number;
  /** The worst of its agents; null when none has told. */
  clock_bound_s: number | null;
  cpu: number | null;
  lag_s: number | null;
  /** The second of the agent that is furthest behind. */
  reported_s: number | null;
  open: boolean;
}

export type Row = { kind: "region"; region: RegionRow } | { kind: "agent"; agent: AgentNow };

/** Regions of more agents than this are folded until someone opens them. */
export const FOLDED_ABOVE = 20;

export interface Order {
  by: AgentColumn;
  descending: boolean;
}

/** `toggled`: regions that someone has folded or unfolded against the rule. */
export function fleetRows(agents: AgentNow[], toggled: ReadonlySet<string>, order: Order): Row[] {
  const regions = groupedBy(agents, (agent) => agent.region);
  const names = [...regions.keys()].sort();
  return names.flatMap((name) => {
    const members = regions.get(name)!;
    const open = members.length <= FOLDED_ABOVE !== toggled.has(name);
    const region: Row = { kind: "region", region: summed(name, members, open) };
    return open ? [region, ...sorted(members, order).map((agent): Row => ({ kind: "agent", agent }))] : [region];
  });
}

function summed(region: string, agents: AgentNow[], open: boolean): RegionRow {
  const states = [...groupedBy(agents, (agent) => agent.state)].map(([state, of]): [string, number] => [
    state,
    of.length,
  ]);
  const known = (field: "clock_bound_s" | "cpu" | "lag_s" | "reported_s") =>
    agents.map((agent) => agent[field]).filter((value) => value !== null);
  const worst = (values: number[]) => (values.length > 0 ? values.reduce((a, b) => Math.max(a, b)) : null);
  const reported = known("reported_s");
  return {
    region,
    open,
    agents: agents.length,
    states: states.sort(([a], [b]) => (a < b ? -1 : 1)),
    users: agents.reduce((sum, agent) => sum + agent.users, 0),
    clock_bound_s: worst(known("clock_bound_s")),
    cpu: worst(known("cpu")),
    lag_s: worst(known("lag_s")),
    reported_s: reported.length === agents.length ? reported.reduce((a, b) => Math.min(a, b)) : null,
  };
}

function groupedBy(agents: AgentNow[], key: (agent: AgentNow) => string): Map<string, AgentNow[]> {
  const groups = new Map<string, AgentNow[]>();
  for (const agent of agents) {
    const group = groups.get(key(agent));
    if (group) group.push(agent);
    else groups.set(key(agent), [agent]);
  }
  return groups;
}

/** What is unknown comes last in either direction. */
function sorted(agents: AgentNow[], { by, descending }: Order): AgentNow[] {
  const sign = descending ? -1 : 1;
  return [...agents].sort((a, b) => {
    const [left, right] = [a[by], b[by]];
    if (left === right) return a.id.localeCompare(b.id, "en", { numeric: true });
    if (left === null) return 1;
    if (right === null) return -1;
    if (typeof left === "string") return sign * left.localeCompare(right as string, "en", { numeric: true });
    return sign * (left - (right as number));
  });
}
