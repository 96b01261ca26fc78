/** Asks before it stops. The two ways stand side by side with what they do to users. */
import { Dialog } from "../ui/dialog";
import type { Commander } from "./commander";

interface Props {
  commander: Commander;
  onClose: () => void;
  stopping: boolean;
}

export function StopDialog({ commander, onClose, stopping }: Props) {
  const stop = (now: boolean) => {
    void commander.send({ kind: "stop", now });
    onClose();
  };
  return (
    <Dialog title="Stop this run?" onClose={onClose} testid="stop-dialog">
      <p>
        <b>Stop</b>: nobody arrives any more, users leave, calls in flight get 5 s to be answered.
      </p>
      <p>
        <b>Stop now</b>: everything is cut at once; calls in flight count as cut.
      </p>
      <p class="hint">Either way the numbers are collected, and the run is judged. It cannot be continued.</p>
      <div class="buttons">
        <button type="button" onClick={onClose} data-testid="stop-cancel">
          Go on
        </button>
        <button type="button" class="danger quiet" onClick={() => stop(true)} data-testid="stop-now">
          Stop now
        </button>
        {!stopping && (
          <button type="button" class="danger" autofocus onClick={() => stop(false)} data-testid="stop-confirm">
            Stop
          </button>
        )}
      </div>
    </Dialog>
  );
}
