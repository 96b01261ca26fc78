/** A titled box, and what it says when it has nothing to show. */
import type { ComponentChildren } from "preact";

interface Props {
  id: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}

export function Panel({ id, title, aside, children, class: extra = "" }: Props) {
  return (
    <section class={`panel ${extra}`} id={id} data-testid={`panel-${id}`} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {aside !== undefined && <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

export const Nothing = ({ children }: { children: ComponentChildren }) => <p class="nothing">{children}</p>;
