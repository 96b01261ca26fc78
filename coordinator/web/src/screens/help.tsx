/** The keys, and the name under which commands are written to the run's audit log. */
import { useState } from "preact/hooks";
import type { Client } from "../api/client";
import { Dialog } from "../ui/dialog";
import { SHORTCUTS } from "../ui/keys";

export const NAME_KEY = "rehearsal.name";

/** The server takes visible ASCII, up to 64 characters. */
export function acceptedName(name: string): string {
  return (
    name
      .replace(/[^\x21-\x7e]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 64) || "dashboard"
  );
}

export function HelpDialog({ client, onClose }: { client: Client; onClose: () => void }) {
  const [name, setName] = useState(localStorage.getItem(NAME_KEY) ?? "");
  const rename = (text: string) => {
    setName(text);
    localStorage.setItem(NAME_KEY, text);
    client.by = acceptedName(text);
  };
  return (
    <Dialog title="Keys" onClose={onClose} testid="help">
      <dl class="keys">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p>In charts: drag to zoom all of them, double click to go back, hover to read the same second everywhere.</p>
      <label class="name">
        Your name in the audit log{" "}
        <input
          type="text"
          value={name}
          placeholder="dashboard"
          data-testid="operator"
          onInput={(event) => rename(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
