/** A button that, when it can do nothing, says why: it stays reachable by keyboard, so that the reason is too. */
import type { ComponentChildren } from "preact";

interface Props {
  testid: string;
  onPress: () => void;
  /** Why it cannot be pressed now; null when it can. */
  blocked: string | null;
  class?: string;
  /** The key that does the same. */
  shortcut?: string;
  children: ComponentChildren;
}

export function Action({ testid, onPress, blocked, class: look = "", shortcut, children }: Props) {
  const title = blocked ?? (shortcut ? `Key: ${shortcut}` : undefined);
  return (
    <button
      type="button"
      class={look}
      data-testid={testid}
      aria-disabled={blocked !== null}
      title={title}
      aria-keyshortcuts={shortcut}
      onClick={() => {
        if (blocked === null) onPress();
      }}
    >
      {children}
      {shortcut && <kbd aria-hidden="true">{shortcut}</kbd>}
    </button>
  );
}
