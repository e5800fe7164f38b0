/** Versions of a machine's limits, the latest first: who, when, why; an older one can be restored. */
import { useState } from "preact/hooks";
import { when } from "../format";
import { usePolled } from "../hooks";
import { type Act, hours, limitOf, restorable, wholePercent } from "../limit_book";
import type { LimitsView, LimitVersionView } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { LimitForm } from "./limit_form";
import { Empty, ProblemNotice } from "./notice";
import { DoubtMarks } from "./tag";

const t = texts.limits;
const EVERY_MS = 10_000;
const MOST = 100;

export interface LimitHistoryProps {
  view: LimitsView;
  nowMs: number;
  onDone: (view: LimitsView, act: Act) => void;
}

export function LimitHistory(props: LimitHistoryProps) {
  const [open, setOpen] = useState(false);
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="limit-history">
      <summary>{t.history}</summary>
      {open && <Versions {...props} />}
    </details>
  );
}

function Versions({ view, nowMs, onDone }: LimitHistoryProps) {
  const key = `${view.asset_id}/${view.revision}`;
  const { value, problem } = usePolled(key, EVERY_MS, () => api.limitHistory(view.asset_id, MOST));
  const [picked, setPicked] = useState<LimitVersionView | null>(null);
  if (problem && value === undefined) return <ProblemNotice problem={problem} />;
  if (value === undefined) return <Empty>{t.loading}</Empty>;
  if (value.length === 0) return <Empty>{t.historyNone}</Empty>;
  return (
    <ol class="history">
      {value.map((v) => (
        <li key={v.sequence} data-testid={`limit-version-${v.version}`}>
          <span class="history-time">{when(v.time_ms, nowMs)}</span>
          <span class="history-what">
            <strong>{t.actions[v.action] ?? v.action}</strong>{" "}
            {v.of_version !== null && `${t.ofVersion(v.of_version)} `}· {v.actor === "appliance" ? t.appliance : v.actor} ·{" "}
            {v.channel_name}, {v.operating_state} · v{v.version}{" "}
            {v.newest && <span class="tag tag-good">{t.nowTag}</span>} {v.locked && <span class="tag">{t.locked}</span>}{" "}
            <DoubtMarks durable={v.sequence > 0} timeTrusted={v.time_trusted} />
          </span>
          <span class="history-text">
            {v.actor === "appliance" ? v.reason : t.because(v.reason)}
            {v.learned && ` · ${t.at(wholePercent(v.percent))}, ${t.restsOn(hours(v.rests_on_h))}`}
          </span>
          {restorable(v) &&
            (picked?.sequence === v.sequence ? (
              <LimitForm
                view={view}
                act="restore"
                limit={limitOf(view, v)}
                version={v.version}
                onDone={(next, act) => {
                  setPicked(null);
                  onDone(next, act);
                }}
                onCancel={() => setPicked(null)}
              />
            ) : (
              <button type="button" class="button" onClick={() => setPicked(v)} data-testid="limit-restore">
                {t.acts.restore}
              </button>
            ))}
        </li>
      ))}
    </ol>
  );
}
