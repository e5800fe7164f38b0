import { describe, expect, it } from "vitest";
import { tickLabel } from "../src/plots/axes";
import { amplitudeRange, hasZero, inShownUnit, limitInView, roundUp, timeLabels, trendRange } from "../src/plots/scales";
import { frequencies, highestLine, markedRangeHz, markerFamilies, scaled, standsOut } from "../src/plots/spectrum_data";
import type { FaultMarker } from "../src/schema";
import { spectrum } from "./make";

const marker = (label: string, frequency_hz: number, over_baseline_db: number | null = null): FaultMarker => ({
  fault: "outer race",
  label,
  frequency_hz,
  harmonics: 4,
  level_db: 60,
  over_baseline_db,
});

it.each([
  [0.9, 1],
  [1.01, 1.5],
  [2.1, 2.5],
  [63, 80],
  [80, 80],
  [0, 1],
])("rounds %d up to %d", (value, rounded) => expect(roundUp(value)).toBeCloseTo(rounded, 12));

it("shows a trend, its limit and its breaks in another unit", () => {
  const kept = {
    channel_id: "pump-2.x",
    feature: "score",
    unit: "1",
    times_ms: [1, 2, 3],
    values: [0.5, null, 2],
    limit: 1,
    limit_provisional: true,
    gaps: [],
    limits: [],
    limit_marks: [],
  };
  expect(inShownUnit(kept, 100)).toMatchObject({ values: [50, null, 200], limit: 100, times_ms: [1, 2, 3] });
  expect(inShownUnit({ ...kept, limit: null }, 60).limit).toBeNull();
  expect(inShownUnit(kept, 1)).toBe(kept);
});

describe("the range of a trend", () => {
  it("starts at zero for a size and contains a near limit", () => {
    const [low, high] = trendRange([1, 1.4, null], 2.1);
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(2.1);
  });
  it("leaves out a limit so far above that the data would be flat", () => {
    expect(limitInView(1, 50)).toBe(false);
    expect(trendRange([0.5, 1], 50)[1]).toBeLessThan(2);
  });
  it("does not make a change of noise", () => {
    expect(trendRange([1.02, 1.08], null, hasZero("mm/s"))[0]).toBe(0);
  });
  it("keeps close to a level that hardly moves", () => {
    const [low, high] = trendRange([90, 92], null, hasZero("dB"));
    expect(low).toBeGreaterThan(80);
    expect(low).toBeLessThan(90);
    expect(high).toBeGreaterThan(92);
  });
  it("holds negative levels and their limit", () => {
    const [low, high] = trendRange([-40, -38], -30);
    expect(low).toBeLessThan(-40);
    expect(high).toBeGreaterThan(-30);
  });
  it("is sound without any value", () => {
    expect(trendRange([], null)).toEqual([0, 1]);
    expect(trendRange([null, null], 2)[1]).toBeGreaterThan(2);
  });
});

it("gives a logarithmic range whole decades above zero", () => {
  const [low, high] = amplitudeRange(0.6, true);
  expect(high).toBeCloseTo(1);
  expect(low).toBeCloseTo(1e-5);
  expect(amplitudeRange(0, true)[0]).toBeGreaterThan(0);
  expect(amplitudeRange(0.6, false)[0]).toBe(0);
});

it("labels times with seconds only where needed, and the day where it changes", () => {
  const night = new Date(2026, 10, 21, 23, 58).getTime() / 1000;
  expect(timeLabels([night, night + 60, night + 120], 60)).toEqual(["23:58", "23:59", "00:00\n11-22"]);
  expect(timeLabels([night, night + 10], 10)).toEqual(["23:58:00", "23:58:10"]);
});

it.each([
  [0, "0"],
  [0.05, "0.05"],
  [-2.5, "-2.5"],
  [1e-5, "1e-5"],
])("labels the tick %d as %s", (tick, label) => expect(tickLabel(tick)).toBe(label));

describe("marked frequencies", () => {
  it("begin with the shaft, carry keys without spaces, and leave out what has no frequency", () => {
    const families = markerFamilies([marker("BPFO", 88), marker("2 x BSF", 116), marker("FTF", 0)], 25, "Shaft");
    expect(families.map((family) => family.key)).toEqual(["shaft", "BPFO", "2xBSF"]);
    expect(markerFamilies([], null, "Shaft")).toEqual([]);
  });
  it("know which one stands out", () => {
    const quiet = [marker("BPFO", 88, 1), marker("BPFI", 130, null)];
    expect(standsOut(markerFamilies(quiet, 25, "Shaft"))).toBeNull();
    const loud = [marker("BPFO", 88, 6), marker("BPFI", 130, 14)];
    expect(standsOut(markerFamilies(loud, 25, "Shaft"))).toBe("BPFI");
  });
  it("decide how far the picture reaches", () => {
    const families = markerFamilies([marker("BPFO", 88)], 25, "Shaft");
    expect(markedRangeHz(families, 5000)).toBe(400);
    expect(markedRangeHz(families, 300)).toBe(300);
    expect(markedRangeHz([], 300)).toBe(300);
  });
});

it("finds the highest line, not the constant part, within the range", () => {
  expect(highestLine(spectrum(), 100)).toEqual({ hz: 30, value: 5 });
  expect(highestLine(spectrum(), 20)).toEqual({ hz: 20, value: 2 });
  expect(highestLine(spectrum({ values: [] }), 20)).toBeNull();
  expect(frequencies(spectrum({ first_hz: 5 }))).toEqual([5, 15, 25, 35, 45]);
});

it("has no zero on a logarithmic scale", () => {
  expect(scaled([0, 0.5], 0.001, true)).toEqual([0.001, 0.5]);
  expect(scaled([0, 0.5], 0.001, false)).toEqual([0, 0.5]);
});
