/** Outcomes, states and severities as a symbol and a word, so that nobody needs to see the colour. */

const LOOKS: Record<string, [symbol: string, tone: string, word?: string]> = {
  pass: ["✓", "good"],
  fail: ["✗", "bad"],
  inconclusive: ["?", "warn"],
  no_data: ["∅", "warn", "no data"],
  error: ["✗", "bad"],
  warning: ["!", "warn"],
  info: ["i", "calm"],
  good: ["✓", "good"],
  fair: ["!", "warn"],
  poor: ["✗", "bad"],
  running: ["▶", "live"],
  paused: ["‖", "warn"],
  stopping: ["■", "warn"],
  judged: ["●", "calm"],
  failed: ["✗", "bad"],
  cancelled: ["○", "calm"],
  connected: ["●", "good"],
  joined: ["○", "calm"],
  closed: ["◌", "calm"],
  ended: ["■", "calm"],
  silent: ["!", "warn"],
  expired: ["✗", "bad"],
  announced: ["○", "calm"],
  sent: ["✓", "good"],
  "nothing sent": ["!", "warn"],
  unknown: ["?", "warn"],
};

export function Mark({ kind, testid, children }: { kind: string; testid?: string; children?: string }) {
  const [symbol, colour, word] = LOOKS[kind] ?? ["●", "calm"];
  return (
    <span class={`mark ${colour}`} data-testid={testid} data-kind={kind}>
      <span aria-hidden="true">{symbol}</span> {children ?? word ?? kind}
    </span>
  );
}
