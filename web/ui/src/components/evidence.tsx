/** An alarm's evidence: each entry by its readable name, with its unit. */
import { evidenceLine } from "../names";
import type { AlarmView } from "../schema";

/** Longer values take a line of their own. */
const SHORT = 16;

export function Evidence({ evidence }: { evidence: AlarmView["evidence"] }) {
  const lines = Object.entries(evidence).map(([key, value]) => ({ key, ...evidenceLine(key, value) }));
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
