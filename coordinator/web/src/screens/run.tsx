/** One run, live or finished: head, controls, figures, charts, and everything behind them. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Client, REPORT_FORMATS, type Refused, type ReportFormat } from "../api/client";
import { Feed } from "../api/feed";
import { ControlBar } from "../controls/bar";
import { Commander } from "../controls/commander";
import { emptyRun } from "../model/empty";
import { isOver, RunStore, useRun, useStore } from "../model/store";
import { FOLLOWS } from "../model/viewport";
import { Figures } from "../panels/figures";
import { useKeys } from "../ui/keys";
import { ThemeButton, useTheme } from "../ui/theme";
import { FreshnessSign } from "./freshness";
import { RunProgress, RunTitle } from "./head";
import { HelpDialog } from "./help";
import { RunBody } from "./body";
import { Wall } from "./wall";

interface Props {
  id: string;
  client: Client;
  onRefused: (refused: Refused) => void;
}

export function RunScreen({ id, client, onRefused }: Props) {
  const [store, commander] = useMemo(
    () => [new RunStore(emptyRun(id)), new Commander(client, id)] as const,
    [id, client],
  );
  const feed = useMemo(() => new Feed(store, client, onRefused), [store, client]);
  useEffect(() => {
    void feed.run();
    return () => feed.stop();
  }, [feed]);
  const [wall, setWall] = useState(false);
  const [help, setHelp] = useState(false);
  const theme = useTheme();
  const known = useStore(store, () => store.timeline.revision > 0 || store.run.scenario !== "");
  const over = useRun(store, isOver);
  useKeys({
    w: () => setWall(!wall),
    "?": () => setHelp(true),
    t: theme.next,
    f: () => store.viewport.reset(FOLLOWS[(FOLLOWS.indexOf(store.viewport.follow) + 1) % FOLLOWS.length]),
    ...(wall ? { Escape: () => setWall(false) } : {}),
  });
  const sign = <FreshnessSign store={store} onRetry={() => feed.retryNow()} />;
  if (wall) return <Wall store={store} sign={sign} onLeave={() => setWall(false)} />;
  return (
    <>
      <div class="top">
        <header class="head">
          <a class="home" href="#/" title="All runs" aria-label="All runs">
            ‹ runs
          </a>
          <RunTitle store={store} />
          <RunProgress store={store} />
          {sign}
          <nav class="tools" aria-label="View">
            <button
              type="button"
              class="quiet"
              onClick={() => setWall(true)}
              data-testid="wall-open"
              title="Big figures (w)"
            >
              wall
            </button>
            <ThemeButton {...theme} />
            <button
              type="button"
              class="quiet"
              onClick={() => setHelp(true)}
              data-testid="help-open"
              aria-label="Keys"
              title="Keys (?)"
            >
              ?
            </button>
          </nav>
        </header>
        {known && !over && <ControlBar store={store} commander={commander} />}
      </div>
      <main>
        {!known ? (
          <p class="nothing">Waiting for the coordinator …</p>
        ) : (
          <>
            {over && <Reports client={client} id={id} />}
            <Figures store={store} />
            <RunBody store={store} />
          </>
        )}
      </main>
      {help && <HelpDialog client={client} onClose={() => setHelp(false)} />}
    </>
  );
}

function Reports({ client, id }: { client: Client; id: string }) {
  const [problem, setProblem] = useState("");
  const save = (format: ReportFormat) =>
    client.saveReport(id, format).then(
      () => setProblem(""),
      (error: Error) => setProblem(error.message),
    );
  return (
    <section class="reports" aria-label="Reports">
      <span>Save the report:</span>
      {REPORT_FORMATS.map((format) => (
        <button
          type="button"
          class="quiet small"
          key={format}
          data-testid={`report-${format}`}
          onClick={() => void save(format)}
        >
          {format}
        </button>
      ))}
      {problem && (
        <span role="alert" class="bad">
          {problem}
        </span>
      )}
    </section>
  );
}
