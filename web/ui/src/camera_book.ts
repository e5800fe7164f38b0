/** Cameras over parts in words (pure). */
import { duration, percent } from "./format";
import type { CameraView, PartView, Severity } from "./schema";
import { cameraTexts as t } from "./texts_cameras";

/** The sign of a verdict: as a machine's, so that a colour means the same on every page. */
export function verdictSeverity(camera: CameraView): Severity {
  if (camera.last === null) return "not rated";
  return ({ good: "good", defect: "warn", "no verdict": "not rated" } as const)[camera.last.result];
}

export function verdictWord(camera: CameraView): string {
  return camera.last === null ? t.noPart : t.results[camera.last.result];
}

/** One line of the last part: what kind, how far over the limit, or why there is no verdict. */
export function partWords(part: PartView): string {
  const words = [t.part(part.number)];
  if (part.reason !== "") words.push(part.reason);
  if (part.kind !== null) words.push(part.kind);
  if (part.score !== null) words.push(`${percent(part.score)} ${t.ofLimit}`);
  if (part.unsure) words.push(t.unsure);
  words.push(duration(part.latency_ms / 1000));
  return words.join(" · ");
}

/** Part of the judged parts that were defective; null where none was judged. */
export const defectShare = (camera: CameraView): number | null =>
  camera.parts_inspected > 0 ? camera.parts_defective / camera.parts_inspected : null;

/** Kinds of defects, the most frequent first: "scratch 12, dent 3". */
export function kindWords(camera: CameraView): string {
  return [...camera.defects]
    .sort((a, b) => b.count - a.count || (a.kind < b.kind ? -1 : 1))
    .map((one) => `${one.kind} ${one.count}`)
    .join(", ");
}

export const pictureHref = (captureId: string): string => `/api/cameras/pictures/${encodeURIComponent(captureId)}`;
