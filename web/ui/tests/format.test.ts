import { describe, expect, it } from "vitest";
import { bytes, clockTime, count, duration, figure, fixed, percent, quantity, rpm, slug, when } from "../src/format";

const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ").replace("\u2212", "-");

describe("figure", () => {
  it.each([
    [0, "0"],
    [1.42345, "1.42"],
    [0.041234, "0.0412"],
    [25.6, "25.6"],
    [1794.4, "1794"],
    [-3.14159, "-3.14"],
    [4.2e7, "4.20e7"],
    [1.234e-5, "1.23e-5"],
  ])("says %d as %s", (value, text) => expect(plain(figure(value))).toBe(text));

  it.each([null, undefined, Number.NaN, Number.POSITIVE_INFINITY])("has a dash for %s", (value) =>
    expect(figure(value)).toBe("–"),
  );
});

it("keeps a figure and its unit on one line, and a dash without a unit", () => {
  expect(quantity(1.4, "mm/s")).toBe("1.40\u00a0mm/s");
  expect(quantity(null, "mm/s")).toBe("–");
  expect(quantity(3, "")).toBe("3.00");
  expect(plain(quantity(13.96, "dB"))).toBe("14.0 dB");
  expect(plain(quantity(-0.02, "dB"))).toBe("0.0 dB");
});

it("rounds to decimals without a minus before zero", () => {
  expect(plain(fixed(-0.004, 2))).toBe("0.00");
  expect(plain(fixed(-1.005, 1))).toBe("-1.0");
});

it.each([
  [0.012, "12 ms"],
  [2.5, "2.5 s"],
  [45, "45 s"],
  [99.6, "2 min"],
  [3 * 3600 + 20 * 60, "3 h 20 min"],
  [5 * 3600, "5 h"],
  [3 * 86400 + 4 * 3600, "3 d 4 h"],
])("says %d s as %s", (seconds, text) => expect(plain(duration(seconds))).toBe(text));

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1234, "1.23 kB"],
  [999_600, "1.00 MB"],
  [21_400_000_000, "21.4 GB"],
])("says %d bytes as %s", (size, text) => expect(plain(bytes(size))).toBe(text));

it("groups thousands, and says fractions and speeds as people do", () => {
  expect(plain(count(1234567))).toBe("1 234 567");
  expect(plain(count(999))).toBe("999");
  expect(plain(percent(0.716))).toBe("72 %");
  expect(plain(rpm(24.6))).toBe("1476 rpm");
  expect(rpm(null)).toBe("–");
});

it("names the day only when it is another one", () => {
  const now = new Date(2026, 10, 21, 2, 13, 44).getTime();
  expect(clockTime(now)).toBe("02:13:44");
  expect(when(now - 60_000, now)).toBe("02:12:44");
  expect(when(now - 86_400_000, now)).toBe("2026-11-20 02:13:44");
});

it("makes test ids of any name", () => {
  expect(slug("Running hours (total)")).toBe("running-hours-total");
  expect(slug("pump-2.x")).toBe("pump-2.x");
});
