/** Dark, light, or as the system has it; kept in this browser. */
import { useState } from "preact/hooks";
import { themeChanged } from "../charts/colour";

const THEMES = ["system", "dark", "light"] as const;
type Theme = (typeof THEMES)[number];
const KEY = "rehearsal.theme";
const SYMBOLS: Record<Theme, string> = { system: "◐", dark: "●", light: "○" };

/** A browser may forbid storage to a page that was opened from a file. */
function stored(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system";
  }
}

function apply(theme: Theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeChanged();
}

export function useTheme(): { theme: Theme; next: () => void } {
  const [theme, setTheme] = useState<Theme>(() => {
    const kept = stored();
    apply(kept);
    return kept;
  });
  const next = () => {
    const following = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    try {
      localStorage.setItem(KEY, following);
    } catch {
      /* It holds for this visit. */
    }
    apply(following);
    setTheme(following);
  };
  return { theme, next };
}

export function ThemeButton({ theme, next }: { theme: Theme; next: () => void }) {
  return (
    <button
      type="button"
      class="quiet"
      data-testid="theme"
      onClick={next}
      title="Theme (t)"
      aria-label={`Theme: ${theme}`}
    >
      <span aria-hidden="true">{SYMBOLS[theme]}</span> {theme}
    </button>
  );
}
