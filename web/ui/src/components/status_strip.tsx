/** One line that always has its place: live with the appliance's time, or the connection is lost. */
import { useNow } from "../hooks";
import { clockTime, when } from "../format";
import { state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

export function StatusStrip() {
  const connection = useStore(state, (s) => s.connection);
  const heardMs = useStore(state, (s) => s.heardMs);
  const offset = useStore(state, (s) => s.clockOffsetMs);
  const clock = useStore(state, (s) => s.appliance?.clock ?? null);
  const nowMs = useNow();
  // The region is always there, so that a screen reader speaks when its content changes.
  return (
    <div class="strip-place">
      <div class={`strip strip-${connection}`}>
        <div role="status">
          {connection === "lost" && (
            <p data-testid="connection-lost">
            <LostSign />
            <span>
              {heardMs === null ? texts.connection.neverHad : texts.connection.lost(when(heardMs + offset, nowMs))}{" "}
              {texts.connection.retrying}
            </span>
          </p>
        )}
          {connection === "connecting" && <p>{texts.connection.connecting}</p>}
        </div>
        {connection === "live" && (
          <p>
            <span class="live-dot" aria-hidden="true" />
            {texts.connection.live} · <time>{clockTime(nowMs)}</time>
            {clock !== null && !clock.trusted && <span class="tag tag-doubt">{texts.alarms.provisionalTime}</span>}
          </p>
        )}
      </div>
    </div>
  );
}

function LostSign() {
  return (
    <svg class="lost-sign" width="20" height="20" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M2 9a15 15 0 0 1 20 0M6 13.5a9 9 0 0 1 12 0M10 18a3 3 0 0 1 4 0M4 3l16 18" />
    </svg>
  );
}
