import { describe, expect, it } from "vitest";
import { captureReason, fileHref, reach, waveformColumns } from "../src/capture_book";
import type { CaptureView, WaveformView } from "../src/schema";

const picture: WaveformView = {
  capture_id: "c",
  unit: "m/s2",
  times_s: [-1, 0, 1],
  channels: ["x", "y"],
  low: [
    [-1, null, -3],
    [-9, -9, -9],
  ],
  high: [
    [1, null, 2],
    [9, 9, 9],
  ],
};

describe("a captured waveform", () => {
  it("gives the columns of one channel, a gap stays a gap", () => {
    expect(waveformColumns(picture, 0)).toEqual([[-1, 0, 1], [-1, null, -3], [1, null, 2]]);
    expect(waveformColumns(picture, 7)).toEqual([[-1, 0, 1], [], []]);
  });

  it("reaches as far as its greatest magnitude, and never nowhere", () => {
    expect(reach([-1, null, -3], [1, null, 2])).toBe(3);
    expect(reach([null], [null])).toBe(1);
    expect(reach([0], [0])).toBe(1);
  });

  it("says why it was taken, and where its file is", () => {
    const capture = { triggers: [{ actor: "anna", text: "before" }] } as unknown as CaptureView;
    expect(captureReason(capture)).toEqual({ actor: "anna", text: "before" });
    expect(captureReason({ triggers: [] } as unknown as CaptureView)).toEqual({ actor: "", text: "" });
    expect(fileHref("a b", "uff")).toBe("/api/captures/a%20b/file?format=uff");
  });
});
