/**
 * Keeps a store current: reads the event stream, asks for seconds that it missed, and comes back by itself after the
 * connection or the coordinator was away.
 */
import { backoff } from "../model/backoff";
import { isOver, type RunStore } from "../model/store";
import { type Client, Refused } from "./client";
import { EventStreamParser } from "./sse";
import type { Snapshot } from "./types";

/** The server sends a comment every few seconds; a connection that says nothing for so long is dead, whatever TCP believes. */
const SILENCE_MS = 15_000;

const nowS = () => performance.now() / 1000;

export class Feed {
  #stop = new AbortController();
  #failures = 0;
  #wake: (() => void) | undefined;
  #askedForScaler = -Infinity;
  /** The last request for the autoscaler; the next one waits for it. */
  #scaler: Promise<void> = Promise.resolve();

  /** `onRefused` hears of answers that trying again cannot change: the token is wrong, or the run is gone. */
  constructor(
    readonly store: RunStore,
    readonly client: Client,
    readonly onRefused: (refused: Refused) => void,
  ) {}

  async run() {
    const signal = this.#stop.signal;
    while (!signal.aborted) {
      try {
        await this.#catchUp(0);
        if (isOver(this.store.run)) break;
        await this.#listen(signal);
        await this.#catchUp(0).catch((error: unknown) => {
          // The coordinator of `start` goes with its run; what it sent last is final.
          if (!isOver(this.store.run)) throw error;
        });
        if (!isOver(this.store.run)) throw new Error("the coordinator ended the event stream");
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused && (error.status === 401 || error.status === 404)) return this.onRefused(error);
        await this.#pause(error instanceof Error ? error.message : String(error));
      }
    }
    await this.#catchUpWithScaler();
    if (!signal.aborted) this.store.connect({ state: "over" });
  }

  /** Tries again at once instead of when the wait is over. */
  retryNow() {
    this.#wake?.();
  }

  stop() {
    this.#stop.abort();
    this.#wake?.();
  }

  /**
   * Fetches what changed since a revision. After every new connection that is everything: the coordinator may have been
   * started anew in between, and revisions of two lives cannot be compared.
   */
  async #catchUp(since: number): Promise<void> {
    const { timeline } = this.store;
    const snapshot = await this.client.timeline(this.store.run.id, since, this.#stop.signal);
    if (since === 0) {
      timeline.reset(snapshot);
      this.store.scaler.doubt();
    } else if (timeline.merge(snapshot) === "gap") return this.#catchUp(0);
    this.#show(snapshot);
  }

  #show(snapshot: Snapshot) {
    this.store.show(snapshot, nowS());
    if (nowS() - this.#askedForScaler >= 1) void this.#catchUpWithScaler();
  }

  /** Fetches what is new of the autoscaler. Screens go on without it: what failed is asked for with a later snapshot. */
  #catchUpWithScaler(): Promise<void> {
    this.#askedForScaler = nowS();
    this.#scaler = this.#scaler.then(async () => {
      const { run, scaler } = this.store;
      const newest = run.autoscaler?.revision ?? null;
      if (newest === null || newest === scaler.revision) return;
      const from = scaler.missingFrom;
      try {
        scaler.merge(await this.client.autoscaler(run.id, from, this.#stop.signal), from, newest);
        this.store.tell();
      } catch {
        // Refused, or broken off: whatever it was, a later snapshot asks again.
      }
    });
    return this.#scaler;
  }

  /** Reads the stream until it ends by itself; a stream that breaks off or falls silent throws. */
  async #listen(signal: AbortSignal) {
    const silence = new AbortController();
    const answer = await this.client.events(this.store.run.id, AbortSignal.any([signal, silence.signal]));
    if (!answer.body) throw new Error("the event stream has no body");
    this.#failures = 0;
    this.store.connect({ state: "open" });
    const parser = new EventStreamParser();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const watchdog = setTimeout(() => silence.abort(new Error("nothing came for a while")), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(watchdog));
      if (done) throw new Error("the event stream broke off");
      const events = parser.push(value);
      const newest = events.filter((event) => event.event === "message").pop();
      // Of several that arrived at once only the newest is read, as the server does for slow readers.
      if (newest) await this.#take(JSON.parse(newest.data) as Snapshot, events.length > 1);
      if (events.some((event) => event.event === "end")) return void (await reader.cancel());
    }
  }

  async #take(snapshot: Snapshot, skipped: boolean) {
    const { timeline } = this.store;
    const merged = timeline.merge(snapshot);
    if (merged === "gap") return this.#catchUp(timeline.revision);
    if (merged === "old" && !skipped && snapshot.revision < timeline.revision) return this.#catchUp(0);
    if (merged === "merged") this.#show(snapshot);
  }

  async #pause(why: string) {
    this.#failures += 1;
    const wait = backoff(this.#failures, Math.random());
    this.store.connect({ state: "lost", failures: this.#failures, retryAt: nowS() + wait / 1000, why });
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, wait);
    });
    this.#wake = undefined;
  }
}
