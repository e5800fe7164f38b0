/** Captured waveforms in words, and as columns for a plot (pure). */
import type { CaptureView, WaveformView } from "./schema";

/** Columns of one channel: time, least, greatest. A null parts the line. */
export function waveformColumns(
  picture: WaveformView,
  channel: number,
): [number[], (number | null)[], (number | null)[]] {
  return [picture.times_s, picture.low[channel] ?? [], picture.high[channel] ?? []];
}

/** The greatest magnitude of a channel; 1 where there is none, so that a plot has a range. */
export function reach(low: readonly (number | null)[], high: readonly (number | null)[]): number {
  let greatest = 0;
  for (const value of [...low, ...high]) if (value !== null) greatest = Math.max(greatest, Math.abs(value));
  return greatest > 0 ? greatest : 1;
}

/** Who or what it was captured for: the first trigger's words. */
export function captureReason(capture: CaptureView): { actor: string; text: string } {
  const first = capture.triggers[0];
  return { actor: first?.actor ?? "", text: first?.text ?? "" };
}

export const fileHref = (captureId: string, format: "wav" | "uff"): string =>
  `/api/captures/${encodeURIComponent(captureId)}/file?format=${format}`;
