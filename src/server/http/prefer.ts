/** The preference `wait` (RFC 7240, section 4.3). What is no valid preference is ignored, as that document asks. */

/** Seconds, as asked for; undefined where no wait is preferred. The first of several counts. */
export function preferredWaitSeconds(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  for (const preference of [header].flat().join(',').split(',')) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference)?.[1];
    if (seconds !== undefined) return Number(seconds);
  }
  return undefined;
}
