/** One component that looks at a transaction. A server renders it too: no JSX, which Node does not read, and no browser API. */
import { createElement, type ReactNode } from 'react';
import { useTransaction, type Message, type OpenedTransaction } from '../../../src/react/index.ts';

export interface ViewProps {
  readonly name: string;
  readonly opened: OpenedTransaction | null;
  /** None: the view has no handler. `fail-once` throws at the first call for each message. */
  readonly handler?: 'reply' | 'silent' | 'fail-once' | 'hold';
  /** Of the handler: another one is another closure. */
  readonly version?: number;
}

/** Where handlers note their calls, and wait. */
export interface Calls {
  readonly calls: string[];
  held(): Promise<void>;
}

export function View({ name, opened, handler, version = 1, scene }: ViewProps & { readonly scene: Calls }): ReactNode {
  const onMessage = async ({ sequence }: Message): Promise<unknown> => {
    const call = `${name}${version}:${sequence}`;
    const isFirst = !scene.calls.includes(call);
    scene.calls.push(call);
    if (handler === 'hold') await scene.held();
    if (handler === 'fail-once' && isFirst) throw new Error(`${name} cannot`);
    return handler === 'reply' ? { by: name, version } : undefined;
  };
  const { state, messages, latest } = useTransaction(opened, handler === undefined ? {} : { onMessage });
  const all = messages.map(({ type, data }) => `${type}=${JSON.stringify(data)}`);
  return createElement(
    'section',
    { 'data-view': name },
    createElement('output', null, `${state}: ${all.join(' ')}`),
    createElement('output', null, `latest note ${JSON.stringify(latest('note')?.data)}`),
  );
}
