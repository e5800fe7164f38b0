/** What was learned of a machine: progress, every limit per operating state, and what a person may do. */
import { useState } from "preact/hooks";
import { slug, when } from "../format";
import { usePolled } from "../hooks";
import {
  type Act,
  actsFor,
  actsForAll,
  actsForFirst,
  byState,
  firstStanding,
  hours,
  type MachineAct,
  progressWords,
  standing,
} from "../limit_book";
import type { LimitsView, LimitView } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { ProgressBar } from "./bars";
import { LimitForm } from "./limit_form";
import { LimitHistory } from "./limit_history";
import { Empty, ProblemNotice } from "./notice";
import { DoubtMarks } from "./tag";

const t = texts.limits;
const EVERY_MS = 5_000;

/** Which change is being made: of one limit, or of all. */
interface Picked {
  act: Act;
  limit: LimitView | null;
}

export function LimitsPanel({ assetId, nowMs }: { assetId: string; nowMs: number }) {
  const [changed, setChanged] = useState(0);
  const { value: view, problem } = usePolled(`${assetId}|${changed}`, EVERY_MS, () => api.limits(assetId));
  const [kept, setKept] = useState<LimitsView | null>(null);
  const [picked, setPicked] = useState<Picked | null>(null);
  const [told, setTold] = useState("");
  const shown = view ?? (kept?.asset_id === assetId ? kept : undefined);

  const done = (next: LimitsView, act: Act) => {
    setKept(next);
    setPicked(null);
    setTold(t.done[act]);
    setChanged(changed + 1);
  };
  const pick = (act: Act, limit: LimitView | null) => {
    setTold("");
    setPicked({ act, limit });
  };

  return (
    <section class="card limits" aria-labelledby="limits" data-testid="limits">
      <h2 id="limits">{t.title}</h2>
      <p class="hint">{t.why}</p>
      {shown === undefined ? (
        problem ? <ProblemNotice problem={problem} /> : <Empty>{t.loading}</Empty>
      ) : shown.limits.length === 0 ? (
        <Empty>{t.none}</Empty>
      ) : (
        <>
          <div class="limits-progress" data-testid="limits-progress">
            <p>
              <strong>{progressWords(shown)}</strong>
            </p>
            {shown.learning.learned_h < shown.learning.needed_h && (
              <ProgressBar
                percent={(100 * shown.learning.learned_h) / shown.learning.needed_h}
                label={texts.machines.learning}
                testId="limits-bar"
              />
            )}
          </div>
          {shown.learning.paused && <p class="notice notice-bad">{t.paused}</p>}
          <p role="status" class={told === "" ? "visually-hidden" : "notice notice-good"} data-testid="limits-told">
            {told}
          </p>
          <ul class="limit-states">
            {byState(shown.limits).map((group, index) => (
              <li key={group.state} data-testid={`limit-state-${slug(group.state)}`}>
                <details open={index === 0}>
                  <summary>
                    <h3>
                      {group.state} {group.present && <span class="tag tag-good">{t.now}</span>}{" "}
                      <span class="hint">
                        {t.inServiceOf(group.limits.filter((limit) => limit.in_service).length, group.limits.length)}
                      </span>
                    </h3>
                  </summary>
                  <ul class="limit-rows">
                    {group.limits.map((limit) => (
                      <li key={limit.channel_id}>
                        <LimitRow limit={limit} nowMs={nowMs} onPick={(act) => pick(act, limit)} />
                        {picked !== null && isSame(picked.limit, limit) && (
                          <LimitForm
                            key={picked.act}
                            view={shown}
                            act={picked.act}
                            limit={limit}
                            onDone={done}
                            onCancel={() => setPicked(null)}
                          />
                        )}
                      </li>
                    ))}
                  </ul>
                </details>
              </li>
            ))}
          </ul>
          <div class="limit-all">
            <h3>{t.wholeMachine}</h3>
            <div class="limit-buttons">
              {actsForAll(shown.limits).map((act: MachineAct) => (
                <button key={act} type="button" class="button" onClick={() => pick(act, null)} data-testid={`limits-${slug(act)}`}>
                  {t.actsOfAll[act]}
                </button>
              ))}
            </div>
            {picked !== null && picked.limit === null && (
              <LimitForm key={picked.act} view={shown} act={picked.act} limit={null} onDone={done} onCancel={() => setPicked(null)} />
            )}
          </div>
          {shown.first_baselines.length > 0 && (
            <details class="more" data-testid="first-baselines">
              <summary>{t.drift}</summary>
              <p class="hint">{t.driftWhy}</p>
              <ul class="limit-rows">
                {shown.first_baselines.map((first) => (
                  <li key={first.channel_id}>
                    <LimitRow limit={first} nowMs={nowMs} onPick={(act) => pick(act, first)} />
                    {picked !== null && isSame(picked.limit, first) && (
                      <LimitForm
                        key={picked.act}
                        view={shown}
                        act={picked.act}
                        limit={first}
                        onDone={done}
                        onCancel={() => setPicked(null)}
                      />
                    )}
                  </li>
                ))}
              </ul>
              <div class="limit-buttons">
                <button
                  type="button"
                  class="button"
                  onClick={() => pick("new first baseline", null)}
                  data-testid="limits-new-first-baseline"
                >
                  {t.firstOfAll}
                </button>
              </div>
            </details>
          )}
          <LimitHistory view={shown} nowMs={nowMs} onDone={done} />
        </>
      )}
    </section>
  );
}

const isSame = (a: LimitView | null, b: LimitView): boolean =>
  a !== null && a.channel_id === b.channel_id && a.operating_state === b.operating_state;

function LimitRow({ limit, nowMs, onPick }: { limit: LimitView; nowMs: number; onPick: (act: Act) => void }) {
  const [open, setOpen] = useState(false);
  const isFirst = limit.kind === "drift";
  return (
    <div class="limit-row" data-testid={`${isFirst ? "first-baseline" : "limit"}-${slug(limit.channel_id)}`}>
      <div class="limit-words">
        <p>
          <strong>{limit.channel_name}</strong>: <span data-testid="limit-standing">{isFirst ? firstStanding(limit) : standing(limit)}</span>{" "}
          {limit.locked && <span class="tag tag-attention">{t.locked}</span>}{" "}
          {!isFirst && limit.in_service && limit.provisional && (
            <span class="tag tag-doubt" title={t.provisionalWhy}>
              {t.provisional}
            </span>
          )}{" "}
          <DoubtMarks durable={limit.durable} timeTrusted={true} />
        </p>
        {!isFirst && (
          <p class="hint">
            {limit.in_service ? `${t.restsOn(hours(limit.rests_on_h))}; ${limit.text}` : t.notWatched}
          </p>
        )}
        {limit.changed_ms !== null && (
          <p class="hint">
            {t.version(limit.version, limit.actor, when(limit.changed_ms, nowMs))}
            {limit.actor !== "appliance" && ` ${t.because(limit.reason)}`}
          </p>
        )}
      </div>
      {open ? (
        <div class="limit-buttons">
          {(isFirst ? actsForFirst : actsFor)(limit).map((act) => (
            <button
              key={act}
              type="button"
              class="button"
              data-testid={`limit-${slug(act)}`}
              onClick={() => {
                setOpen(false);
                onPick(act);
              }}
            >
              {t.acts[act]}
            </button>
          ))}
        </div>
      ) : (
        <button
          type="button"
          class="button"
          aria-label={t.changeOf(limit.channel_name, limit.operating_state)}
          onClick={() => setOpen(true)}
          data-testid="limit-change"
        >
          {t.change}
        </button>
      )}
    </div>
  );
}
