/** From a trend with gaps to what is drawn: a line that breaks, and bands that say why. Pure. */
import type { GapView, TrendView } from "../schema";

/** What became of a stretch without data; "" of one that is no gap of the ledger yet. */
export type GapState = GapView["state"] | "";

/** A stretch without data; times in seconds, as the plot wants them. */
export interface GapBand {
  fromS: number;
  toS: number;
  cause: string;
  state: GapState;
}

/** A gap that was filled later: its values are in the line. */
export const isFilled = (one: { state: GapState }): boolean => one.state === "backfilled";

export interface TrendLine {
  timesS: number[];
  /** Null breaks the line. */
  values: (number | null)[];
}

/** A hole this many times wider than the usual spacing is never bridged, even if no gap explains it. */
const HOLE_SPACINGS = 3.5;

/** Median distance between neighbours; infinite for fewer than three times. */
export function usualSpacing(times: readonly number[]): number {
  if (times.length < 3) return Number.POSITIVE_INFINITY;
  const distances: number[] = [];
  for (let i = 1; i < times.length; i++) distances.push((times[i] ?? 0) - (times[i - 1] ?? 0));
  distances.sort((a, b) => a - b);
  return distances[distances.length >> 1] ?? Number.POSITIVE_INFINITY;
}

/**
 * The line of a trend, broken wherever there is no data.
 *
 * A null of the appliance stays; one is put between two values when a gap fills at least half of the way
 * between them, or when they stand much further apart than is usual. Nothing is interpolated. A gap that was
 * filled later has its values, and breaks nothing.
 */
export function brokenLine(trend: Pick<TrendView, "times_ms" | "values" | "gaps">): TrendLine {
  const { times_ms: times, values } = trend;
  const gaps = trend.gaps.filter((gap) => !isFilled(gap)).sort((a, b) => a.start_ms - b.start_ms);
  const hole = HOLE_SPACINGS * usualSpacing(times);
  const line: TrendLine = { timesS: [], values: [] };
  let nextGap = 0;
  for (let i = 0; i < times.length; i++) {
    const at = times[i] ?? 0;
    const value = values[i] ?? null;
    const before = times[i - 1];
    if (before !== undefined && value !== null && (values[i - 1] ?? null) !== null) {
      while (nextGap < gaps.length && (gaps[nextGap]?.end_ms ?? 0) <= before) nextGap += 1;
      if (at - before > hole || coveredBetween(gaps, nextGap, before, at) >= (at - before) / 2) {
        line.timesS.push((before + at) / 2000);
        line.values.push(null);
      }
    }
    line.timesS.push(at / 1000);
    line.values.push(value);
  }
  return line;
}

/** How much of from..to lies in gaps, of those from `first` on (sorted by start). */
function coveredBetween(gaps: readonly GapView[], first: number, from: number, to: number): number {
  let covered = 0;
  let reached = from;
  for (let i = first; i < gaps.length; i++) {
    const gap = gaps[i];
    if (gap === undefined || gap.start_ms >= to) break;
    const start = Math.max(gap.start_ms, reached);
    const end = Math.min(gap.end_ms, to);
    if (end > start) {
      covered += end - start;
      reached = end;
    }
  }
  return covered;
}

/** The gaps as bands within from..to, sorted; touching ones of one cause and state become one. */
export function gapBands(gaps: readonly OpenGap[], fromMs: number, toMs: number): GapBand[] {
  const bands: GapBand[] = [];
  for (const gap of [...gaps].sort((a, b) => a.start_ms - b.start_ms)) {
    const fromS = Math.max(gap.start_ms, fromMs) / 1000;
    const toS = Math.min(gap.end_ms, toMs) / 1000;
    if (toS < fromS) continue;
    const last = bands[bands.length - 1];
    if (last !== undefined && last.cause === gap.cause && last.state === gap.state && fromS <= last.toS) {
      last.toS = Math.max(last.toS, toS);
    } else {
      bands.push({ fromS, toS, cause: gap.cause, state: gap.state });
    }
  }
  return bands;
}

/** What is missing since the last value up to now, if that is more than the usual wait; null otherwise. */
export function openHole(trend: Pick<TrendView, "times_ms" | "gaps">, toMs: number): OpenGap | null {
  const { times_ms: times, gaps } = trend;
  const last = times[times.length - 1];
  if (last === undefined) return null;
  const from = gaps.reduce((end, gap) => (gap.start_ms <= end ? Math.max(end, gap.end_ms) : end), last);
  const wait = Math.max(OPEN_HOLE_MS, HOLE_SPACINGS * finite(usualSpacing(times)));
  return toMs - from > wait ? { start_ms: from, end_ms: toMs, cause: "", state: "" } : null;
}

/** Values take some seconds to the disk and to the page: so long is no hole. */
const OPEN_HOLE_MS = 10_000;

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

/** A gap of the ledger, or the hole that no gap explains yet. */
export type OpenGap = Pick<GapView, "start_ms" | "end_ms" | "cause"> & { state: GapState };

export interface GapTotal {
  cause: string;
  state: GapState;
  count: number;
  seconds: number;
}

/** What is missing, by cause and state, the longest first: the words under the plot. */
export function gapTotals(bands: readonly GapBand[]): GapTotal[] {
  const totals = new Map<string, GapTotal>();
  for (const band of bands) {
    const key = `${band.state}|${band.cause}`;
    const total = totals.get(key) ?? { cause: band.cause, state: band.state, count: 0, seconds: 0 };
    total.count += 1;
    total.seconds += band.toS - band.fromS;
    totals.set(key, total);
  }
  return [...totals.values()].sort((a, b) => b.seconds - a.seconds);
}

/** The gap that a time falls into, or null; one that was filled only where no other is. */
export function bandAt(bands: readonly GapBand[], timeS: number, toleranceS = 0): GapBand | null {
  const found = bands.filter((b) => timeS >= b.fromS - toleranceS && timeS <= b.toS + toleranceS);
  return found.find((b) => !isFilled(b)) ?? found[0] ?? null;
}

/** Indexes of values that stand alone between breaks: a line cannot show them, a dot does. */
export function isolated(values: readonly (number | null | undefined)[]): number[] {
  const alone: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const has = (at: number) => values[at] !== null && values[at] !== undefined;
    if (has(i) && !has(i - 1) && !has(i + 1)) alone.push(i);
  }
  return alone;
}
