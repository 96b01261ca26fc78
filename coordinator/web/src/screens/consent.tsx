/** Load on other people's machines takes a second word: what leaves this machine is named, and only then is "yes" said. */
import type { Forecast } from "../api/types";
import { count, plural } from "../model/format";
import { Dialog } from "../ui/dialog";

/** The hosts of a forecast that are not this machine. */
export function foreignHosts({ allow }: Forecast): string[] {
  return allow.filter((host) => !/^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)(:\d+)?$/.test(host));
}

interface Props {
  forecast: Forecast;
  onStart: () => void;
  onClose: () => void;
}

export function ConsentDialog({ forecast, onStart, onClose }: Props) {
  const { agents, price_usd_per_h: price } = forecast;
  return (
    <Dialog title={`Load ${forecast.target}?`} onClose={onClose} testid="consent">
      <p>
        {plural(forecast.users, "user")}, up to {count(forecast.peak_arrivals_per_s)} arriving in a second, from{" "}
        {plural(agents.count, "agent")} ({agents.launch}).
      </p>
      <p>
        May reach: <b>{foreignHosts(forecast).join(", ")}</b>
      </p>
      {price !== null && (
        <p>
          About <b>${price.toFixed(2)}</b> per hour until the fleet is taken down.
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Not now
        </button>
        <button type="button" class="primary" autofocus data-testid="start-confirm" onClick={onStart}>
          Start
        </button>
      </div>
    </Dialog>
  );
}
