/** Reads an event stream from text in pieces. The browser's EventSource cannot send a header, and the token travels in one. */

export interface StreamEvent {
  event: string;
  data: string;
  id: string;
}

/** Takes text as it arrives and returns the events that it completes; comments (keep-alives) return none. */
export class EventStreamParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id = "";

  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    // A carriage return at the very end may be half of a line end; it waits for its other half.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line, events);
    return events;
  }

  #line(line: string, events: StreamEvent[]) {
    if (line === "") return this.#dispatch(events);
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.#id = value;
  }

  #dispatch(events: StreamEvent[]) {
    if (this.#data.length > 0 || this.#event === "end") {
      events.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
    }
    this.#event = "";
    this.#data = [];
  }
}
