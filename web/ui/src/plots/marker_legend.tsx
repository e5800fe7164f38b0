/** The marked frequencies as buttons: name, frequency, how strong; pressed means shown. */
import { quantity, rpm } from "../format";
import { texts } from "../texts";
import { type DrawnFamily, dashOf } from "./drawing";
import { SHAFT_KEY } from "./spectrum_data";

export interface MarkerLegendProps {
  families: readonly DrawnFamily[];
  hidden: ReadonlySet<string>;
  onToggle: (key: string) => void;
}

export function MarkerLegend({ families, hidden, onToggle }: MarkerLegendProps) {
  if (families.length === 0) return null;
  return (
    <div class="marker-legend" role="group" aria-label={texts.spectrum.markers}>
      {families.map((family) => (
        <button
          type="button"
          key={family.key}
          class="marker"
          data-testid={`marker-${family.key}`}
          aria-pressed={!hidden.has(family.key)}
          onClick={() => onToggle(family.key)}
        >
          <svg class="marker-line" width="26" height="14" aria-hidden="true">
            <line x1="1" y1="7" x2="25" y2="7" stroke={family.colour} stroke-width="3" stroke-dasharray={dashOf(family.dash)} />
          </svg>
          <span>
            <strong>{family.label}</strong> {quantity(family.frequencyHz, "Hz", 4)}
            <span class="marker-more">{strength(family)}</span>
          </span>
        </button>
      ))}
    </div>
  );
}

function strength(family: DrawnFamily): string {
  if (family.key === SHAFT_KEY) return rpm(family.frequencyHz);
  const words = [family.fault];
  if (family.overBaselineDb !== null) {
    words.push(texts.spectrum.overBaseline(quantity(family.overBaselineDb, "dB")));
  } else if (family.levelDb !== null) {
    words.push(texts.spectrum.level(quantity(family.levelDb, "dB")));
  }
  return words.filter((word) => word !== "").join(", ");
}
