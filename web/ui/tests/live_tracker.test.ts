import { describe, expect, it } from "vitest";
import { LiveTracker, SILENCE_MS } from "../src/live_tracker";

describe("where a live stream is resumed", () => {
  it("is its beginning until an alarm was received, then after the newest one", () => {
    const tracker = new LiveTracker(0);
    expect(tracker.url()).toBe("/api/live");
    tracker.transition("41");
    tracker.transition("42");
    expect(tracker.url()).toBe("/api/live?after=42");
  });

  it("survives losses", () => {
    const tracker = new LiveTracker(0);
    tracker.transition("7");
    tracker.failed();
    tracker.failed();
    expect(tracker.url()).toBe("/api/live?after=7");
  });

  it("is not moved by an event without a position", () => {
    const tracker = new LiveTracker(0);
    tracker.transition("7");
    tracker.transition("");
    tracker.transition("nonsense");
    expect(tracker.lastSequence).toBe(7);
  });

  it("follows a new journal, whose numbers start again", () => {
    const tracker = new LiveTracker(0);
    tracker.transition("5000");
    tracker.transition("3");
    expect(tracker.url()).toBe("/api/live?after=3");
  });

  it("is forgotten with the session", () => {
    const tracker = new LiveTracker(0);
    tracker.transition("7");
    tracker.heard(10);
    tracker.reset(20);
    expect(tracker.url()).toBe("/api/live");
    expect(tracker.state).toBe("connecting");
    expect(tracker.lastHeardMs).toBeNull();
  });
});

describe("the state of the connection", () => {
  it("is live with the first message, and says once that it recovered", () => {
    const tracker = new LiveTracker(0);
    expect(tracker.heard(100)).toBe(true);
    expect(tracker.heard(200)).toBe(false);
    expect(tracker.state).toBe("live");
    tracker.failed();
    expect(tracker.state).toBe("lost");
    expect(tracker.heard(900)).toBe(true);
  });

  it("is lost since the last message, not since the failure was noticed", () => {
    const tracker = new LiveTracker(0);
    tracker.heard(1_000);
    tracker.failed();
    tracker.failed();
    expect(tracker.lastHeardMs).toBe(1_000);
  });

  it("waits longer with each failure, within a bound, and starts over after a success", () => {
    const tracker = new LiveTracker(0);
    const waits = Array.from({ length: 6 }, () => tracker.failed());
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    tracker.heard(0);
    expect(tracker.failed()).toBe(1_000);
  });

  it("notices silence since the last message or the last attempt, whichever is later", () => {
    const tracker = new LiveTracker(0);
    tracker.heard(1_000);
    expect(tracker.silent(1_000 + SILENCE_MS)).toBe(false);
    expect(tracker.silent(1_001 + SILENCE_MS)).toBe(true);
    tracker.opening(20_000);
    expect(tracker.silent(20_000 + SILENCE_MS)).toBe(false);
    expect(tracker.silent(20_001 + SILENCE_MS)).toBe(true);
  });
});
