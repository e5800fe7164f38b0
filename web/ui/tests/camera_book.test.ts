import { describe, expect, it } from "vitest";
import { defectShare, kindWords, partWords, pictureHref, verdictSeverity, verdictWord } from "../src/camera_book";
import type { CameraView, PartView } from "../src/schema";

const part: PartView = {
  number: 7, time_ms: 0, result: "defect", reason: "", score: 3.1, kind: "scratch", position_px: [8, 2],
  unsure: false, latency_ms: 7.5,
};
const camera: CameraView = {
  camera_id: "press-3", name: "Press 3", last: part, learning: "", parts_inspected: 200, parts_defective: 5,
  parts_no_verdict: 1, defects: [{ kind: "dent", count: 3 }, { kind: "scratch", count: 12 }], last_defect: "a b",
};

describe("a camera over parts", () => {
  it("shows each verdict by the sign of a machine's severity, and nothing as good that is not", () => {
    expect(verdictSeverity(camera)).toBe("warn");
    expect(verdictSeverity({ ...camera, last: { ...part, result: "good" } })).toBe("good");
    expect(verdictSeverity({ ...camera, last: { ...part, result: "no verdict" } })).toBe("not rated");
    expect(verdictSeverity({ ...camera, last: null })).toBe("not rated");
    expect(verdictWord({ ...camera, last: null })).toBe("no part yet");
    expect(verdictWord(camera)).toBe("defect");
  });

  it("says of a part what is known of it", () => {
    expect(partWords(part)).toBe("part 7 · scratch · 310\u00a0% of the limit · 7.5\u00a0ms");
    const none: PartView = { ...part, result: "no verdict", reason: "too dark", score: null, kind: null };
    expect(partWords(none)).toBe("part 7 · too dark · 7.5\u00a0ms");
    expect(partWords({ ...part, unsure: true })).toContain("unsure");
  });

  it("counts defects by kind, the most frequent first, and their share", () => {
    expect(kindWords(camera)).toBe("scratch 12, dent 3");
    expect(defectShare(camera)).toBe(0.025);
    expect(defectShare({ ...camera, parts_inspected: 0 })).toBeNull();
    expect(pictureHref("a b")).toBe("/api/cameras/pictures/a%20b");
  });
});
