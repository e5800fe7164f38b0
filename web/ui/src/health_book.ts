/** What is wrong with the appliance itself, in plain words, worst first. Pure; alarms are the appliance's to raise. */
import { bytes, count, duration, figure } from "./format";
import type { ApplianceHealthView, LatencyTrendView, StageHealthView } from "./schema";
import { texts } from "./texts";

const t = texts.health;

export type Tone = "bad" | "doubt";

export interface Trouble {
  tone: Tone;
  /** What is wrong, with its figure. */
  text: string;
  /** What helps. */
  hint: string;
}

const FULL_QUEUE = 0.8;
const DISK = { doubt: 80, bad: 90 };
const CPU_PERCENT = 90;
const MEMORY_LEFT = { doubt: 0.1, bad: 0.05 };
const LIFE = { doubt: 80, bad: 95 };
const LIFE_LEFT_DAYS = 365;
const SILENT_S = 30;

/** A stage as a person calls it: "Analysis, pump-2". */
export function stageName(stage: Pick<StageHealthView, "stage" | "instance">): string {
  const words = t.stages[stage.stage] ?? stage.stage;
  return stage.instance === "" ? words : `${words}, ${stage.instance.replace(" > ", " → ")}`;
}

export const memoryUsed = (health: ApplianceHealthView): number =>
  health.load.memory_total_bytes > 0 ? 1 - health.load.memory_available_bytes / health.load.memory_total_bytes : 0;

/** The hottest sensor, relative to its own limit where it states one. */
export function hottest(health: ApplianceHealthView): ApplianceHealthView["temperatures"][number] | null {
  const heat = (one: ApplianceHealthView["temperatures"][number]) => one.degc - (one.high_degc ?? 100);
  return [...health.temperatures].sort((one, other) => heat(other) - heat(one))[0] ?? null;
}

/**
 * What is wrong now. What was dropped, errors and restarts since the start are not: they stand in their tables, and a
 * technician at night must not look for what went by last week.
 */
export function troubles(health: ApplianceHealthView): Trouble[] {
  const found = [
    ...ofLinks(health),
    ...ofDisk(health),
    ...ofClock(health),
    ...ofStages(health),
    ...health.trends.filter((trend) => trend.doubled).map(ofTrend),
    ...ofBox(health),
  ];
  return found.sort((one, other) => Number(other.tone === "bad") - Number(one.tone === "bad"));
}

function ofLinks(health: ApplianceHealthView): Trouble[] {
  return health.links.flatMap((link): Trouble[] => {
    if (!link.connected) {
      const text = t.linkDown(link.name, link.state, link.reason);
      return [{ tone: link.state === "connecting" || link.state === "starting" ? "doubt" : "bad", text, hint: t.linkHint }];
    }
    const silent = link.silent_s !== null && link.silent_s > SILENT_S;
    return silent ? [{ tone: "doubt", text: t.linkSilent(link.name, duration(link.silent_s)), hint: t.silentHint }] : [];
  });
}

function ofDisk({ disk, wear }: ApplianceHealthView): Trouble[] {
  const found: Trouble[] = [];
  const full = graded(disk.used_percent, DISK);
  if (full) found.push({ tone: full, text: t.diskFull(percent(disk.used_percent), bytes(disk.free_bytes)), hint: t.diskHint });
  const used = wear.life_used_percent;
  const worn = used === null ? null : graded(used, LIFE);
  if (worn && used !== null) found.push({ tone: worn, text: t.flashWorn(percent(used)), hint: t.flashHint });
  else if (wear.days_left !== null && wear.days_left < LIFE_LEFT_DAYS)
    found.push({ tone: "doubt", text: t.flashDays(duration(wear.days_left * 86_400)), hint: t.flashHint });
  return found;
}

function ofClock({ clock }: ApplianceHealthView): Trouble[] {
  return clock.trusted ? [] : [{ tone: "doubt", text: t.clock(duration(clock.untrusted_s)), hint: t.clockHint }];
}

function ofStages({ stages }: ApplianceHealthView): Trouble[] {
  return stages.flatMap((stage): Trouble[] => {
    if (stage.depth === null || stage.capacity === null || stage.depth <= FULL_QUEUE * stage.capacity) return [];
    const text = t.queueFull(stageName(stage), count(stage.depth), count(stage.capacity));
    return [{ tone: "bad", text, hint: t.queueHint }];
  });
}

function ofTrend(trend: LatencyTrendView): Trouble {
  const text = t.slower(stageName(trend), duration(trend.now_p50_s), figure(trend.factor, 2), duration(trend.week_p50_s));
  return { tone: "doubt", text, hint: t.slowerHint };
}

function ofBox(health: ApplianceHealthView): Trouble[] {
  const { load } = health;
  const found: Trouble[] = [];
  const left = 1 - memoryUsed(health);
  if (load.memory_total_bytes > 0 && left < MEMORY_LEFT.doubt)
    found.push({ tone: left < MEMORY_LEFT.bad ? "bad" : "doubt", text: t.memory(bytes(load.memory_available_bytes)), hint: t.memoryHint });
  if (load.system_cpu_percent >= CPU_PERCENT)
    found.push({ tone: "doubt", text: t.cpu(percent(load.system_cpu_percent)), hint: t.cpuHint });
  for (const one of health.temperatures) {
    const limit = one.high_degc ?? one.critical_degc;
    if (limit === null || one.degc < limit) continue;
    const critical = one.critical_degc !== null && one.degc >= one.critical_degc;
    found.push({ tone: critical ? "bad" : "doubt", text: t.hot(one.sensor, degrees(one.degc), degrees(limit)), hint: t.hotHint });
  }
  return found;
}

function graded(value: number, limits: { doubt: number; bad: number }): Tone | null {
  if (value >= limits.bad) return "bad";
  return value >= limits.doubt ? "doubt" : null;
}

export const percent = (value: number): string => `${Math.round(value)}\u00a0%`;
export const degrees = (value: number): string => `${Math.round(value)}\u00a0°C`;

export interface Histogram {
  /** Shares of the highest bar, 0..1, from `from` to `to` in equal steps of the scale. */
  bars: number[];
  from: number;
  to: number;
  /** Where the limit (1.0) lies, 0..1 of the width. */
  limitAt: number;
}

const MOST_BARS = 30;

/** The filled part of a distribution, the limit always in it; null when it is empty. `counts` has one more than `bounds`. */
export function histogram(bounds: readonly number[], counts: readonly number[]): Histogram | null {
  const filled = counts.flatMap((n, index) => (n > 0 ? [index] : []));
  const atLimit = bounds.findIndex((bound) => bound >= 1 - 1e-9); // the bucket that ends at the limit
  const first = filled[0];
  const last = filled[filled.length - 1];
  if (first === undefined || last === undefined) return null;
  const low = Math.max(0, Math.min(first, atLimit < 0 ? first : atLimit) - 1);
  const high = Math.min(counts.length - 1, Math.max(last, atLimit) + 1);
  const step = Math.ceil((high - low + 1) / MOST_BARS);
  const sums: number[] = [];
  for (let start = low; start <= high; start += step)
    sums.push(counts.slice(start, Math.min(start + step, high + 1)).reduce((sum, n) => sum + n, 0));
  const highest = Math.max(...sums);
  const width = sums.length * step;
  return {
    bars: sums.map((sum) => sum / highest),
    from: low === 0 ? 0 : (bounds[low - 1] ?? 0),
    to: bounds[Math.min(high, bounds.length - 1)] ?? 0,
    limitAt: atLimit < 0 ? 1 : Math.min(1, (atLimit + 1 - low) / width),
  };
}
