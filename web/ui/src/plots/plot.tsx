/** A uPlot chart as a component: made once per `shape`, then fed; follows the width of its box. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface PlotProps {
  /** The chart is made anew when this changes (theme, scale, unit); otherwise only data is set. */
  shape: string;
  options: () => Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  /** Read by plug-ins while drawing; a change of data or of this draws again. */
  drawKey?: unknown;
  height: number;
  label: string;
}

export function Plot({ shape, options, data, drawKey, height, label }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new uPlot(
      { ...options(), width: Math.max(element.clientWidth, 120), height },
      latest.current,
      element,
    );
    chart.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== made.width) made.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [shape, height]);

  useEffect(() => {
    const present = chart.current;
    if (present !== null && present.data !== data) present.setData(data);
    else present?.redraw(false, false);
  }, [data, drawKey]);

  return (
    <div class="plot" role="img" aria-label={label}>
      <div class="plot-canvas" ref={box} />
    </div>
  );
}
