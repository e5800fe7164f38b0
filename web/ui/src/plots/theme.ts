/** Colours of the plots, read from the style sheet so that dark and light are defined once. */
import { useEffect, useState } from "preact/hooks";

export interface PlotTheme {
  text: string;
  grid: string;
  line: string;
  limit: string;
  hatch: string;
  surface: string;
  /** Marker colours in turn; each family also has its own dash and label, so colour is never alone. */
  markers: string[];
  shaft: string;
}

export const MARKER_COLOURS = 5;

export function readTheme(): PlotTheme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: colour("--text-2"),
    grid: colour("--grid"),
    line: colour("--plot-line"),
    limit: colour("--plot-limit"),
    hatch: colour("--plot-hatch"),
    surface: colour("--surface"),
    markers: Array.from({ length: MARKER_COLOURS }, (_, i) => colour(`--marker-${i + 1}`)),
    shaft: colour("--marker-shaft"),
  };
}

/** The present theme; a new object when the system goes dark or light. */
export function useTheme(): PlotTheme {
  const [theme, setTheme] = useState(readTheme);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const update = () => setTheme(readTheme());
    scheme.addEventListener("change", update);
    return () => scheme.removeEventListener("change", update);
  }, []);
  return theme;
}
