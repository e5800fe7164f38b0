/** What is drawn beside the line: hatched gaps, the limit, frequency markers. Canvas work only. */
import type uPlot from "uplot";
import type { GapBand } from "./gaps";
import type { MarkerFamily, Peak } from "./spectrum_data";
import type { PlotTheme } from "./theme";

const FONT = "system-ui, sans-serif";
/** Dashes of the marker families in turn: they differ without colour too. */
const DASHES: number[][] = [[], [8, 3], [2, 3], [10, 3, 2, 3], [5, 5]];
export const LANE_HEIGHT = 15;

function font(pxRatio: number, size = 11, weight = ""): string {
  return `${weight} ${Math.round(size * pxRatio)}px ${FONT}`.trim();
}

function hatch(context: CanvasRenderingContext2D, colour: string, pxRatio: number): CanvasPattern | null {
  const size = Math.round(8 * pxRatio);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const draw = tile.getContext("2d");
  if (draw === null) return null;
  draw.strokeStyle = colour;
  draw.lineWidth = 1.6 * pxRatio;
  draw.beginPath();
  for (const offset of [-size, 0, size]) {
    draw.moveTo(offset, size);
    draw.lineTo(offset + size, 0);
  }
  draw.stroke();
  return context.createPattern(tile, "repeat");
}

/** Hatched bands over the whole height, each with its cause written in it where there is room. */
export function drawGaps(plot: uPlot, bands: readonly GapBand[], theme: PlotTheme): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const pattern = hatch(ctx, theme.hatch, ratio);
  if (pattern === null || bands.length === 0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = font(ratio);
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  for (const band of bands) {
    const from = plot.valToPos(band.fromS, "x", true);
    const to = plot.valToPos(band.toS, "x", true);
    const width = Math.max(to - from, 3 * ratio); // a short gap must still be seen
    const left = Math.min(from, bbox.left + bbox.width - width);
    ctx.fillStyle = pattern;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    const textWidth = ctx.measureText(band.cause).width + 10 * ratio;
    if (textWidth < width) {
      label(ctx, band.cause, left + width / 2, bbox.top + 16 * ratio, textWidth, ratio, theme);
    } else if (width > 16 * ratio && textWidth < bbox.height) {
      ctx.save();
      ctx.translate(left + width / 2, bbox.top + textWidth / 2 + 6 * ratio);
      ctx.rotate(-Math.PI / 2);
      label(ctx, band.cause, 0, 0, textWidth, ratio, theme);
      ctx.restore();
    }
  }
  ctx.restore();
}

function label(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  width: number,
  ratio: number,
  theme: PlotTheme,
): void {
  ctx.fillStyle = theme.surface;
  ctx.fillRect(x - width / 2, y - 9 * ratio, width, 18 * ratio);
  ctx.fillStyle = theme.text;
  ctx.fillText(text, x, y);
}

