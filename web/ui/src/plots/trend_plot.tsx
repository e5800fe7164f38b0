/** The trend of one feature: the line, its limit, its gaps; and the same in words below. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { duration, quantity, when } from "../format";
import type { TrendLimit, TrendView } from "../schema";
import { texts } from "../texts";
import { timeAxis, valueAxis } from "./axes";
import { drawGaps, drawLimit, drawMarks, drawUsual } from "./drawing";
import { bandAt, brokenLine, type GapBand, gapBands, gapTotals, isFilled, isolated, openHole } from "./gaps";
import { Plot } from "./plot";
import { hasZero, limitInView, trendRange } from "./scales";
import { useTheme } from "./theme";

export interface TrendPlotProps {
  trend: TrendView;
  /** What was learned of this figure in the operating state that is shown; null where nothing was. */
  learned: TrendLimit | null;
  name: string;
  unit: string;
  fromMs: number;
  toMs: number;
  nowMs: number;
  /** What is said when the trend has no limit. */
  withoutLimit: string;
  /** Set when there is nothing of an earlier time, although it was asked for. */
  sinceMs: number | null;
}

const HEIGHT = 260;

export function TrendPlot({ trend: kept, learned, name, unit, fromMs, toMs, nowMs, withoutLimit, sinceMs }: TrendPlotProps) {
  const theme = useTheme();
  const [cursor, setCursor] = useState<{ timeS: number; value: number | null } | null>(null);
  const trend = useMemo(() => withLearned(kept, learned), [kept, learned]);
  const limitText = limitWords(trend, unit, withoutLimit, learned?.locked === true);
  const marks = trend.limit_marks.filter(
    (mark) =>
      mark.time_ms >= fromMs &&
      mark.time_ms <= toMs &&
      (learned === null || mark.operating_state === learned.operating_state),
  );
  const line = useMemo(() => brokenLine(trend), [trend]);
  const bands = useMemo(() => {
    const open = openHole(trend, toMs);
    return gapBands(open === null ? trend.gaps : [...trend.gaps, open], fromMs, toMs).map(inWords);
  }, [trend, fromMs, toMs]);
  const data = useMemo<uPlot.AlignedData>(() => [line.timesS, line.values], [line]);

  // Plug-ins are made once per chart and read what is present from here.
  const now = useRef({ bands, trend, limitText, fromMs, toMs, theme, learned, marks });
  now.current = { bands, trend, limitText, fromMs, toMs, theme, learned, marks };
  useEffect(() => setCursor(null), [trend.channel_id, trend.feature]);

  const options = (): Omit<uPlot.Options, "width" | "height"> => ({
    legend: { show: false },
    padding: [10, 12, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
    scales: {
      x: { time: true, range: () => [now.current.fromMs / 1000, now.current.toMs / 1000] },
      y: { range: (plot) => trendRange((plot.data[1] ?? []) as (number | null)[], now.current.trend.limit, hasZero(unit)) },
    },
    axes: [timeAxis(theme), valueAxis(theme, unit)],
    series: [
      {},
      {
        stroke: theme.line,
        width: 2,
        spanGaps: false,
        points: {
          show: () => false, // the filter says which ones all the same
          size: 5,
          fill: theme.line,
          filter: (plot) => isolated(plot.data[1] as (number | null)[]),
        },
      },
    ],
    hooks: {
      drawClear: [(plot) => drawGaps(plot, now.current.bands.filter((band) => !isFilled(band)), now.current.theme)],
      draw: [
        (plot) => {
          const { trend, limitText, theme, learned, marks } = now.current;
          drawMarks(plot, marks.map((mark) => mark.time_ms / 1000), theme);
          if (learned !== null) drawUsual(plot, learned.usual, texts.limits.usual, theme);
          drawLimit(plot, trend.limit, limitText, theme);
        },
      ],
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          if (left === undefined || left < 0) return setCursor(null);
          const timeS = plot.posToVal(left, "x");
          const pointed = idx === null || idx === undefined ? null : idx;
          const band = bandAt(now.current.bands, timeS);
          if ((band !== null && !isFilled(band)) || pointed === null) return setCursor({ timeS, value: null });
          setCursor({ timeS: plot.data[0][pointed] ?? timeS, value: plot.data[1]?.[pointed] ?? null });
        },
      ],
    },
  });

  const latest = trend.values[trend.values.length - 1] ?? null;
  const empty = trend.values.every((value) => value === null);
  return (
    <div>
      <p class="plot-readout" aria-hidden="true">
        {readout(cursor, latest, trend.times_ms[trend.times_ms.length - 1] ?? null)}
      </p>
      <Plot
        shape={`${theme.line}|${theme.surface}|${unit}`}
        options={options}
        data={data}
        drawKey={`${fromMs}|${toMs}|${bands.length}|${trend.limit}|${learned?.usual}|${marks.length}|${limitText}`}
        height={HEIGHT}
        label={texts.trend.label(name, quantity(latest, unit), limitText)}
      />
      <p class="plot-note">
        {sinceMs !== null && `${texts.trend.since(when(sinceMs, nowMs))} `}
        {empty && <strong>{texts.trend.empty} </strong>}
        {(trend.limit === null || !inView(trend)) && limitText !== "" ? `${limitText} ` : ""}
        <GapWords />
      </p>
      {learned !== null && <p class="plot-note">{texts.limits.alone(learned.operating_state)}</p>}
      {marks.length > 0 && (
        <p class="plot-note" data-testid="limit-marks">
          {texts.limits.changes}{" "}
          {[...new Set(marks.map((mark) => `${when(mark.time_ms, nowMs)} ${mark.text}`))].join("; ")}.
        </p>
      )}
    </div>
  );

  function readout(at: typeof cursor, value: number | null, timeMs: number | null) {
    if (at === null) {
      const time = timeMs === null ? "" : ` · ${when(timeMs, nowMs)}`;
      return `${texts.trend.latest} ${quantity(value, unit)}${time}`;
    }
    const time = when(at.timeS * 1000, nowMs);
    const band = bandAt(bands, at.timeS);
    const fate = band === null ? "" : texts.trend.gapStates[band.state];
    if (at.value !== null) return `${quantity(at.value, unit)} · ${time}${fate === "" ? "" : ` · ${band?.cause}, ${fate}`}`;
    return `${band === null ? texts.trend.noData : texts.trend.noDataBecause(band.cause, fate)} · ${time}`;
  }

  function GapWords() {
    const totals = gapTotals(bands);
    if (totals.length === 0) return <>{texts.trend.noGaps}</>;
    const without = totals.filter((total) => !isFilled(total));
    const count = without.reduce((sum, total) => sum + total.count, 0);
    const seconds = without.reduce((sum, total) => sum + total.seconds, 0);
    const words = (some: typeof totals) =>
      some.map((t) => texts.trend.gapOf(t.count, t.cause, duration(t.seconds), texts.trend.gapStates[t.state])).join(", ");
    return (
      <span data-testid="trend-gaps">
        {count > 0 && (
          <>
            <span class="hatch-sample" aria-hidden="true" /> {texts.trend.gaps(count, duration(seconds))} {words(without)}
          </>
        )}
        {count > 0 && without.length < totals.length && "; "}
        {words(totals.filter(isFilled))}
      </span>
    );
  }
}

/** The journal's cause in words for a technician. */
const inWords = (band: GapBand): GapBand => ({ ...band, cause: texts.trend.causes[band.cause] ?? band.cause });

function inView(trend: TrendView): boolean {
  const values = trend.values.filter((value): value is number => value !== null);
  const highest = values.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
  return values.length === 0 || highest <= 0 || limitInView(highest, trend.limit);
}

/** The limit of a figure that has none of its own is where it alone would reach the learned one. */
function withLearned(trend: TrendView, learned: TrendLimit | null): TrendView {
  if (trend.limit !== null || learned === null) return trend;
  return { ...trend, limit: learned.limit, limit_provisional: learned.provisional };
}

function limitWords(trend: TrendView, unit: string, withoutLimit: string, locked: boolean): string {
  if (trend.limit === null) return withoutLimit;
  const limit = quantity(trend.limit, unit);
  const sure = locked ? texts.trend.limitLocked : texts.trend.limit;
  const word = trend.limit_provisional && !locked ? texts.trend.limitProvisional : sure;
  return inView(trend) ? `${word} ${limit}` : texts.trend.limitAbove(limit);
}
