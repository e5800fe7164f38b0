import { describe, expect, it } from "vitest";
import {
  actsFor,
  actsForAll,
  actsForFirst,
  byState,
  firstStanding,
  hours,
  learningHours,
  limitOf,
  percentProblem,
  progressWords,
  restorable,
  shownLimit,
  standing,
} from "../src/limit_book";
import { inShownUnit } from "../src/plots/scales";
import type { LimitsView, LimitVersionView, LimitView, TrendLimit } from "../src/schema";

const limit = (change: Partial<LimitView> = {}): LimitView => ({
  kind: "limit",
  channel_id: "pump-2.x",
  channel_name: "acceleration x",
  operating_state: "1480 rpm, load 50-75 %",
  present: false,
  in_service: true,
  learned_h: 4,
  needed_h: 4,
  percent: 100,
  locked: false,
  pinned: false,
  provisional: false,
  rests_on_h: 31,
  windows: 2000,
  text: "",
  version: 1,
  action: "learned",
  actor: "appliance",
  reason: "learned from 4.0 h of running",
  changed_ms: 0,
  durable: true,
  ...change,
});

const byAnna = { action: "raised", actor: "anna", percent: 130, pinned: true, version: 2 };

const view = (learning: Partial<LimitsView["learning"]>): LimitsView => ({
  asset_id: "pump-2",
  revision: 1,
  largest_percent: 300,
  learning: {
    percent: 50,
    complete: false,
    provisional: true,
    text: "",
    learned_h: 31.9,
    needed_h: 48,
    states_learned: 4,
    states_seen: 5,
    paused: false,
    ...learning,
  },
  limits: [],
  first_baselines: [],
});

describe("what drift is compared with", () => {
  const first = limit({ kind: "drift", operating_state: "first baseline", rests_on_h: 1440, version: 0, action: "" });
  it("may be given up, and that be undone", () => {
    expect(actsForFirst(first)).toEqual(["new first baseline"]);
    expect(actsForFirst({ ...first, version: 2, action: "new first baseline", actor: "anna" })).toEqual([
      "new first baseline",
      "undo",
    ]);
  });
  it("says for how long, or how much is collected", () => {
    expect(firstStanding(first)).toBe("compared with for 1\u202f440\u00a0h of running");
    expect(firstStanding({ ...first, in_service: false, learned_h: 24, needed_h: 336 })).toBe(
      "being collected: 24\u00a0h of 336\u00a0h of running",
    );
  });
  it("is found for its versions", () => {
    const all = { ...view({}), limits: [limit()], first_baselines: [first] };
    const version = { channel_id: "pump-2.x", operating_state: "first baseline" } as LimitVersionView;
    expect(limitOf(all, version)).toBe(first);
    expect(limitOf(all, { ...version, channel_id: "gone" })).toBeNull();
  });
});

describe("the order of operating states", () => {
  it("begins with the present one, then those in service", () => {
    const groups = byState([
      limit({ operating_state: "a", in_service: false }),
      limit({ operating_state: "b" }),
      limit({ operating_state: "c", present: true, in_service: false }),
      limit({ operating_state: "b", channel_id: "pump-2.y" }),
    ]);
    expect(groups.map((group) => group.state)).toEqual(["c", "b", "a"]);
    expect(groups[1]?.limits).toHaveLength(2);
    expect(groups.map((group) => group.learned)).toEqual([false, true, false]);
  });
});

describe("what may be done with a limit", () => {
  it("is to raise, to lock and to learn anew", () => expect(actsFor(limit())).toEqual(["raise", "lock", "learn anew"]));
  it("is to undo what a person did", () => expect(actsFor(limit(byAnna))).toContain("undo"));
  it("never offers learning anew while it is locked", () => {
    const acts = actsFor(limit({ ...byAnna, locked: true }));
    expect(acts).toContain("unlock");
    expect(acts).not.toContain("learn anew");
    expect(acts).not.toContain("lock");
  });
  it("is to begin again, while it is learned", () =>
    expect(actsFor(limit({ in_service: false, version: 0, action: "" }))).toEqual(["learn anew"]));
  it("is to take a re-baseline back, while it is learned anew", () =>
    expect(actsFor(limit({ in_service: false, version: 2, action: "learn anew", actor: "anna" }))).toContain("undo"));
  it("of the whole machine depends on all limits", () => {
    expect(actsForAll([])).toEqual([]);
    expect(actsForAll([limit(), limit({ locked: true })])).toEqual(["lock", "unlock", "learn anew"]);
    expect(actsForAll([limit({ ...byAnna })])).toContain("undo");
  });
});

