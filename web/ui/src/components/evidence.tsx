/** An alarm's evidence: each entry by its readable name, with its unit; channels by their names. */
import { evidenceLine, withChannelNames } from "../names";
import type { AlarmView } from "../schema";
import { state } from "../session";
import { useStore } from "../store";

/** Longer values take a line of their own. */
const SHORT = 16;

export function Evidence({ alarm }: { alarm: AlarmView }) {
  const channels = useStore(state, (s) => s.details.get(alarm.asset_id)?.channels);
  const lines = Object.entries(alarm.evidence).map(([key, value]) => ({
    key,
    ...evidenceLine(key, typeof value === "string" ? withChannelNames(value, channels ?? []) : value),
  }));
  if (lines.length === 0) return null;
  return (
    <dl class="facts" data-testid="evidence">
      {lines.map((line) => (
        <div key={line.key} class={line.value.length > SHORT ? "fact-long" : ""}>
          <dt>{line.name}</dt>
          <dd class={line.value.length > SHORT ? "" : "value"}>{line.value}</dd>
        </div>
      ))}
    </dl>
  );
}
