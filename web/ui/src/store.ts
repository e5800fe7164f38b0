/** A value that components watch. Replaced whole, never changed in place. */
import { useEffect, useRef, useState } from "preact/hooks";

export class Store<S extends object> {
  private readonly watchers = new Set<() => void>();

  constructor(private state: S) {}

  get(): S {
    return this.state;
  }

  set(change: Partial<S>): void {
    this.state = { ...this.state, ...change };
    for (const watcher of [...this.watchers]) watcher();
  }

  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}

/** The selected part of a store; the component renders again when that part becomes another value. */
export function useStore<S extends object, T>(store: Store<S>, select: (state: S) => T): T {
  const [, render] = useState(0);
  const selected = select(store.get());
  const shown = useRef({ select, selected });
  shown.current = { select, selected };
  useEffect(() => {
    const look = () => {
      const next = shown.current.select(store.get());
      if (!Object.is(next, shown.current.selected)) {
        shown.current.selected = next;
        render((count) => count + 1);
      }
    };
    look(); // what changed between the first rendering and this effect
    return store.watch(look);
  }, [store]);
  return selected;
}
