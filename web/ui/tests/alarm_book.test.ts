import { describe, expect, it } from "vitest";
import { adviceFor } from "../src/advice";
import { type AlarmBook, headlineAlarm, inOrderOfAttention, newlyNamed, newlyRaised, withAlarm, withList } from "../src/alarm_book";
import type { AlarmView } from "../src/schema";
import { alarm } from "./make";

const book = (...alarms: AlarmView[]): AlarmBook => new Map(alarms.map((a) => [a.alarm_id, a]));
const acknowledged = alarm({ state: "active, acknowledged", changed_ms: 2_000, acknowledged_by: "admin" });

describe("taking in an alarm", () => {
  it("replaces its former state, also when a clock that was set right put its time back", () => {
    const earlier = alarm({ state: "active, acknowledged", changed_ms: 500 });
    const known = withAlarm(book(alarm()), earlier);
    expect([...known.values()]).toEqual([earlier]);
  });
});

describe("taking in the list of open alarms", () => {
  it("drops what is no longer open, and keeps what is known to be closed", () => {
    const closed = alarm({ alarm_id: "closed", state: "normal" });
    expect([...withList(book(alarm(), closed), [], new Set()).values()]).toEqual([closed]);
  });
  it("keeps what arrived live while the list was on its way", () => {
    expect(withList(book(alarm()), [], new Set([alarm().alarm_id])).size).toBe(1);
  });
  it("does not undo what arrived live meanwhile", () => {
    const merged = withList(book(acknowledged), [alarm()], new Set([alarm().alarm_id]));
    expect(merged.get(acknowledged.alarm_id)).toBe(acknowledged);
  });
  it("takes the list's word for all else", () => {
    const merged = withList(book(alarm()), [acknowledged], new Set());
    expect([...merged.values()]).toEqual([acknowledged]);
  });
});

describe("announcing", () => {
  it("tells of new alarms and new activations only", () => {
    expect(newlyRaised(book(), book(alarm()))).toHaveLength(1);
    expect(newlyRaised(book(alarm()), book(alarm({ changed_ms: 3_000, text: "worse" })))).toHaveLength(0);
    expect(newlyRaised(book(alarm()), book(alarm({ activation: 2 })))).toHaveLength(1);
    expect(newlyRaised(book(), book(acknowledged))).toHaveLength(0);
    expect(newlyRaised(book(alarm({ state: "normal" })), book(alarm()))).toHaveLength(1);
  });
  it("tells of a cause that was not known when the alarm was told", () => {
    const unnamed = alarm({ fault: null, text: "vibration changed" });
    expect(newlyNamed(book(unnamed), book(alarm()))).toHaveLength(1);
    expect(newlyNamed(book(alarm()), book(alarm({ text: "outer race, worse" })))).toHaveLength(0);
    expect(newlyNamed(book(unnamed), book(alarm({ activation: 2 })))).toHaveLength(0);
    expect(newlyNamed(book(unnamed), book(alarm({ state: "cleared, unacknowledged" })))).toHaveLength(0);
    expect(newlyNamed(book(), book(alarm()))).toHaveLength(0);
  });
});

it("orders by what needs a person first", () => {
  const make = (alarm_id: string, change: Partial<AlarmView>) => alarm({ alarm_id, ...change });
  const ordered = inOrderOfAttention([
    make("closed", { state: "normal", severity: "stop", changed_ms: 9_000 }),
    make("cleared", { state: "cleared, unacknowledged", severity: "stop" }),
    make("seen", { state: "active, acknowledged", severity: "warn" }),
    make("new", { severity: "warn" }),
    make("mild", { severity: "watch" }),
    make("worst", { severity: "stop" }),
  ]);
  expect(ordered.map((a) => a.alarm_id)).toEqual(["worst", "new", "seen", "mild", "cleared", "closed"]);
  expect(headlineAlarm(ordered, "pump-2")?.alarm_id).toBe("worst");
  expect(headlineAlarm(ordered, "fan-1")).toBeNull();
  expect(headlineAlarm([make("closed", { state: "normal" })], "pump-2")).toBeNull();
});

describe("advice", () => {
  it("says how urgent it is before what to look at", () => {
    const [urgency, look] = adviceFor(alarm({ severity: "stop" }));
    expect(urgency).toMatch(/Stop it/);
    expect(look).toMatch(/bearing/);
  });
  it("sends nobody to the machine for a sensor's fault", () => {
    const sentences = adviceFor(alarm({ rule: "check sensor", severity: "not rated", fault: null }));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(/Check the sensor/);
  });
  it("has nothing to say once the alarm has cleared, or on a fault it does not know", () => {
    expect(adviceFor(alarm({ state: "cleared, unacknowledged" }))).toEqual([]);
    expect(adviceFor(alarm({ severity: "good", fault: "gremlins" }))).toEqual([]);
  });
});
