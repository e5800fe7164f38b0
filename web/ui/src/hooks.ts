/** Time and repeated requests as hooks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { problemFrom } from "./components/notice";
import type { Problem } from "./schema";
import { state } from "./session";
import { useStore } from "./store";

/** The appliance's time now, in ms; a new value each second while the page is visible. */
export function useNow(): number {
  const offset = useStore(state, (s) => s.clockOffsetMs);
  const [own, setOwn] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && setOwn(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return own + offset;
}

export interface Polled<T> {
  /** Undefined until the first answer; then the latest one, also while a newer one is asked for. */
  value: T | undefined;
  problem: Problem | null;
}

/**
 * What `ask` answers, asked again `everyMs` after each answer while the page is visible.
 *
 * When `key` changes the old answer is dropped: it belongs to something else.
 */
export function usePolled<T>(key: string, everyMs: number, ask: () => Promise<T>): Polled<T> {
  const [answer, setAnswer] = useState<Polled<T> & { key: string }>({ key, value: undefined, problem: null });
  const question = useRef(ask);
  question.current = ask;
  useEffect(() => {
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      clearTimeout(timer);
      timer = undefined;
      if (document.visibilityState === "visible") {
        try {
          const value = await question.current();
          if (wanted) setAnswer({ key, value, problem: null });
        } catch (error) {
          const problem = problemFrom(error);
          // The last values stay, greyed by the banner's style; the reason is shown only without any.
          if (wanted) setAnswer((last) => ({ key, value: last.key === key ? last.value : undefined, problem }));
        }
      }
      if (wanted && timer === undefined) timer = setTimeout(() => void run(), everyMs);
    };
    const onVisible = () => document.visibilityState === "visible" && timer !== undefined && void run();
    document.addEventListener("visibilitychange", onVisible);
    void run();
    return () => {
      wanted = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [key, everyMs]);
  return answer.key === key ? answer : { value: undefined, problem: null };
}
