/**
 * Readable names and units for features and evidence, whose names carry their unit: `velocity_rms_mm_s`.
 * Unknown names are still readable: the unit is taken from the ending, the rest becomes words.
 */
import { capitalised, duration, figure, NONE, percent, quantity } from "./format";
import type { ChannelView, SpectrumView } from "./schema";
import { texts } from "./texts";

export interface Named {
  name: string;
  unit: string;
}

// Longer endings first: `_mm_s` must not be taken for `_s`.
const UNITS: [string, string][] = [
  ["_mm_s2", "mm/s²"],
  ["_mps2", "m/s²"],
  ["_mm_s", "mm/s"],
  ["_percent", "%"],
  ["_degc", "°C"],
  ["_bytes", "B"],
  ["_rpm", "rpm"],
  ["_ppm", "ppm"],
  ["_khz", "kHz"],
  ["_hz", "Hz"],
  ["_db", "dB"],
  ["_ms", "ms"],
  ["_us", "µs"],
  ["_s", "s"],
];

// How units are written in data, and on a screen.
const SHOWN_UNITS: Record<string, string> = { "1": "", "m/s2": "m/s²", degC: "°C", count: "" };

const BAND = /^band_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)_hz_?(.*)$/;
const LINE = /^line_(\d+)_(hz|rms_mps2)$/;

export const shownUnit = (unit: string): string => SHOWN_UNITS[unit] ?? unit;

function split(name: string): [string, string] {
  const found = UNITS.find(([ending]) => name.endsWith(ending));
  return found === undefined ? [name, ""] : [name.slice(0, -found[0].length), found[1]];
}

function inWords(stem: string): string {
  const known = texts.names[stem as keyof typeof texts.names];
  return known ?? capitalised(stem.replace(/[_-]+/g, " ").trim());
}

/** A feature's or an evidence entry's name in words, and its unit. A given unit wins over the name's ending. */
export function named(name: string, givenUnit = ""): Named {
  const unit = (ending: string) => shownUnit(givenUnit) || (givenUnit === "1" ? "" : ending);
  const band = BAND.exec(name);
  if (band !== null) {
    const [, from = "", to = "", rest = ""] = band;
    const [stem, ending] = rest === "db" ? ["level", "dB"] : split(rest);
    const range = `${from}–${to}\u00a0Hz`;
    return { name: texts.bandFeature(range, inWords(stem)), unit: unit(ending) };
  }
  const line = LINE.exec(name);
  if (line !== null) {
    const [, rank = "", what] = line;
    return { name: texts.lineFeature(rank, what !== "hz"), unit: unit(what === "hz" ? "Hz" : "m/s²") };
  }
  const [stem, ending] = name in texts.names ? [name, split(name)[1]] : split(name);
  return { name: inWords(stem) || name, unit: unit(ending) };
}

/** What is drawn or written in another unit than it is kept in: multiply by `factor`. */
export interface Shown extends Named {
  factor: number;
}

/**
 * A feature of a channel as a technician says it: speeds in rpm, loads and the deviation in per cent.
 * A process value is called by its channel: "bearing temperature" says more than "value".
 */
export function shownFeature(channel: Pick<ChannelView, "name" | "measurand" | "unit">, feature: string, unit = ""): Shown {
  if (feature === SCORE) return { name: named(feature).name, unit: "%", factor: 100 };
  if (feature !== "value") return { ...named(feature, unit), factor: 1 };
  const name = capitalised(channel.name);
  if (channel.measurand === "load") return { name, unit: "%", factor: 100 };
  if (channel.measurand === "shaft_speed") return { name, unit: "rpm", factor: 60 };
  return { name, unit: shownUnit(unit || channel.unit), factor: 1 };
}

/** What the values of a spectrum are, with their unit: for its axis. */
export function spectrumQuantity(kind: SpectrumView["kind"], unit: string): string {
  const shown = shownUnit(unit);
  return shown === "" ? texts.spectrum.quantities[kind] : `${texts.spectrum.quantities[kind]} (${shown})`;
}

/** One line of a spectrum: "0.562 m/s² at 674.2 Hz, 22.9 × shaft"; a height without a unit is named instead. */
export function lineWords(line: { hz: number; value: number }, spectrum: Pick<SpectrumView, "kind" | "unit" | "shaft_hz">): string {
  const unit = shownUnit(spectrum.unit);
  const height = unit === "" ? `${texts.spectrum.quantities[spectrum.kind]} ${figure(line.value)}` : quantity(line.value, unit);
  const order = spectrum.shaft_hz === null || spectrum.shaft_hz <= 0 ? null : line.hz / spectrum.shaft_hz;
  const words = texts.spectrum.lineAt(height, quantity(line.hz, "Hz", 4));
  return order === null ? words : `${words}, ${texts.spectrum.timesShaft(figure(order))}`;
}

/** A list of channels ("pump-2.x, pump-2.y") by their names, where it is one and they are known. */
export function withChannelNames(text: string, channels: readonly Pick<ChannelView, "channel_id" | "name">[]): string {
  const name = (id: string) => channels.find((channel) => channel.channel_id === id)?.name ?? id;
  return text.split(", ").map(name).join(", ");
}

export interface EvidenceLine {
  name: string;
  value: string;
}

/** One evidence entry: what, and how much. */
export function evidenceLine(key: string, value: number | string | boolean | null): EvidenceLine {
  const { name, unit } = named(key);
  if (value === null) return { name, value: NONE };
  if (typeof value === "boolean") return { name, value: value ? texts.yes : texts.no };
  if (typeof value === "string") return { name, value: readable(value) };
  if (key === SCORE) return { name, value: percent(value) };
  if (unit === "s") return { name, value: duration(value) };
  return { name, value: quantity(value, unit) };
}

/** A text in which names of features stand, with these names in words. */
export function readable(text: string): string {
  return text.replace(/\b[a-z]+(?:_[a-z0-9.]+)+\b/g, (word) => named(word).name);
}

/** The feature that has a limit: how far all features together are from their baseline, 1.0 at the limit. */
export const SCORE = "score";

// What is trended of a machine first when nobody has chosen.
const PREFERRED = ["velocity_rms_mm_s", SCORE, "rms_mps2", "value"];

/** The feature to show first: the deviation while an alarm is open (it shows what rises), else velocity. */
export function firstFeature(features: readonly string[], alarmOpen: boolean): string | null {
  if (alarmOpen && features.includes(SCORE)) return SCORE;
  return PREFERRED.find((name) => features.includes(name)) ?? features[0] ?? null;
}
