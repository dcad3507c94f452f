/** Instants and durations as people read them. */

const TIME = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});

/** `14:03:22.481`, in local time. */
export function timeText(instant: string): string {
  return TIME.format(new Date(instant));
}

/** `< 1 ms`, `3 ms`, `1.25 s`, `2 min 5 s`, `3 h 4 min`. */
export function durationText(ms: number): string {
  if (ms < 1) return '< 1 ms';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The same, as the distance from what came before. */
export function gapText(ms: number): string {
  return ms < 1 ? durationText(ms) : `+${durationText(ms)}`;
}
