/** What one screen knows of one run: the run as it stands, its timeline, and whether that is current. Panels look at slices of it. */
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { RunNow, Snapshot } from "../api/types";
import { Freshness } from "./freshness";
import { same } from "./same";
import { Scaler } from "./scaler";
import { Timeline } from "./timeline";
import { Viewport } from "./viewport";

/** `over`: the run has ended and what is shown is final. */
export type Connection =
  | { state: "connecting" }
  | { state: "open" }
  | { state: "lost"; failures: number; retryAt: number; why: string }
  | { state: "over" };

/** Screens are told at most this often; between two tellings snapshots are merged, not drawn. */
const TELL_EVERY_MS = 250;

export class RunStore {
  readonly timeline = new Timeline();
  readonly scaler = new Scaler();
  readonly viewport = new Viewport();
  readonly freshness = new Freshness();
  run: RunNow;
  connection: Connection = { state: "connecting" };
  #listeners = new Set<() => void>();
  #told = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(run: RunNow) {
    this.run = run;
  }

  /** Takes a snapshot in that `timeline.merge` or `timeline.reset` has accepted. */
  show(snapshot: Snapshot, receivedS: number) {
    this.run = snapshot.run;
    this.freshness.received(snapshot.made_at, receivedS);
    this.tell();
  }

  connect(connection: Connection) {
    this.connection = connection;
    this.tell();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells everyone, now or as soon as the last telling is long enough ago. */
  tell() {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#told + TELL_EVERY_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#told = performance.now();
      for (const listener of this.#listeners) listener();
    }, wait);
  }
}

/** A slice of the run; the component draws again only when the slice says something else than before. */
export function useRun<T>(store: RunStore, select: (run: RunNow) => T): T {
  return useStore(store, () => select(store.run));
}

/** The same for anything that the store holds. */
export function useStore<T>(store: RunStore, select: () => T): T {
  const [, redraw] = useReducer((n: number, _: null) => n + 1, 0);
  const shown = useRef<T | undefined>(undefined);
  const value = select();
  const latest = useRef(select);
  latest.current = select;
  if (!same(shown.current, value)) shown.current = value;
  useEffect(
    () =>
      store.onChange(() => {
        if (!same(shown.current, latest.current())) redraw(null);
      }),
    [store],
  );
  return shown.current as T;
}

/** Whether a run has come to its end and will not change any more. */
export function isOver(run: RunNow): boolean {
  return run.state === "judged" || run.state === "failed" || run.state === "cancelled";
}
