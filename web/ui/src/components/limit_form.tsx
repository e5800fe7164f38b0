/** One change of a limit, or of all of a machine: what it means, why it is done, and the button. */
import { useState } from "preact/hooks";
import { type Act, hours, learningHours, percentProblem, wholePercent } from "../limit_book";
import type { LimitChange, LimitsView, LimitView, Problem } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { ProblemNotice, problemFrom } from "./notice";

const t = texts.limits;
const LEAST_REASON = 3;

export interface LimitFormProps {
  view: LimitsView;
  act: Act;
  /** Null: all limits of the machine. */
  limit: LimitView | null;
  /** Of "restore". */
  version?: number;
  onDone: (view: LimitsView, act: Act) => void;
  onCancel: () => void;
}

export function LimitForm({ view, act, limit, version, onDone, onCancel }: LimitFormProps) {
  const [reason, setReason] = useState("");
  const [percent, setPercent] = useState(limit === null ? "" : String(Math.min(view.largest_percent, Math.round(limit.percent * 1.2))));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const wrongPercent = act === "raise" && limit !== null ? percentProblem(percent, limit, view.largest_percent) : null;
  const ready = reason.trim().length >= LEAST_REASON && wrongPercent === null && !busy;

  const submit = async (event: Event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    setProblem(null);
    const change: LimitChange = {
      action: act,
      channel_id: limit?.channel_id ?? null,
      operating_state: limit?.operating_state ?? null,
      percent: act === "raise" ? Number(percent.replace(",", ".")) : null,
      version: version ?? null,
      reason: reason.trim(),
      seen_revision: view.revision,
    };
    try {
      onDone(await api.changeLimits(view.asset_id, change), act);
    } catch (error) {
      setProblem(problemFrom(error));
      setBusy(false);
    }
  };
  return (
    <form class="limit-form" onSubmit={submit} data-testid="limit-form">
      <p class={act === "learn anew" ? "notice notice-doubt" : "notice"}>
        {t.what[act]}
        {act === "learn anew" && ` ${t.learnsFor(hours(learningHours(view, limit)))}`}
      </p>
      {act === "raise" && limit !== null && (
        <label class="field">
          <span>{t.percent}</span>
          <input
            type="text"
            inputMode="decimal"
            autocomplete="off"
            value={percent}
            data-testid="limit-percent"
            aria-invalid={wrongPercent !== null}
            onInput={(event) => setPercent(event.currentTarget.value)}
          />
          <span class="hint">{t.percentRange(wholePercent(limit.percent), wholePercent(view.largest_percent))}</span>
        </label>
      )}
      <label class="field">
        <span>{t.reason}</span>
        <input
          type="text"
          maxLength={500}
          autocomplete="off"
          value={reason}
          placeholder={t.reasonExample[act] ?? ""}
          data-testid="limit-reason"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      {problem && <ProblemNotice problem={problem} />}
      <div class="limit-buttons">
        <button type="submit" class="button primary" disabled={!ready} data-testid="limit-confirm">
          {busy ? t.working : t.confirm(t.acts[act])}
        </button>
        <button type="button" class="button" onClick={onCancel}>
          {t.cancel}
        </button>
        {reason.trim().length < LEAST_REASON && <span class="hint limit-why">{t.needsReason}</span>}
      </div>
    </form>
  );
}
