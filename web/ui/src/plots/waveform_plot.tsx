/** A captured waveform: of each moment the band from the least to the greatest sample; time 0 is the trigger. */
import type uPlot from "uplot";
import { useMemo, useRef } from "preact/hooks";
import { reach, waveformColumns } from "../capture_book";
import { shownUnit } from "../names";
import type { WaveformView } from "../schema";
import { captureTexts } from "../texts_captures";
import { tickLabel, timeFromTriggerAxis, valueAxis } from "./axes";
import { Plot } from "./plot";
import { useTheme } from "./theme";

const HEIGHT = 220;

export function WaveformPlot({ picture, channel, name }: { picture: WaveformView; channel: number; name: string }) {
  const theme = useTheme();
  const data = useMemo(() => waveformColumns(picture, channel), [picture, channel]);
  const most = useMemo(() => reach(data[1], data[2]) * 1.05, [data]);
  const now = useRef(most);
  now.current = most;
  const options = (): Omit<uPlot.Options, "width" | "height"> => ({
    legend: { show: false },
    padding: [8, 14, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
    scales: { x: { time: false }, y: { range: () => [-now.current, now.current] } },
    axes: [timeFromTriggerAxis(theme), valueAxis(theme, shownUnit(picture.unit))],
    series: [
      {},
      { stroke: theme.line, width: 1, points: { show: false } },
      { stroke: theme.line, width: 1, points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: theme.line }],
    hooks: {
      draw: [
        (plot) => {
          const x = plot.valToPos(0, "x", true);
          const { ctx } = plot;
          ctx.save();
          ctx.strokeStyle = theme.limit;
          ctx.setLineDash([6, 4]);
          ctx.beginPath();
          ctx.moveTo(x, plot.bbox.top);
          ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
          ctx.stroke();
          ctx.restore();
        },
      ],
    },
  });
  const label = `${captureTexts.pictureOf(name)}, ±${tickLabel(most)} ${picture.unit}`;
  return (
    <Plot shape={`${theme.line}|${theme.surface}`} options={options} data={data} drawKey={most} height={HEIGHT} label={label} />
  );
}
