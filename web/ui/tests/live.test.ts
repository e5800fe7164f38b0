import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type LiveHandlers, LiveStream } from "../src/live";
import { SILENCE_MS } from "../src/live_tracker";
import { alarm } from "./make";

/** What the browser gives, driven by the test. */
class ScriptedSource extends EventTarget {
  static opened: ScriptedSource[] = [];
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    super();
    ScriptedSource.opened.push(this);
  }
  close() {
    this.closed = true;
  }
  say(event: string, data: unknown, lastEventId = "") {
    this.dispatchEvent(new MessageEvent(event, { data: JSON.stringify(data), lastEventId }));
  }
}

const latest = () => ScriptedSource.opened[ScriptedSource.opened.length - 1] as ScriptedSource;
const transition = (sequence: number) => ({ sequence, what: "raised", actor: "appliance", time_ms: 0, alarm: alarm() });

function started() {
  const told: string[] = [];
  const handlers: LiveHandlers = {
    alarm: ({ sequence }) => told.push(`alarm ${sequence}`),
    machines: (machines) => told.push(`machines ${machines.length}`),
    machine: () => told.push("machine"),
    appliance: () => told.push("appliance"),
    connection: (state, sinceMs) => told.push(`${state} ${sinceMs}`),
    recovered: () => told.push("recovered"),
    failed: () => told.push("failed"),
  };
  const stream = new LiveStream(handlers, (url) => new ScriptedSource(url) as unknown as EventSource);
  stream.start();
  return { stream, told };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  ScriptedSource.opened = [];
});
afterEach(() => vi.useRealTimers());

describe("the live stream", () => {
  it("hands on what it hears, and tells once that it is live", () => {
    const { told } = started();
    latest().say("machines", []);
    latest().say("alarm", transition(5), "5");
    expect(told).toEqual(["live 1000000", "recovered", "machines 0", "alarm 5"]);
  });

  it("resumes after the last alarm when the connection breaks, by itself", () => {
    const { told } = started();
    latest().say("alarm", transition(5), "5");
    const broken = latest();
    vi.advanceTimersByTime(3_000);
    broken.onerror?.();
    expect(broken.closed).toBe(true);
    expect(told.slice(-2)).toEqual(["lost 1000000", "failed"]);
    expect(ScriptedSource.opened).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    expect(latest().url).toBe("/api/live?after=5");
    latest().say("alarm", transition(6), "6");
    expect(told.slice(-3)).toEqual(["live 1004000", "recovered", "alarm 6"]);
  });

  it("takes silence for a loss", () => {
    const { told } = started();
    latest().say("machines", []);
    vi.advanceTimersByTime(SILENCE_MS);
    expect(told).not.toContain("failed");
    vi.advanceTimersByTime(1_000);
    expect(told).toContain("failed");
    expect(ScriptedSource.opened[0]?.closed).toBe(true);
  });

  it("listens to no connection but the present one", () => {
    const { told } = started();
    const old = latest();
    old.onerror?.();
    vi.advanceTimersByTime(1_000);
    const before = told.length;
    old.say("machines", []);
    old.onerror?.();
    expect(told).toHaveLength(before);
  });

  it("keeps trying while nobody answers", () => {
    started();
    for (let failure = 0; failure < 20; failure++) {
      latest().onerror?.();
      vi.advanceTimersByTime(8_000);
    }
    expect(ScriptedSource.opened).toHaveLength(21);
  });

  it("stops for good when it is stopped, also within its own failure", () => {
    const { stream } = started();
    latest().onerror?.();
    stream.stop();
    vi.advanceTimersByTime(60_000);
    expect(ScriptedSource.opened).toHaveLength(1);
    stream.start();
    expect(latest().url).toBe("/api/live");
    expect(ScriptedSource.opened).toHaveLength(2);
  });
});
