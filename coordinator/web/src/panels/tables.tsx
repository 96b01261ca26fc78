/** What was called, what went wrong, and what is connected, in numbers. */
import { count, duration, percent, share } from "../model/format";
import { type RunStore, useRun } from "../model/store";
import { Heads } from "../ui/heads";
import { Nothing, Panel } from "../ui/panel";

export function CallsPanel({ store }: { store: RunStore }) {
  const calls = useRun(store, (run) => run.calls);
  return (
    <Panel id="calls" title="Calls" aside="begun = answered + failed + cut + open">
      {calls.length === 0 ? (
        <Nothing>No call has begun.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Calls">
          <table>
            <Heads of={["call", "begun", "answered", "failed", "cut", "open", "p50", "p90", "p99", "max"]} />
            <tbody>
              {calls.map((call) => (
                <tr key={call.name}>
                  <th scope="row">{call.name}</th>
                  <td>{count(call.begun)}</td>
                  <td>{count(call.answered)}</td>
                  <td class={call.failed > 0 ? "bad" : ""} title={percent(share(call.failed, call.begun))}>
                    {count(call.failed)}
                  </td>
                  <td>{count(call.cut)}</td>
                  <td>{count(call.open)}</td>
                  <td>{duration(call.p50)}</td>
                  <td>{duration(call.p90)}</td>
                  <td>{duration(call.p99)}</td>
                  <td>{duration(call.max)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

export function ErrorsPanel({ store }: { store: RunStore }) {
  const errors = useRun(store, (run) => run.errors);
  return (
    <Panel id="errors" title="Errors" aside={errors.length > 0 ? "with what one of each said" : undefined}>
      {errors.length === 0 ? (
        <Nothing>None so far.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Errors">
          <table class="errors">
            <Heads of={["kind", "count", "sample"]} text={["sample"]} />
            <tbody>
              {errors.map((error) => (
                <tr key={error.kind}>
                  <th scope="row">{error.kind}</th>
                  <td>{count(error.count)}</td>
                  <td class="sample">
                    <code>{error.sample}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

export function SocketsPanel({ store }: { store: RunStore }) {
  const sockets = useRun(store, (run) => run.sockets);
  if (sockets.length === 0) return null;
  return (
    <Panel id="sockets" title="Sockets">
      <div class="scroll" tabIndex={0} role="group" aria-label="Sockets">
        <table>
          <Heads of={["transport", "open", "opened", "failed", "closed", "sent", "received"]} />
          <tbody>
            {sockets.map((socket) => (
              <tr key={socket.transport}>
                <th scope="row">{socket.transport}</th>
                <td>{count(socket.open)}</td>
                <td>{count(socket.opened)}</td>
                <td class={socket.failed > 0 ? "bad" : ""}>{count(socket.failed)}</td>
                <td>{count(socket.closed)}</td>
                <td>{count(socket.sent)}</td>
                <td>{count(socket.received)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
