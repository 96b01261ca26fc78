/** What happened, newest first. */
import { useState } from "preact/hooks";
import type { EventRow } from "../api/types";
import { clock } from "../model/format";
import { type RunStore, useRun } from "../model/store";
import { Nothing, Panel } from "../ui/panel";

/** Lines shown at first; the server keeps 500. */
const FIRST = 60;
const SYMBOLS: Record<EventRow["kind"], string> = { run: "●", control: "▲", agent: "◆", cue: "★", threshold: "✗" };

export function EventsPanel({ store }: { store: RunStore }) {
  const events = useRun(store, (run) => run.events);
  const [all, setAll] = useState(false);
  const newest = [...events].reverse().slice(0, all ? undefined : FIRST);
  return (
    <Panel id="events" title="Event log" class="events">
      {events.length === 0 && <Nothing>Nothing has happened yet.</Nothing>}
      <ol class="log" tabIndex={0} aria-label="Events, newest first">
        {newest.map((event, index) => (
          <li key={`${events.length - index} ${event.text}`} class={`event ${event.kind}`}>
            <time>{clock(event.at_s)}</time>
            <span class="kind" title={event.kind} role="img" aria-label={event.kind}>
              {SYMBOLS[event.kind]}
            </span>
            <span>
              <b>{event.who}</b> {event.text}
            </span>
          </li>
        ))}
      </ol>
      {!all && events.length > FIRST && (
        <button type="button" class="quiet small" onClick={() => setAll(true)}>
          all {events.length}
        </button>
      )}
    </Panel>
  );
}
