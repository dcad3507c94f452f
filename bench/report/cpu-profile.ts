/** A V8 CPU profile, cut to a time and made into a tree of functions with their times. */
import { z } from 'zod';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
      children: z.array(z.int()).optional(),
    }),
  ),
  /** On the clock of `process.hrtime`, in microseconds. */
  startTime: z.number(),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
});

type Profile = z.infer<typeof profileSchema>;

/** The form that d3-flame-graph draws; `value` is the time in the function and what it called, in microseconds. */
export interface Frame {
  readonly name: string;
  readonly value: number;
  readonly children: readonly Frame[];
}

export interface Window {
  readonly fromUs: number;
  readonly toUs: number;
}

/** A thread that waits is no work. */
const WAITING = '(idle)';

/** @throws Error when the text is no profile */
export function readProfile(text: string, window: Window): Frame {
  const profile = profileSchema.parse(JSON.parse(text));
  const own = ownTimes(profile, window);
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const frameOf = (id: number): Frame => {
    const node = byId.get(id);
    const children = merged((node?.children ?? []).map(frameOf)).filter(({ value, name }) => value > 0 && name !== WAITING);
    const value = (own.get(id) ?? 0) + children.reduce((sum, child) => sum + child.value, 0);
    return { name: nameOf(node?.callFrame), value, children };
  };
  return frameOf(profile.nodes[0]?.id ?? 0);
}

/** The functions with the most time of their own, as shares of all that was not waiting. */
export function heaviest(root: Frame, count: number): { readonly name: string; readonly share: number }[] {
  const own = new Map<string, number>();
  const add = ({ name, value, children }: Frame): void => {
    const rest = value - children.reduce((sum, child) => sum + child.value, 0);
    own.set(name, (own.get(name) ?? 0) + rest);
    for (const child of children) add(child);
  };
  add(root);
  const sorted = [...own].toSorted(([, a], [, b]) => b - a).slice(0, count);
  return sorted.map(([name, time]) => ({ name, share: root.value === 0 ? 0 : time / root.value }));
}

function ownTimes({ samples, timeDeltas, startTime }: Profile, { fromUs, toUs }: Window): Map<number, number> {
  const own = new Map<number, number>();
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0;
    at += delta;
    if (at >= fromUs && at <= toUs) own.set(id, (own.get(id) ?? 0) + Math.max(0, delta));
  }
  return own;
}

/** The same function, called from two lines of its caller, is two nodes. */
function merged(frames: readonly Frame[]): Frame[] {
  return [...Map.groupBy(frames, ({ name }) => name)].map(([name, same]) => {
    const [only] = same;
    if (only !== undefined && same.length === 1) return only;
    return {
      name,
      value: same.reduce((sum, { value }) => sum + value, 0),
      children: merged(same.flatMap(({ children }) => children)),
    };
  });
}

function nameOf(frame: Profile['nodes'][number]['callFrame'] | undefined): string {
  if (frame === undefined) return '(root)';
  const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
  return frame.url === '' ? name : `${name} ${shortened(frame.url)}:${frame.lineNumber + 1}`;
}

/** From the package or the folder of the sources on: the rest is the same everywhere. */
function shortened(url: string): string {
  return url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/(node_modules|dist|src|bench)\//, (_, folder: string) => (folder === 'node_modules' ? '' : `${folder}/`));
}
