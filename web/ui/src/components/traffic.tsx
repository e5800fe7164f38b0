/** How little of what the sensors sent went on to the centre. */
import { bytes, share } from "../format";
import type { TrafficView } from "../schema";
import { texts } from "../texts";

const t = texts.traffic;

export function Traffic({ view }: { view: TrafficView | null | undefined }) {
  if (view === null || view === undefined) return null;
  return (
    <section class="card" aria-labelledby="traffic" data-testid="traffic">
      <h2 id="traffic">{t.title}</h2>
      <dl class="facts">
        <div>
          <dt>{t.stayed}</dt>
          <dd class="value" data-testid="stayed">
            {share(view.stayed_ratio)}
          </dd>
        </div>
        <div>
          <dt>{t.raw}</dt>
          <dd class="value">{bytes(view.raw_bytes)}</dd>
        </div>
        <div>
          <dt>{t.sent}</dt>
          <dd class="value">{bytes(view.sent_bytes)}</dd>
        </div>
      </dl>
      <p class="hint">{t.why}</p>
    </section>
  );
}
