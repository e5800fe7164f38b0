import { expect, it } from "vitest";
import { evidenceLine, firstFeature, named, readable } from "../src/names";

const plain = (text: string) => text.replace(/\u00a0/g, " ");

it.each([
  ["velocity_rms_mm_s", "", "Vibration velocity, RMS", "mm/s"],
  ["rms_mps2", "m/s2", "Acceleration, RMS", "m/s²"],
  ["crest_factor", "1", "Crest factor", ""],
  ["band_112_180_hz_db", "dB", "Band 112–180 Hz, level", "dB"],
  ["band_4.5_7.1_hz_db", "", "Band 4.5–7.1 Hz, level", "dB"],
  ["band_2000_11520_hz_rms_mps2", "", "Band 2000–11520 Hz, acceleration, RMS", "m/s²"],
  ["band_2000_11520_hz_envelope_kurtosis", "1", "Band 2000–11520 Hz, impulsiveness (envelope kurtosis)", ""],
  ["oil_temperature_degc", "", "Oil temperature", "°C"],
  ["over_baseline_db", "", "Over baseline", "dB"],
  ["something_new", "", "Something new", ""],
])("reads %s (%s)", (name, given, words, unit) => {
  const read = named(name, given);
  expect(plain(read.name)).toBe(words);
  expect(read.unit).toBe(unit);
});

it("writes evidence with its unit, in words", () => {
  expect(evidenceLine("frequency_hz", 88.2)).toEqual({ name: "Frequency", value: "88.2\u00a0Hz" });
  expect(evidenceLine("rising_s", 90).value).toBe("90\u00a0s");
  expect(evidenceLine("baseline", false).value).toBe("no");
  expect(evidenceLine("over_baseline_db", null).value).toBe("–");
  expect(plain(evidenceLine("features", "mostly band_112_180_hz_db").value)).toBe("mostly Band 112–180 Hz, level");
});

it("leaves a technician's sentence as it is", () => {
  const sentence = "outer race, BPFO at 3.58 x shaft speed, 14 dB over baseline, rising for 90 s";
  expect(readable(sentence)).toBe(sentence);
});

it("shows the deviation first while an alarm is open, else vibration velocity", () => {
  const features = ["rms_mps2", "kurtosis", "velocity_rms_mm_s", "score"];
  expect(firstFeature(features, true)).toBe("score");
  expect(firstFeature(features, false)).toBe("velocity_rms_mm_s");
  expect(firstFeature(["rms_mps2"], true)).toBe("rms_mps2");
  expect(firstFeature(["abc"], false)).toBe("abc");
  expect(firstFeature([], true)).toBeNull();
});
