/** The token: it comes in the fragment of the printed address, which no server sees, and is kept for this tab only. */

const KEY = "rehearsal.token";

/** Takes a token out of the address bar, so that it is neither bookmarked nor shared by accident, and returns the known one. */
export function takeToken(): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

export function keepToken(token: string) {
  sessionStorage.setItem(KEY, token);
}

/** A pasted token may be the whole printed address. */
export function tokenIn(pasted: string): string {
  const text = pasted.trim();
  return /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text;
}