describe("in words", () => {
  it("says the progress in hours and operating states", () => {
    expect(progressWords(view({}))).toBe("Learned 31 of 48 h, 4 of 5 operating states");
    expect(progressWords(view({ learned_h: 2.06, needed_h: 4, states_learned: 0, states_seen: 1 }))).toBe(
      "Learned 2.0 of 4.0 h, 0 of 1 operating states",
    );
    expect(progressWords(view({ learned_h: 20 / 3600, needed_h: 45 / 3600, states_learned: 0, states_seen: 1 }))).toBe(
      "Learned 20 of 45 s, 0 of 1 operating states",
    );
  });
  it("says how long learning anew takes: of vibration, whatever slow tags need", () => {
    const slow = limit({ kind: "process", needed_h: 336 });
    const all = { ...view({}), limits: [limit(), slow] };
    expect(learningHours(all, null)).toBe(4);
    expect(learningHours(all, slow)).toBe(336);
    expect(learningHours({ ...all, limits: [slow] }, null)).toBe(336);
    expect(learningHours({ ...all, limits: [] }, null)).toBe(0);
  });
  it("says how a limit stands", () => {
    expect(standing(limit())).toBe("as learned");
    expect(standing(limit(byAnna))).toBe("raised to 130\u00a0% of what was learned");
    expect(standing(limit({ percent: 112 }))).toBe("settled at 112\u00a0% of what was learned");
    expect(standing(limit({ in_service: false, learned_h: 1.5 }))).toBe("being learned: 1.5\u00a0h of 4.0\u00a0h");
  });
  it.each([
    [0.01, "36\u00a0s"],
    [2.53, "2.5\u00a0h"],
    [31.4, "31\u00a0h"],
    [1234, "1\u202f234\u00a0h"],
  ])("counts %d h as %s", (value, words) => expect(hours(value)).toBe(words));
});

describe("a new limit", () => {
  it.each(["101", "130", "130,5", " 300 "])("may be %s %%", (typed) => expect(percentProblem(typed, limit(), 300)).toBeNull());
  it.each(["", "100", "99", "301", "many", "1e9", "-130", "NaN"])("may not be %j %%", (typed) =>
    expect(percentProblem(typed, limit(), 300)).toBe("More than 100\u00a0%, at most 300\u00a0%"),
  );
});

it("offers older versions that had something learned", () => {
  const version = { learned: true, newest: false } as LimitVersionView;
  expect(restorable(version)).toBe(true);
  expect(restorable({ ...version, newest: true })).toBe(false);
  expect(restorable({ ...version, learned: false })).toBe(false);
});

describe("the limit over a trend", () => {
  const of = (operating_state: string, present = false): TrendLimit => ({
    operating_state,
    present,
    usual: 1,
    limit: 2,
    provisional: false,
    locked: false,
  });
  it("is of the picked state, else of the present one, else of the first", () => {
    const all = [of("a"), of("b", true), of("c")];
    expect(shownLimit(all, "c")?.operating_state).toBe("c");
    expect(shownLimit(all, "gone")?.operating_state).toBe("b");
    expect(shownLimit(all, null)?.operating_state).toBe("b");
    expect(shownLimit([of("a"), of("c")], null)?.operating_state).toBe("a");
    expect(shownLimit([], null)).toBeNull();
  });
  it("is shown in the unit of the trend", () => {
    const trend = {
      channel_id: "x", feature: "f", unit: "1", times_ms: [], values: [], limit: null, limit_provisional: false,
      gaps: [], limits: [of("a")], limit_marks: [],
    }; // prettier-ignore
    expect(inShownUnit(trend, 60).limits[0]).toMatchObject({ usual: 60, limit: 120 });
  });
});
