/** Says how old the shown data is: nothing to see while it is fresh, a word after two seconds, a banner after five. */
import { useEffect, useState } from "preact/hooks";
import { type RunStore, useStore } from "../model/store";
import { staleness } from "../model/freshness";

const TICK_MS = 200;
const nowS = () => performance.now() / 1000;

/** The age of what is shown in seconds, kept up by its own timer because in the bad case nothing else happens. */
function useAge(store: RunStore): number | null {
  const [age, setAge] = useState<number | null>(null);
  useEffect(() => {
    const timer = setInterval(() => {
      const seconds = store.connection.state === "over" ? null : store.freshness.age(nowS());
      // Tenths are enough, and an unchanged state draws nothing.
      setAge(seconds === null ? null : Math.round(seconds * 10) / 10);
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [store]);
  return age;
}

export function FreshnessSign({ store, onRetry }: { store: RunStore; onRetry: () => void }) {
  const age = useAge(store);
  const connection = useStore(store, () => store.connection);
  const level = staleness(age);
  useEffect(() => {
    // Loudly old figures lose their colours everywhere, so that nobody reads one without noticing.
    document.documentElement.dataset.stale = level;
    return () => {
      delete document.documentElement.dataset.stale;
    };
  }, [level]);
  if (connection.state === "over")
    return (
      <span class="fresh-sign" data-testid="connection" data-state="over">
        final
      </span>
    );
  if (level === "loud" || (connection.state === "lost" && connection.failures > 2)) {
    const wait = connection.state === "lost" ? Math.max(0, connection.retryAt - nowS()) : null;
    return (
      <div class="stale-banner" data-testid="stale" data-level="loud">
        <strong role="alert">These figures are not current.</strong>{" "}
        <span>
          {age === null ? "No data yet." : `The newest are ${age.toFixed(0)} s old.`}{" "}
          {connection.state === "lost" ? `It seems that ${connection.why}.` : "The coordinator sends nothing."}
        </span>{" "}
        <span data-testid="connection" data-state={connection.state}>
          Reconnecting{wait ? `, next try in ${wait.toFixed(0)} s` : " …"}
        </span>
        <button type="button" class="small" onClick={onRetry}>
          try now
        </button>
      </div>
    );
  }
  if (level === "stale" || connection.state === "lost") {
    return (
      <span class="fresh-sign stale" data-testid="stale" data-level="stale">
        {age === null ? "no data" : `data is ${age.toFixed(1)} s old`}
        {connection.state === "lost" ? ", reconnecting" : ""}
      </span>
    );
  }
  return (
    <span class="fresh-sign" data-testid="connection" data-state={connection.state}>
      {connection.state === "open" ? "live" : "connecting …"}
    </span>
  );
}
