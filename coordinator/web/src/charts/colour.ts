/** Colours for canvases. The style sheet owns them; a canvas cannot read `var()`, so a hidden element resolves them. */

const resolved = new Map<string, string>();
let probe: HTMLElement | undefined;

/** The colour of a custom property such as `--live`, as it now is. */
export function colour(name: string): string {
  let value = resolved.get(name);
  if (value === undefined) {
    if (!probe) {
      probe = document.createElement("span");
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(${name})`;
    value = getComputedStyle(probe).color;
    resolved.set(name, value);
  }
  return value;
}

/** Its red, green and blue, 0 to 255. */
export function rgb(name: string): [number, number, number] {
  const [r = 0, g = 0, b = 0] =
    colour(name)
      .match(/[\d.]+/g)
      ?.map(Number) ?? [];
  return [r, g, b];
}

/** Names of the colours that series take in turn where none has a meaning of its own. */
export const PALETTE = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

const listeners = new Set<() => void>();

export function onThemeChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** To be called when the theme may have changed. */
export function themeChanged() {
  resolved.clear();
  for (const listener of listeners) listener();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
// Paper is light whatever the screen is; the style sheet says so, and canvases have to follow.
matchMedia("print").addEventListener("change", themeChanged);
