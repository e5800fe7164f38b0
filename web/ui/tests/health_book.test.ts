import { describe, expect, it } from "vitest";
import { histogram, hottest, memoryUsed, stageName, troubles } from "../src/health_book";
import type { ApplianceHealthView, StageHealthView } from "../src/schema";

function stage(change: Partial<StageHealthView> = {}): StageHealthView {
  return {
    stage: "analysis",
    instance: "pump-2",
    depth: null,
    capacity: null,
    processed: 1,
    dropped: 0,
    errors: 0,
    p50_s: 0.01,
    p99_s: 0.02,
    ...change,
  };
}

function health(change: Partial<ApplianceHealthView> = {}): ApplianceHealthView {
  return {
    time_ms: 0,
    uptime_s: 100,
    period_s: 60,
    stages: [stage()],
    scores: [],
    parts: [],
    load: {
      process_cpu_percent: 10,
      system_cpu_percent: 20,
      n_cpus: 4,
      load_1min: 0.5,
      rss_bytes: 1e8,
      memory_available_bytes: 3e9,
      memory_total_bytes: 4e9,
    },
    temperatures: [],
    disk: { path: "/", total_bytes: 1e10, free_bytes: 5e9, used_percent: 50, journal_bytes: 1e8 },
    wear: {
      device: "",
      source: "unknown",
      life_used_percent: null,
      device_written_bytes: null,
      journal_bytes_per_day: 0,
      days_left: null,
      classes: [],
    },
    clock: { trusted: true, source: "NTP", text: "trusted", untrusted_s: 0, steps: 0, last_step_s: null },
    links: [],
    trends: [],
    ...change,
  };
}

const texts = (view: ApplianceHealthView) => troubles(view).map((trouble) => trouble.text);

describe("troubles", () => {
  it("are none where nothing is wrong, also where little is known", () => {
    expect(troubles(health())).toEqual([]);
    expect(troubles(health({ stages: [stage({ p50_s: null, p99_s: null })] }))).toEqual([]);
    expect(troubles(health({ stages: [stage({ dropped: 3, errors: 2 })] }))).toEqual([]); // of last week, perhaps
  });

  it("say what is wrong with figure and unit, the worst first", () => {
    const base = health();
    const found = troubles(
      health({
        stages: [stage({ dropped: 3 }), stage({ dropped: 1, stage: "source queue", instance: "s > pump-2", depth: 60, capacity: 64 })],
        disk: { ...base.disk, used_percent: 93.4, free_bytes: 7e8 },
        clock: { ...base.clock, trusted: false, untrusted_s: 1080 },
      }),
    );
    expect(found.map((trouble) => trouble.tone)).toEqual(["bad", "bad", "doubt"]);
    expect(found[0]?.text).toBe("The disk is 93\u00a0% full, 700\u00a0MB left.");
    expect(found[1]?.text).toBe("Waiting for analysis, s → pump-2: 60 of 64 places are taken.");
    expect(found[2]?.text).toContain("18\u00a0min");
  });

  it("name a link that is down with its reason, and one that is silent", () => {
    const link = { name: "plc", kind: "opcua", state: "lost", connected: false, reason: "refused", silent_s: null };
    expect(texts(health({ links: [link] }))).toEqual(["plc is lost: refused."]);
    const silent = { ...link, state: "connected", connected: true, silent_s: 75 };
    expect(texts(health({ links: [silent] }))).toEqual(["plc is connected but has delivered nothing for 75\u00a0s."]);
    expect(texts(health({ links: [{ ...silent, silent_s: 2 }] }))).toEqual([]);
  });

  it("grade heat by the sensor's own limits, and do not guess one", () => {
    const sensor = { sensor: "cpu", degc: 85, high_degc: 80, critical_degc: 95 };
    expect(troubles(health({ temperatures: [sensor] }))[0]?.tone).toBe("doubt");
    expect(troubles(health({ temperatures: [{ ...sensor, degc: 96 }] }))[0]?.tone).toBe("bad");
    expect(troubles(health({ temperatures: [{ ...sensor, high_degc: null, critical_degc: null }] }))).toEqual([]);
  });

  it("tell a flash near its end, a slow stage, and scarce memory, but no errors of last week", () => {
    const base = health();
    const view = health({
      wear: { ...base.wear, life_used_percent: 100 },
      trends: [
        { stage: "journal commit", instance: "", now_p50_s: 0.009, week_p50_s: 0.003, factor: 3, doubled: true, text: "" },
      ],
      load: { ...base.load, memory_available_bytes: 1e8, system_cpu_percent: 97 },
      stages: [stage({ errors: 5 })],
      parts: [
        { part: "a", errors: 2, restarts: 0 },
        { part: "b", errors: 3, restarts: 4 },
      ],
    });
    const said = texts(view).join(" | ");
    expect(said).toContain("100\u00a0% of its life is used");
    expect(said).toContain("Writing to the disk takes 9.0\u00a0ms, 3.0 times its usual 3.0\u00a0ms");
    expect(said).toContain("Only 100\u00a0MB of memory is left");
    expect(said).toContain("97\u00a0% busy");
    expect(troubles(view)).toHaveLength(4);
  });
});

describe("figures", () => {
  it("name stages in words, unknown ones as they are", () => {
    expect(stageName({ stage: "alarm commit", instance: "" })).toBe("Storing an alarm");
    expect(stageName({ stage: "vision", instance: "cam" })).toBe("vision, cam");
  });

  it("find the hottest sensor relative to its limit", () => {
    const disk = { sensor: "disk", degc: 58, high_degc: 60, critical_degc: null };
    const cpu = { sensor: "cpu", degc: 70, high_degc: 90, critical_degc: null };
    expect(hottest(health({ temperatures: [cpu, disk] }))?.sensor).toBe("disk");
    expect(hottest(health())).toBeNull();
  });

  it("tell memory as a share, also of a box that tells none", () => {
    expect(memoryUsed(health())).toBeCloseTo(0.25);
    expect(memoryUsed(health({ load: { ...health().load, memory_total_bytes: 0 } }))).toBe(0);
  });
});

describe("histogram", () => {
  const bounds = [0.25, 0.5, 1, 2, 4];

  it("is none of an empty distribution", () => {
    expect(histogram(bounds, [0, 0, 0, 0, 0, 0])).toBeNull();
  });

  it("shows the filled part and always the limit", () => {
    const drawn = histogram(bounds, [4, 8, 0, 0, 0, 0]);
    expect(drawn?.bars).toEqual([0.5, 1, 0, 0]);
    expect([drawn?.from, drawn?.to]).toEqual([0, 2]);
    expect(drawn?.limitAt).toBeCloseTo(3 / 4);
  });

  it("puts what lies above the limit behind it", () => {
    const drawn = histogram(bounds, [0, 0, 1, 0, 0, 2]);
    expect(drawn?.bars).toEqual([0, 0.5, 0, 0, 1]);
    expect(drawn?.limitAt).toBeCloseTo(2 / 5);
  });

  it("merges many buckets into few bars and loses none", () => {
    const many = Array.from({ length: 161 }, (_, index) => 10 ** ((index - 100) / 20));
    const drawn = histogram(many, Array.from({ length: 162 }, () => 1));
    expect(drawn?.bars.length).toBeLessThanOrEqual(30);
    expect(drawn?.limitAt).toBeGreaterThan(0.5);
    expect(drawn?.limitAt).toBeLessThan(0.7);
  });
});
