/** A spectrum with its marked frequencies: the picture, and a legend that turns markers on and off. */
import { useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { Segmented } from "../components/segmented";
import { figure, quantity } from "../format";
import { lineWords, spectrumQuantity } from "../names";
import type { SpectrumView } from "../schema";
import { texts } from "../texts";
import { frequencyAxis, valueAxis } from "./axes";
import { type DrawnFamily, drawMarkerLabels, drawMarkerLines, drawPeak, LANE_HEIGHT } from "./drawing";
import { MarkerLegend } from "./marker_legend";
import { Plot } from "./plot";
import { amplitudeRange } from "./scales";
import { frequencies, highestLine, markedRangeHz, markerFamilies, scaled, SHAFT_KEY, standsOut } from "./spectrum_data";
import { useTheme } from "./theme";

export interface SpectrumPlotProps {
  spectrum: SpectrumView;
  channelName: string;
  /** Whether the fault frequencies of a bearing belong into this spectrum; the shaft always does. */
  faultMarkers: boolean;
}

const HEIGHT = 300;
/** Where unbalance, misalignment and looseness show: the band in which ISO 20816 rates machines. */
const LOW_RANGE_HZ = 1000;

export function SpectrumPlot({ spectrum, channelName, faultMarkers }: SpectrumPlotProps) {
  const theme = useTheme();
  const [logarithmic, setLogarithmic] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [cursor, setCursor] = useState<{ hz: number; value: number } | null>(null);
  const [range, setRange] = useState<"marked" | "full">(faultMarkers ? "marked" : "full");

  const families = useMemo(() => {
    const all = markerFamilies(faultMarkers ? spectrum.markers : [], spectrum.shaft_hz, texts.spectrum.shaft);
    const strongest = standsOut(all);
    let next = 0;
    return all.map((family): DrawnFamily => {
      const shaft = family.key === SHAFT_KEY;
      const turn = shaft ? 4 : next++;
      const colour = shaft ? theme.shaft : (theme.markers[turn % theme.markers.length] ?? theme.text);
      return { ...family, colour, dash: turn, faint: strongest !== null && family.key !== strongest };
    });
  }, [spectrum, faultMarkers, theme]);
  const shown = families.filter((family) => !hidden.has(family.key));

  const wholeHz = spectrum.first_hz + Math.max(1, spectrum.values.length - 1) * spectrum.step_hz;
  const markedHz = faultMarkers ? markedRangeHz(families, wholeHz) : Math.min(LOW_RANGE_HZ, wholeHz);
  const toHz = range === "full" ? wholeHz : markedHz;
  const peak = useMemo(() => highestLine(spectrum, toHz), [spectrum, toHz]);
  const [low, high] = amplitudeRange(peak?.value ?? 0, logarithmic);
  const data = useMemo<uPlot.AlignedData>(
    () => [frequencies(spectrum), scaled(spectrum.values, low, logarithmic)],
    [spectrum, low, logarithmic],
  );

  const now = useRef({ shown, theme, toHz, low, high, peak });
  now.current = { shown, theme, toHz, low, high, peak };
  const drawn = spectrumQuantity(spectrum.kind, spectrum.unit);

  const options = (): Omit<uPlot.Options, "width" | "height"> => ({
    legend: { show: false },
    padding: [families.length * LANE_HEIGHT + 6, 14, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
    scales: {
      x: { time: false, range: () => [0, now.current.toHz] },
      y: {
        distr: logarithmic ? 3 : 1,
        range: () => [now.current.low, now.current.high],
      },
    },
    axes: [frequencyAxis(theme), valueAxis(theme, drawn, logarithmic)],
    series: [{}, { stroke: theme.line, width: 1.4, points: { show: false } }],
    hooks: {
      drawClear: [(plot) => drawMarkerLines(plot, now.current.shown)],
      draw: [
        (plot) => drawPeak(plot, now.current.peak, now.current.theme),
        (plot) => drawMarkerLabels(plot, now.current.shown, now.current.theme),
      ],
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          const pointed = left === undefined || left < 0 || idx === null || idx === undefined ? null : idx;
          const hz = pointed === null ? undefined : plot.data[0][pointed];
          const value = pointed === null ? undefined : plot.data[1]?.[pointed];
          setCursor(hz === undefined || value === undefined || value === null ? null : { hz, value });
        },
      ],
    },
  });

  const kind = faultMarkers ? texts.spectrum.envelope : texts.spectrum.amplitude;
  const line = cursor ?? peak;
  const words =
    line === null
      ? texts.spectrum.none
      : cursor === null
        ? texts.spectrum.peak(lineWords(line, spectrum))
        : lineWords(line, spectrum);
  return (
    <div>
      <div class="plot-controls">
        <Segmented
          label={texts.spectrum.scale}
          value={logarithmic ? "log" : "linear"}
          options={[
            ["linear", texts.spectrum.linear],
            ["log", texts.spectrum.logarithmic],
          ]}
          onChange={(value) => setLogarithmic(value === "log")}
        />
        {markedHz < wholeHz && (
          <Segmented
            label={texts.spectrum.range}
            value={range}
            options={[
              ["marked", texts.spectrum.upTo(quantity(markedHz, "Hz"))],
              ["full", texts.spectrum.fullRange],
            ]}
            onChange={setRange}
          />
        )}
      </div>
      <p class="plot-readout" aria-hidden="true">
        {words}
      </p>
      <Plot
        shape={`${theme.line}|${theme.surface}|${logarithmic}|${families.length}`}
        options={options}
        data={data}
        drawKey={`${toHz}|${low}|${high}|${peak?.hz}|${shown.map((f) => `${f.key}${figure(f.frequencyHz, 6)}`).join()}`}
        height={HEIGHT}
        label={texts.spectrum.label(kind, channelName, words)}
      />
      <MarkerLegend families={families} hidden={hidden} onToggle={toggle} />
    </div>
  );

  function toggle(key: string) {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    setHidden(next);
  }
}
