/** The table of agents by region. Only rows in sight exist, so a thousand agents cost as much as twenty. */
import { useState } from "preact/hooks";
import type { AgentNow } from "../api/types";
import { AGENT_COLUMNS, type AgentColumn, type Order, type RegionRow, type Row, fleetRows } from "../model/fleet";
import { clock, count, duration, percent, plural } from "../model/format";
import { type RunStore, useRun } from "../model/store";
import { Mark } from "../ui/mark";
import { Nothing, Panel } from "../ui/panel";

/** Height of every row in pixels; the style sheet keeps to it. */
const ROW = 30;
const VISIBLE = 14;
const SPARE = 6;

const HEADS: Record<AgentColumn, string> = {
  id: "agent",
  state: "state",
  users: "users",
  clock_bound_s: "clock ±",
  cpu: "CPU",
  lag_s: "timer lag",
  reported_s: "reported",
};

export function AgentsPanel({ store }: { store: RunStore }) {
  const agents = useRun(store, (run) => run.agents);
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const [order, setOrder] = useState<Order>({ by: "id", descending: false });
  const [top, setTop] = useState(0);
  if (agents.length === 0)
    return (
      <Panel id="agents" title="Agents">
        <Nothing>No agent has joined yet.</Nothing>
      </Panel>
    );

  const rows = fleetRows(agents, toggled, order);
  const from = Math.max(0, Math.min(Math.floor(top / ROW), rows.length - VISIBLE) - SPARE);
  const shown = rows.slice(from, from + VISIBLE + 2 * SPARE);
  const toggle = (region: string) =>
    setToggled((before) =>
      before.has(region) ? new Set([...before].filter((other) => other !== region)) : new Set([...before, region]),
    );
  return (
    <Panel id="agents" title="Agents" aside={plural(agents.length, "agent")}>
      <div
        class="scroll rows"
        tabIndex={0}
        role="group"
        aria-label="Agents by region"
        style={{ maxHeight: `${ROW * (VISIBLE + 1)}px` }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <table aria-rowcount={rows.length + 1} class="agents">
          <thead>
            <tr aria-rowindex={1}>
              {AGENT_COLUMNS.map((column) => (
                <Head key={column} column={column} order={order} onOrder={setOrder} />
              ))}
            </tr>
          </thead>
          <tbody>
            <Gap rows={from} />
            {shown.map((row, i) => (
              <FleetRow key={keyOf(row)} row={row} index={from + i + 2} onToggle={toggle} />
            ))}
            <Gap rows={rows.length - from - shown.length} />
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const keyOf = (row: Row) => (row.kind === "region" ? `region ${row.region.region}` : row.agent.id);

const Gap = ({ rows }: { rows: number }) =>
  rows > 0 ? (
    <tr aria-hidden="true" style={{ height: `${rows * ROW}px` }}>
      <td colSpan={AGENT_COLUMNS.length} />
    </tr>
  ) : null;

function Head({ column, order, onOrder }: { column: AgentColumn; order: Order; onOrder: (order: Order) => void }) {
  const sorted = order.by === column;
  const direction = sorted ? (order.descending ? "descending" : "ascending") : "none";
  // Of numbers the large ones are of interest first.
  const descending = sorted ? !order.descending : column !== "id" && column !== "state";
  return (
    <th scope="col" aria-sort={direction}>
      <button type="button" class="sort" onClick={() => onOrder({ by: column, descending })}>
        {HEADS[column]}
        <span aria-hidden="true">{sorted ? (order.descending ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}

interface RowProps {
  row: Row;
  index: number;
  onToggle: (region: string) => void;
}

function FleetRow({ row, index, onToggle }: RowProps) {
  return row.kind === "region" ? (
    <Region region={row.region} index={index} onToggle={onToggle} />
  ) : (
    <Agent agent={row.agent} index={index} />
  );
}

function Region({ region, index, onToggle }: { region: RegionRow; index: number; onToggle: (region: string) => void }) {
  return (
    <tr class="region" aria-rowindex={index} data-testid={`region-${region.region}`}>
      <th scope="row">
        <button type="button" class="sort" aria-expanded={region.open} onClick={() => onToggle(region.region)}>
          <span aria-hidden="true">{region.open ? "▾" : "▸"}</span> {region.region || "no region"}{" "}
          <small>{plural(region.agents, "agent")}</small>
        </button>
      </th>
      <td>
        {region.states.map(([state, n]) => (
          <Mark key={state} kind={state}>{`${n} ${state}`}</Mark>
        ))}
      </td>
      <td>{count(region.users)}</td>
      <Health of={region} />
    </tr>
  );
}

function Agent({ agent, index }: { agent: AgentNow; index: number }) {
  return (
    <tr aria-rowindex={index} data-testid={`agent-${agent.id}`}>
      <th scope="row" class="id">
        {agent.id}
      </th>
      <td>
        <Mark kind={agent.state} />
      </td>
      <td>{count(agent.users)}</td>
      <Health of={agent} />
    </tr>
  );
}

function Health({ of }: { of: Pick<AgentNow, "clock_bound_s" | "cpu" | "lag_s" | "reported_s"> }) {
  return (
    <>
      <td>{duration(of.clock_bound_s)}</td>
      <td class={of.cpu !== null && of.cpu > 0.9 ? "bad" : ""}>
        {percent(of.cpu === null ? null : Math.round(of.cpu * 100) / 100)}
      </td>
      <td class={of.lag_s !== null && of.lag_s > 0.1 ? "bad" : ""}>{duration(of.lag_s)}</td>
      <td>{clock(of.reported_s)}</td>
    </>
  );
}
