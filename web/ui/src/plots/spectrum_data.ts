/** From a spectrum to what is drawn: frequencies, the highest line, where markers stand. Pure. */
import type { FaultMarker, SpectrumView } from "../schema";

export interface MarkerFamily {
  /** "BPFO"; also the tail of its test id. */
  key: string;
  label: string;
  frequencyHz: number;
  harmonics: number;
  levelDb: number | null;
  overBaselineDb: number | null;
  fault: string;
}

export const SHAFT_KEY = "shaft";

/** Test ids and keys carry no spaces: "2 x BSF" is "2xBSF". */
export const markerKey = (label: string): string => label.replace(/\s+/g, "").replace("×", "x");

/** The families of lines to mark: the shaft first, then each fault frequency. */
export function markerFamilies(markers: readonly FaultMarker[], shaftHz: number | null, shaftLabel: string): MarkerFamily[] {
  const families: MarkerFamily[] = markers
    .filter((marker) => marker.frequency_hz > 0)
    .map((marker) => ({
      key: markerKey(marker.label),
      label: marker.label,
      frequencyHz: marker.frequency_hz,
      harmonics: Math.max(1, marker.harmonics),
      levelDb: marker.level_db,
      overBaselineDb: marker.over_baseline_db,
      fault: marker.fault,
    }));
  if (shaftHz !== null && shaftHz > 0) {
    families.unshift({
      key: SHAFT_KEY,
      label: shaftLabel,
      frequencyHz: shaftHz,
      harmonics: 3,
      levelDb: null,
      overBaselineDb: null,
      fault: "",
    });
  }
  return families;
}

/** A fault frequency that is this much over its baseline stands out; the others step back behind it. */
const STANDS_OUT_DB = 3;

/** The key of the family that is most over its baseline, if any stands out. */
export function standsOut(families: readonly MarkerFamily[]): string | null {
  let best: MarkerFamily | null = null;
  for (const family of families) {
    const over = family.overBaselineDb ?? Number.NEGATIVE_INFINITY;
    if (over >= STANDS_OUT_DB && over > (best?.overBaselineDb ?? 0)) best = family;
  }
  return best?.key ?? null;
}

/** Frequency of each line. */
export function frequencies(spectrum: Pick<SpectrumView, "first_hz" | "step_hz" | "values">): number[] {
  return spectrum.values.map((_, line) => spectrum.first_hz + line * spectrum.step_hz);
}

/** Values for a scale: on a logarithmic one nothing lies below `floor` (there is no logarithm of zero). */
export function scaled(values: readonly number[], floor: number, logarithmic: boolean): number[] {
  return logarithmic ? values.map((value) => Math.max(value, floor)) : [...values];
}

export interface Peak {
  hz: number;
  value: number;
}

/** The highest line up to a frequency; the constant part (below 1 Hz) is no line. */
export function highestLine(spectrum: SpectrumView, toHz: number): Peak | null {
  let best: Peak | null = null;
  for (let line = 0; line < spectrum.values.length; line++) {
    const hz = spectrum.first_hz + line * spectrum.step_hz;
    if (hz < 1) continue;
    if (hz > toHz) break;
    const value = spectrum.values[line] ?? 0;
    if (best === null || value > best.value) best = { hz, value };
  }
  return best;
}

/** The end of the range in which the marked lines lie, rounded up; the whole spectrum if there are none. */
export function markedRangeHz(families: readonly MarkerFamily[], wholeHz: number): number {
  const last = families.reduce((far, f) => Math.max(far, f.frequencyHz * f.harmonics), 0);
  if (last === 0) return wholeHz;
  const step = 10 ** Math.floor(Math.log10(last * 1.08));
  return Math.min(wholeHz, Math.ceil((last * 1.08) / step) * step);
}
