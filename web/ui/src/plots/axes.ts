/** Axes that all plots share. */
import type uPlot from "uplot";
import { texts } from "../texts";
import { captureTexts } from "../texts_captures";
import { timeLabels } from "./scales";
import type { PlotTheme } from "./theme";

const AXIS_FONT = "12px system-ui, sans-serif";

function base(theme: PlotTheme): uPlot.Axis {
  return {
    stroke: theme.text,
    font: AXIS_FONT,
    labelFont: AXIS_FONT,
    grid: { stroke: theme.grid, width: 1 },
    ticks: { stroke: theme.grid, width: 1, size: 5 },
  };
}

/** An axis says what it measures. */
const named = (label: string): Pick<uPlot.Axis, "label" | "labelSize" | "labelGap"> => ({
  label,
  labelSize: 18,
  labelGap: 0,
});

export function timeAxis(theme: PlotTheme): uPlot.Axis {
  return {
    ...base(theme),
    space: 68,
    size: 40,
    values: (_plot, ticks, _axis, _space, spacing) => timeLabels(ticks, spacing),
  };
}

export function frequencyAxis(theme: PlotTheme): uPlot.Axis {
  return {
    ...base(theme),
    ...named(texts.spectrum.axisHz),
    space: 56,
    size: 34,
    values: (_plot, ticks) => ticks.map((tick) => (tick >= 10_000 ? `${tick / 1000}k` : String(tick))),
  };
}

/** Seconds from a trigger. */
export function timeFromTriggerAxis(theme: PlotTheme): uPlot.Axis {
  return { ...base(theme), ...named(captureTexts.axis), space: 56, size: 34, values: (_plot, ticks) => ticks.map(String) };
}

/** `quantity`: what is drawn and its unit; empty where the number has none. */
export function valueAxis(theme: PlotTheme, quantity: string, logarithmic = false): uPlot.Axis {
  return {
    ...base(theme),
    ...(quantity === "" ? {} : named(quantity)),
    size: 58,
    space: 34,
    values: (_plot, ticks) =>
      ticks.map((tick) => {
        if (tick === null || tick === undefined) return "";
        if (!logarithmic) return tickLabel(tick);
        const decade = Math.log10(tick);
        return Math.abs(decade - Math.round(decade)) < 1e-6 ? tickLabel(tick) : "";
      }),
  };
}

/** "0.05", not "0.0500"; "1e-5" below a ten-thousandth. */
export function tickLabel(tick: number): string {
  if (tick === 0) return "0";
  if (Math.abs(tick) < 1e-4 || Math.abs(tick) >= 1e5) return tick.toExponential().replace("e+", "e");
  return String(Number(tick.toPrecision(4)));
}
