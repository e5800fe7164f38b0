/** Numbers, times, sizes as people read them. Pure; a figure that does not exist is a dash. */

export const NONE = "–";

const pad = (value: number, digits = 2): string => String(value).padStart(digits, "0");

/** Three significant digits, no exponent between 0.001 and a million: "0.412", "4.20", "1794". */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return minus(value.toExponential(digits - 1).replace("e+", "e"));
  const rounded = Number(size.toPrecision(digits)); // 0.9996 has one digit less behind the point than 0.99
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(rounded)));
  return minus(value.toFixed(decimals));
}

/** A true minus sign is as wide as a plus and is not broken off its number. */
const minus = (number: string): string => number.replace("-", "\u2212");

/** A number with so many decimals: for what is compared down a column. */
export function fixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return minus((Math.abs(value) < 0.5 * 10 ** -decimals ? 0 : value).toFixed(decimals));
}

/** A figure with its unit, kept together on one line by a no-break space; decibels have one decimal. */
export function quantity(value: number | null | undefined, unit: string, digits = 3): string {
  const number = unit === "dB" ? fixed(value, 1) : figure(value, digits);
  return number === NONE || unit === "" ? number : `${number}\u00a0${unit}`;
}

/** An integer with thin spaces between thousands: "12 345". */
export function count(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function percent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined || !Number.isFinite(fraction)) return NONE;
  return `${Math.round(fraction * 100)}\u00a0%`;
}

/** A share with two decimals, rounded down: what is not quite all of it never reads "100.00 %". */
export function share(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined || !Number.isFinite(fraction)) return NONE;
  return `${(Math.trunc(fraction * 10_000) / 100).toFixed(2)}\u00a0%`;
}

/** Bytes in decimal units: "640 B", "1.23 MB". */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(size) : figure(size)}\u00a0${units[unit]}`;
}

/** A span in the two largest units that matter: "45 s", "12 min", "3 h 20 min", "2 d 4 h". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const s = Math.abs(seconds);
  if (s < 1) return `${figure(s * 1000, 2)}\u00a0ms`;
  if (s < 10) return `${figure(s, 2)}\u00a0s`;
  if (s < 99.5) return `${Math.round(s)}\u00a0s`;
  const minutes = Math.round(s / 60);
  if (minutes < 100) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, "h", minutes % 60, "min");
  const wholeHours = Math.round(s / 3600);
  return joined(Math.floor(wholeHours / 24), "d", wholeHours % 24, "h");
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  const first = `${large}\u00a0${largeUnit}`;
  return small === 0 ? first : `${first} ${small}\u00a0${smallUnit}`;
}

/** Time of day in the viewer's time zone: "02:13:44". */
export function clockTime(ms: number): string {
  const t = new Date(ms);
  return `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`;
}

export function calendarDay(ms: number): string {
  const t = new Date(ms);
  return `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
}

/** The time alone when it is of the same day as `nowMs`, else with its date. */
export function when(ms: number, nowMs: number): string {
  const time = clockTime(ms);
  return calendarDay(ms) === calendarDay(nowMs) ? time : `${calendarDay(ms)} ${time}`;
}

/** Shaft speed as a technician says it: "1794 rpm". */
export function rpm(shaftHz: number | null | undefined): string {
  if (shaftHz === null || shaftHz === undefined || !Number.isFinite(shaftHz)) return NONE;
  return `${Math.round(shaftHz * 60)}\u00a0rpm`;
}

/** A piece of an element's id or test id: lower case, words joined by dashes. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, "-")
    .replace(/^-+|-+$/g, "");
}

export const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
