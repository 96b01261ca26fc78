/** Which screen is shown: the one for the token, the choice of what to rehearse, or a run. The address names the run. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { Client, type Refused } from "../api/client";
import { keepToken, takeToken } from "../api/token";
import { ChooseScreen } from "./choose";
import { NAME_KEY, acceptedName } from "./help";
import { RunScreen } from "./run";
import { TokenScreen } from "./token";

const runInAddress = () => /^#\/runs\/(.+)$/.exec(location.hash)?.[1] ?? null;

export function App() {
  const [token, setToken] = useState(takeToken);
  const [wrong, setWrong] = useState(false);
  const [run, setRun] = useState(runInAddress);
  const client = useMemo(() => {
    const made = new Client(token ?? "");
    made.by = acceptedName(localStorage.getItem(NAME_KEY) ?? "");
    return made;
  }, [token]);

  useEffect(() => {
    const onHash = () => {
      const fresh = takeToken();
      if (fresh !== token) {
        setToken(fresh);
        setWrong(false);
      }
      setRun(runInAddress());
    };
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, [token]);

  const onRefused = (refused: Refused) => {
    if (refused.status === 401) setWrong(true);
    else {
      location.hash = "#/";
    }
  };
  if (token === null || wrong) {
    return (
      <TokenScreen
        wrong={wrong}
        onToken={(given) => {
          keepToken(given);
          setToken(given);
          setWrong(false);
        }}
      />
    );
  }
  if (run !== null) return <RunScreen key={run} id={decodeURIComponent(run)} client={client} onRefused={onRefused} />;
  return <ChooseScreen client={client} onRefused={onRefused} />;
}