/** The limit as a dashed line with its name; nothing when it lies outside the picture. */
export function drawLimit(plot: uPlot, limit: number | null, text: string, theme: PlotTheme): void {
  if (limit === null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const y = plot.valToPos(limit, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = theme.limit;
  ctx.lineWidth = 2 * ratio;
  ctx.setLineDash([9 * ratio, 5 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = font(ratio, 11, "600");
  const width = ctx.measureText(text).width;
  const above = y - bbox.top > 18 * ratio;
  const top = above ? y - 17 * ratio : y + 3 * ratio;
  ctx.fillStyle = theme.surface;
  ctx.globalAlpha = 0.85;
  ctx.fillRect(bbox.left + 4 * ratio, top, width + 8 * ratio, 15 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = theme.limit;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.fillText(text, bbox.left + 8 * ratio, top + 7.5 * ratio);
  ctx.restore();
}

/** The usual value as a dotted line with its name below the limit's. */
export function drawUsual(plot: uPlot, usual: number, text: string, theme: PlotTheme): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const y = plot.valToPos(usual, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = theme.text;
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = font(ratio, 11, "600");
  ctx.textBaseline = "bottom";
  ctx.textAlign = "right";
  const width = ctx.measureText(text).width;
  ctx.fillStyle = theme.surface;
  ctx.globalAlpha = 0.85;
  ctx.fillRect(bbox.left + bbox.width - width - 10 * ratio, y - 17 * ratio, width + 8 * ratio, 15 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = theme.text;
  ctx.fillText(text, bbox.left + bbox.width - 6 * ratio, y - 3 * ratio);
  ctx.restore();
}

/** Thin upright lines where limits were changed. */
export function drawMarks(plot: uPlot, timesS: readonly number[], theme: PlotTheme): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = theme.limit;
  ctx.globalAlpha = 0.7;
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  for (const timeS of timesS) {
    const x = plot.valToPos(timeS, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

export interface DrawnFamily extends MarkerFamily {
  colour: string;
  dash: number;
  /** Steps back behind the family that stands out. */
  faint: boolean;
}

const laneTop = (plot: uPlot, families: readonly DrawnFamily[], lane: number): number =>
  plot.bbox.top - (families.length - lane) * LANE_HEIGHT * devicePixelRatio;

/** A line at each marked frequency, from its family's lane down; drawn below the spectrum's own line. */
export function drawMarkerLines(plot: uPlot, families: readonly DrawnFamily[]): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  families.forEach((family, lane) => {
    ctx.strokeStyle = family.colour;
    ctx.setLineDash((DASHES[family.dash % DASHES.length] ?? []).map((part) => part * ratio));
    for (const { harmonic, x } of harmonicsInView(plot, family)) {
      ctx.globalAlpha = (harmonic === 1 ? 0.9 : 0.6) * (family.faint ? 0.5 : 1);
      ctx.lineWidth = (harmonic === 1 ? 2.4 : 1.6) * ratio;
      ctx.beginPath();
      ctx.moveTo(x, laneTop(plot, families, lane) + LANE_HEIGHT * ratio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  });
  ctx.restore();
}

/** The names of the marked frequencies, a lane for each family; above all lines. */
export function drawMarkerLabels(plot: uPlot, families: readonly DrawnFamily[], theme: PlotTheme): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const laneHeight = LANE_HEIGHT * ratio;
  const right = bbox.left + bbox.width;
  ctx.save();
  ctx.font = font(ratio, 11, "600");
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  families.forEach((family, lane) => {
    const top = laneTop(plot, families, lane);
    let free = bbox.left - laneHeight; // where this lane's next label may begin
    for (const { harmonic, x } of harmonicsInView(plot, family)) {
      const text = harmonic === 1 ? family.label : `${harmonic}×`;
      const width = ctx.measureText(text).width;
      const start = Math.min(Math.max(x - width / 2, bbox.left), right - width);
      if (start < free) continue;
      ctx.fillStyle = theme.surface;
      ctx.fillRect(start - 2 * ratio, top, width + 4 * ratio, laneHeight);
      ctx.fillStyle = family.colour;
      ctx.fillText(text, start, top + laneHeight / 2);
      free = start + width + 5 * ratio;
    }
  });
  ctx.restore();
}

/** A ring around the highest line, so that the words above the plot can be found in it. */
export function drawPeak(plot: uPlot, peak: Peak | null, theme: PlotTheme): void {
  if (peak === null) return;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = theme.limit;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  const x = plot.valToPos(peak.hz, "x", true);
  ctx.arc(x, plot.valToPos(peak.value, "y", true), 6 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.restore();
}

function harmonicsInView(plot: uPlot, family: DrawnFamily): { harmonic: number; x: number }[] {
  const { left, width } = plot.bbox;
  return Array.from({ length: family.harmonics }, (_, index) => ({
    harmonic: index + 1,
    x: plot.valToPos(family.frequencyHz * (index + 1), "x", true),
  })).filter(({ x }) => x >= left - 1 && x <= left + width + 1);
}

/** A short sample of a family's line for the legend. */
export function dashOf(index: number): string {
  return (DASHES[index % DASHES.length] ?? []).join(" ");
}
