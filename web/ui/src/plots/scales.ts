/** Ranges and ticks of the plots. Pure. */
import { calendarDay, clockTime } from "../format";
import type { TrendView } from "../schema";

/** A round number not below `value`: 1, 2, 2.5 or 5 times a power of ten; keeps the scale from jumping. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const decade = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]) {
    if (step * decade >= value * (1 - 1e-9)) return step * decade;
  }
  return 10 * decade;
}

/** A limit higher than this many times the data is told in words, so that the data keeps its shape. */
const LIMIT_IN_VIEW = 6;

export function limitInView(highest: number, limit: number | null): boolean {
  return limit !== null && (highest <= 0 || limit <= highest * LIMIT_IN_VIEW);
}

/** Units of which zero is a mere convention, or far from where a machine works: their trends need not begin there. */
const WITHOUT_ZERO = new Set(["dB", "°C", "Hz", "rpm"]);

export const hasZero = (unit: string): boolean => !WITHOUT_ZERO.has(unit);

/** A trend in the unit that is shown. */
export function inShownUnit(trend: TrendView, factor: number): TrendView {
  if (factor === 1) return trend;
  const times = (value: number | null) => (value === null ? null : value * factor);
  const limits = trend.limits.map((one) => ({ ...one, usual: one.usual * factor, limit: one.limit * factor }));
  return { ...trend, values: trend.values.map(times), limit: times(trend.limit), limits };
}

/**
 * The vertical range of a trend: from zero for sizes, so that noise does not look like change; with some
 * room for the rest. It contains the limit when that is near enough.
 */
export function trendRange(
  values: readonly (number | null | undefined)[],
  limit: number | null,
  fromZero = true,
): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high < low) return limit !== null && limit > 0 ? [0, roundUp(limit * 1.2)] : [0, 1];
  if (limit !== null && (low < 0 || limitInView(high, limit))) {
    low = Math.min(low, limit);
    high = Math.max(high, limit);
  }
  if (low >= 0 && fromZero) return [0, roundUp(high * 1.08)];
  const room = Math.max((high - low) * 0.15, Math.abs(high) * 0.02, 1e-9);
  const step = roundUp(room) / 2;
  return [Math.floor((low - room) / step) * step, Math.ceil((high + room) / step) * step];
}

/** Range of a spectrum's amplitude. Logarithmic: from four decades below the highest line. */
export function amplitudeRange(highest: number, logarithmic: boolean): [number, number] {
  const top = roundUp(Math.max(highest, 1e-12) * 1.15);
  return logarithmic ? [10 ** (Math.ceil(Math.log10(top)) - 5), 10 ** Math.ceil(Math.log10(top))] : [0, top];
}

/** Labels of a time axis: seconds only when the ticks need them, the day when it changes. */
export function timeLabels(ticksS: readonly number[], spacingS: number): string[] {
  let day = "";
  return ticksS.map((tick) => {
    const ms = tick * 1000;
    const time = spacingS < 60 ? clockTime(ms) : clockTime(ms).slice(0, 5);
    const today = calendarDay(ms);
    const label = spacingS >= 86_400 ? today.slice(5) : time;
    const named = day !== "" && today !== day && spacingS < 86_400 ? `${time}\n${today.slice(5)}` : label;
    day = today;
    return named;
  });
}
