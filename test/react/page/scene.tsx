/** The page under test: shows whatever views the test asks for, and notes every call of their handlers. */
import { StrictMode, type ReactNode } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { View, type Calls, type ViewProps } from './view.ts';

/** What the test calls through `page.evaluate`. */
class Scene implements Calls {
  /** `<name of the view><version of its handler>:<sequence>` of each call, in order. */
  readonly calls: string[] = [];
  readonly #gates: (() => void)[] = [];
  #root: Root | undefined;

  /** Shows these views, and none else. */
  show(views: readonly ViewProps[]): void {
    this.#root ??= createRoot(container());
    this.#root.render(this.#tree(views));
  }

  /** On top of what a server rendered of the same views. */
  hydrate(views: readonly ViewProps[]): void {
    this.#root = hydrateRoot(container(), this.#tree(views));
  }

  /** Until `release()`. */
  held(): Promise<void> {
    return new Promise((resolve) => this.#gates.push(resolve));
  }

  release(): void {
    for (const gate of this.#gates.splice(0)) gate();
  }

  #tree(views: readonly ViewProps[]): ReactNode {
    return (
      <StrictMode>
        {views.map((view) => (
          <View key={view.name} scene={this} {...view} />
        ))}
      </StrictMode>
    );
  }
}

function container(): HTMLElement {
  const found = document.getElementById('root');
  if (found === null) throw new Error('the page has no #root');
  return found;
}

declare global {
  interface Window {
    scene: Scene;
  }
}

window.scene = new Scene();
