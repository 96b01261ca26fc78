/** The first screen: what to rehearse, what that would be, and what was rehearsed. A live run is gone to at once. */
import { useEffect, useState } from "preact/hooks";
import { type Client, Refused } from "../api/client";
import type { Forecast, Problem, RunEntry, RunRequest, ScenarioEntry } from "../api/types";
import { useKeys } from "../ui/keys";
import { ThemeButton, useTheme } from "../ui/theme";
import { ConsentDialog, foreignHosts } from "./consent";
import { ForecastPanel, Problems } from "./forecast";
import { HelpDialog } from "./help";
import { RequestForm } from "./request";
import { RunsPanel } from "./runs";

/** After a change the forecast waits for the next one; this long. */
const SETTLE_MS = 350;
const REFRESH_MS = 3_000;

interface Props {
  client: Client;
  onRefused: (refused: Refused) => void;
}

/** A page that was just opened goes to the live run; a person who came back from one does not want to be sent there again. */
let justOpened = !location.hash.startsWith("#/runs/");

const openRun = (id: string) => {
  location.hash = `#/runs/${encodeURIComponent(id)}`;
};

export function ChooseScreen({ client, onRefused }: Props) {
  const [scenarios, setScenarios] = useState<ScenarioEntry[] | null>(null);
  const [runs, setRuns] = useState<RunEntry[] | null>(null);
  const [trouble, setTrouble] = useState("");
  const [request, setRequest] = useState<RunRequest | null>(null);
  const [help, setHelp] = useState(false);
  const theme = useTheme();
  const failed = (error: unknown) => {
    if (error instanceof Refused && error.status === 401) onRefused(error);
    else setTrouble(error instanceof Error ? error.message : String(error));
  };
  const loadRuns = () =>
    client.runs().then((found) => {
      setTrouble("");
      setRuns(found);
      const live = found.find((run) => run.live);
      if (live && justOpened) openRun(live.id);
      justOpened = false;
    }, failed);

  useEffect(() => {
    client.scenarios().then(setScenarios, (error: unknown) => {
      setScenarios([]);
      failed(error);
    });
    void loadRuns();
    const timer = setInterval(() => void loadRuns(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [client]);
  useKeys({ "?": () => setHelp(true), t: theme.next });

  return (
    <>
      <header class="head">
        <div class="title">
          <h1>Rehearsal</h1>
        </div>
        <nav class="tools" aria-label="View">
          <ThemeButton {...theme} />
          <button type="button" class="quiet" onClick={() => setHelp(true)} aria-label="Keys" title="Keys (?)">
            ?
          </button>
        </nav>
      </header>
      <main class="choose" data-testid="choose">
        {trouble && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        {scenarios !== null && scenarios.length > 0 && (
          <div class="columns even">
            <RequestForm scenarios={scenarios} onChange={setRequest} />
            <Preview client={client} request={request} />
          </div>
        )}
        {runs !== null && <RunsPanel runs={runs} client={client} onChange={() => void loadRuns()} />}
        {runs === null && !trouble && <p class="nothing">Asking the coordinator …</p>}
      </main>
      {help && <HelpDialog client={client} onClose={() => setHelp(false)} />}
    </>
  );
}

type Answered =
  | { state: "none" }
  | { state: "forecast"; forecast: Forecast }
  | { state: "refused"; text: string; problems: Problem[] };

/** The forecast of what is chosen, and the start. */
function Preview({ client, request }: { client: Client; request: RunRequest | null }) {
  const [answer, setAnswer] = useState<Answered>({ state: "none" });
  const [starting, setStarting] = useState(false);
  const [asking, setAsking] = useState(false);
  const key = JSON.stringify(request);
  const refused = (error: unknown) =>
    setAnswer({
      state: "refused",
      text: error instanceof Error ? error.message : String(error),
      problems: error instanceof Refused ? error.problems : [],
    });
  useEffect(() => {
    if (!request) return;
    let stale = false;
    const timer = setTimeout(() => {
      client.forecast(request).then(
        (forecast) => {
          if (!stale) setAnswer({ state: "forecast", forecast });
        },
        (error: unknown) => {
          if (!stale) refused(error);
        },
      );
    }, SETTLE_MS);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [key]);

  const start = (yes: boolean) => {
    if (!request) return;
    setAsking(false);
    setStarting(true);
    client
      .start({ ...request, yes })
      .then(openRun, refused)
      .finally(() => setStarting(false));
  };
  if (answer.state === "refused") return <Problems text={answer.text} problems={answer.problems} />;
  if (answer.state === "none")
    return (
      <section class="panel">
        <p class="nothing">Choose a scenario to see its forecast.</p>
      </section>
    );
  const { forecast } = answer;
  return (
    <>
      <ForecastPanel
        forecast={forecast}
        starting={starting}
        onStart={() => (foreignHosts(forecast).length > 0 ? setAsking(true) : start(false))}
      />
      {asking && <ConsentDialog forecast={forecast} onStart={() => start(true)} onClose={() => setAsking(false)} />}
    </>
  );
}
