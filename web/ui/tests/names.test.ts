import { expect, it } from "vitest";
import {
  evidenceLine,
  firstFeature,
  lineWords,
  named,
  readable,
  shownFeature,
  spectrumQuantity,
  withChannelNames,
} from "../src/names";

const plain = (text: string) => text.replace(/\u00a0/g, " ");

it.each([
  ["velocity_rms_mm_s", "", "Vibration velocity, RMS", "mm/s"],
  ["rms_mps2", "m/s2", "Acceleration, RMS", "m/s²"],
  ["line_3_hz", "Hz", "Line 3, frequency", "Hz"],
  ["line_3_rms_mps2", "", "Line 3, RMS", "m/s²"],
  ["centroid_hz", "", "Spectral centroid", "Hz"],
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
  expect(plain(evidenceLine("score", 2.352).value)).toBe("235 %");
  expect(evidenceLine("baseline", false).value).toBe("no");
  expect(evidenceLine("over_baseline_db", null).value).toBe("–");
  expect(plain(evidenceLine("features", "mostly band_112_180_hz_db").value)).toBe("mostly Band 112–180 Hz, level");
});

it.each([
  ["acceleration", "m/s2", "score", "1", "%", 100],
  ["acceleration", "m/s2", "velocity_rms_mm_s", "mm/s", "mm/s", 1],
  ["shaft_speed", "Hz", "value", "Hz", "rpm", 60],
  ["load", "1", "value", "1", "%", 100],
  ["temperature", "degC", "value", "degC", "°C", 1],
])("shows %s (%s), %s (%s), in %s", (measurand, own, feature, unit, shown, factor) => {
  const channel = { name: "some channel", measurand, unit: own };
  expect(shownFeature(channel, feature, unit)).toMatchObject({ unit: shown, factor });
  expect(shownFeature(channel, feature)).toMatchObject({ unit: shown, factor });
});

it("calls a process value by its channel", () => {
  expect(shownFeature({ name: "bearing temperature", measurand: "temperature", unit: "degC" }, "value").name).toBe(
    "Bearing temperature",
  );
});

it("names what a spectrum's lines are, with their unit and their multiple of shaft speed", () => {
  expect(spectrumQuantity("amplitude", "m/s2")).toBe("peak amplitude (m/s²)");
  expect(spectrumQuantity("envelope", "1")).toBe("modulation depth");
  const line = { hz: 105.2, value: 0.865 };
  expect(plain(lineWords(line, { kind: "envelope", unit: "1", shaft_hz: 29.39 }))).toBe(
    "modulation depth 0.865 at 105.2 Hz, 3.58 × shaft",
  );
  expect(plain(lineWords(line, { kind: "amplitude", unit: "m/s2", shaft_hz: null }))).toBe("0.865 m/s² at 105.2 Hz");
});

it("calls channels by their names where it knows them", () => {
  const channels = [{ channel_id: "pump-2.x", name: "acceleration x" }];
  expect(withChannelNames("pump-2.x, pump-2.y", channels)).toBe("acceleration x, pump-2.y");
  expect(withChannelNames("band 2.8-4.5 kHz +20 dB, band 2-11.5 kHz +14 dB", channels)).toBe(
    "band 2.8-4.5 kHz +20 dB, band 2-11.5 kHz +14 dB",
  );
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
