/** Without the right token there is nothing to see; this says where it is and takes it. */
import { useState } from "preact/hooks";
import { tokenIn } from "../api/token";

export function TokenScreen({ wrong, onToken }: { wrong: boolean; onToken: (token: string) => void }) {
  const [text, setText] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (text.trim()) onToken(tokenIn(text));
  };
  return (
    <main class="token" data-testid="token-missing" data-wrong={wrong}>
      <h1>{wrong ? "This token is not the right one" : "A token is needed"}</h1>
      <p>
        Whoever holds the token can make load. The coordinator prints an address that contains it when it starts: open
        that one. It also stands in <code>control.json</code> in the folder of the run, which only you can read.
        {wrong && " A coordinator that was started anew has a new one."}
      </p>
      <form onSubmit={submit}>
        <label>
          Token, or the whole printed address
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={text}
            data-testid="token-input"
            onInput={(event) => setText(event.currentTarget.value)}
            autofocus
          />
        </label>
        <button type="submit" class="primary" data-testid="token-submit">
          Open
        </button>
      </form>
    </main>
  );
}
