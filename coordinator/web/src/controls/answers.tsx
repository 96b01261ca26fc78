/** What became of each command: who applied it at which second, and who has not said so yet. */
import type { Answer } from "../api/types";
import { clock, plural } from "../model/format";
import { type Commander, type Sent, useSent } from "./commander";

export function Answers({ commander }: { commander: Commander }) {
  const sent = useSent(commander);
  return (
    <ol class="answers" aria-live="polite" aria-label="Answers to commands">
      {sent.map((entry, index) => (
        <AnswerLine key={entry.number} entry={entry} newest={index === 0} />
      ))}
    </ol>
  );
}

function AnswerLine({ entry, newest }: { entry: Sent; newest: boolean }) {
  const { outcome } = entry;
  return (
    <li class={`answer ${outcome.state}`} data-testid={newest ? "answer" : undefined} data-state={outcome.state}>
      {outcome.state === "waiting" && (
        <>
          <b>{entry.text}</b> sent, waiting for agents …
        </>
      )}
      {outcome.state === "refused" && (
        <>
          <b>{entry.text}</b> ✗ {outcome.text}
        </>
      )}
      {outcome.state === "answered" && <Applied text={entry.text} answer={outcome.answer} />}
    </li>
  );
}

/** Agents that are named before the rest becomes a number. */
const NAMED = 3;

function Applied({ text, answer }: { text: string; answer: Answer }) {
  const late = answer.applied.filter((applied) => applied.missed > 0).length;
  const pending = answer.pending.slice(0, NAMED).join(", ");
  const more = answer.pending.length - NAMED;
  return (
    <>
      <b>{text}</b> by {answer.by}, effective {clock(answer.at_s)}: {answer.text}
      {answer.applied.length > 0 && (
        <span class="applied">
          {" "}
          ✓ {plural(answer.applied.length, "agent")}
          {late > 0 ? `, ${late} late` : ""}
        </span>
      )}
      {answer.pending.length > 0 && (
        <span class="pending" data-testid="pending">
          {" "}
          waiting for {pending}
          {more > 0 ? ` and ${more} more` : ""}
        </span>
      )}
    </>
  );
}
