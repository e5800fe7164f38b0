import { describe, expect, it } from "vitest";
import { bandAt, brokenLine, gapBands, gapTotals, isolated, openHole } from "../src/plots/gaps";
import type { GapView } from "../src/schema";

const gap = (
  start_ms: number,
  end_ms: number,
  cause = "serial loss",
  state: GapView["state"] = "lost",
): GapView => ({
  start_ms,
  end_ms,
  cause,
  state,
  samples_missing: null,
});

/** Values each second, all 1, at the given seconds. */
const at = (...seconds: number[]) => ({
  times_ms: seconds.map((s) => s * 1000),
  values: seconds.map(() => 1 as number | null),
});

describe("a trend's line", () => {
  it("is the values themselves where nothing is missing", () => {
    expect(brokenLine({ ...at(0, 1, 2, 3), gaps: [] })).toEqual({ timesS: [0, 1, 2, 3], values: [1, 1, 1, 1] });
  });

  it("keeps the nulls of the appliance and adds none beside them", () => {
    const trend = { times_ms: [0, 1000, 2000, 3000], values: [1, null, null, 2], gaps: [gap(500, 2500)] };
    expect(brokenLine(trend)).toEqual({ timesS: [0, 1, 2, 3], values: [1, null, null, 2] });
  });

  it("breaks where a gap fills the way between two values that no null parts", () => {
    const line = brokenLine({ ...at(0, 1, 2, 4, 5), gaps: [gap(2100, 3900)] });
    expect(line.values).toEqual([1, 1, 1, null, 1, 1]);
    expect(line.timesS[3]).toBe(3);
  });

  it("breaks where several short gaps together fill half of the way", () => {
    const line = brokenLine({ ...at(0, 1, 2, 3), gaps: [gap(1050, 1350), gap(1300, 1400), gap(1700, 1900)] });
    expect(line.values).toEqual([1, 1, null, 1, 1]);
  });

  it("does not break at a gap much shorter than the spacing: both neighbours are measured", () => {
    expect(brokenLine({ ...at(0, 1, 2, 3), gaps: [gap(1400, 1450)] }).values).toEqual([1, 1, 1, 1]);
  });

  it("does not break at a gap that was filled later, nor hide one that is lost within it", () => {
    const filled = gap(500, 4500, "server down", "backfilled");
    expect(brokenLine({ ...at(0, 1, 2, 3, 4, 5), gaps: [filled] }).values).toEqual([1, 1, 1, 1, 1, 1]);
    expect(brokenLine({ ...at(0, 1, 2, 3), gaps: [filled, gap(1100, 1900)] }).values).toEqual([1, 1, null, 1, 1]);
  });

  it("never bridges a hole, even if no gap explains it", () => {
    expect(brokenLine({ ...at(0, 1, 2, 3, 60, 61), gaps: [] }).values).toEqual([1, 1, 1, 1, null, 1, 1]);
  });

  it("finds each gap whatever the order they come in", () => {
    const line = brokenLine({ ...at(0, 1, 2, 3, 4), gaps: [gap(3000, 4000, "b"), gap(0, 1000, "a")] });
    expect(line.values).toEqual([1, null, 1, 1, 1, null, 1]);
  });

  it("is empty for an empty trend", () => {
    expect(brokenLine({ times_ms: [], values: [], gaps: [gap(0, 1)] })).toEqual({ timesS: [], values: [] });
  });
});

describe("gap bands", () => {
  it("are cut to the picture, sorted, and dropped outside of it", () => {
    const bands = gapBands([gap(9000, 20_000, "b"), gap(-5000, 2000, "a"), gap(30_000, 31_000)], 0, 10_000);
    expect(bands).toEqual([
      { fromS: 0, toS: 2, cause: "a", state: "lost" },
      { fromS: 9, toS: 10, cause: "b", state: "lost" },
    ]);
  });

  it("join when they touch and have one cause, not otherwise", () => {
    const bands = gapBands([gap(0, 1000), gap(1000, 2000), gap(2000, 3000, "power off")], 0, 5000);
    expect(bands).toEqual([
      { fromS: 0, toS: 2, cause: "serial loss", state: "lost" },
      { fromS: 2, toS: 3, cause: "power off", state: "lost" },
    ]);
  });

  it("add up by cause, the longest first", () => {
    const bands = gapBands([gap(0, 1000), gap(2000, 2500), gap(4000, 9000, "power off")], 0, 10_000);
    expect(gapTotals(bands)).toEqual([
      { cause: "power off", state: "lost", count: 1, seconds: 5 },
      { cause: "serial loss", state: "lost", count: 2, seconds: 1.5 },
    ]);
  });

  it("tell cause and state at a time", () => {
    const bands = gapBands([gap(1000, 2000, "server down", "open")], 0, 5000);
    expect(bandAt(bands, 1.5)).toMatchObject({ cause: "server down", state: "open" });
    expect(bandAt(bands, 2.5)).toBeNull();
    expect(bandAt(bands, 2.5, 0.6)?.cause).toBe("server down");
  });

  it("tell what is lost within a gap that was filled, not that it was filled", () => {
    const filled = gap(0, 10_000, "server down", "backfilled");
    const bands = gapBands([filled, gap(2000, 4000, "server down")], 0, 20_000);
    expect(bands).toHaveLength(2);
    expect(bandAt(bands, 3)?.state).toBe("lost");
    expect(bandAt(bands, 5)?.state).toBe("backfilled");
    expect(gapTotals(bands).map((total) => [total.state, total.seconds])).toEqual([
      ["backfilled", 10],
      ["lost", 2],
    ]);
  });
});

it("finds the values that a line cannot show", () => {
  expect(isolated([1, null, 2, null, null, 3, 4, null, 5])).toEqual([0, 2, 8]);
  expect(isolated([])).toEqual([]);
});

describe("a hole that is still open", () => {
  const trend = { ...at(0, 1, 2, 3), gaps: [] };
  it("is none while the next value is only on its way", () => {
    expect(openHole(trend, 9_000)).toBeNull();
    expect(openHole({ ...at(), gaps: [] }, 60_000)).toBeNull();
    expect(openHole({ ...at(0, 60, 120), gaps: [] }, 200_000)).toBeNull();
  });
  it("reaches from the last value, or the last known gap, to now", () => {
    expect(openHole(trend, 30_000)).toMatchObject({ start_ms: 3_000, end_ms: 30_000 });
    expect(openHole({ ...trend, gaps: [gap(3_000, 12_000)] }, 30_000)).toMatchObject({ start_ms: 12_000 });
  });
});
