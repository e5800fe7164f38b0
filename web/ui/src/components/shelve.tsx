/** "Not now": shelves the activation that is on the screen for some hours, or takes it off the shelf. */
import { useState } from "preact/hooks";
import { shelve } from "../session";
import { ApiError } from "../api";
import type { AlarmView, Problem } from "../schema";
import { texts } from "../texts";
import { ProblemNotice, problemFrom } from "./notice";

const HOURS = [1, 8, 24, 168];

export function Shelve({ alarm }: { alarm: AlarmView }) {
  const [hours, setHours] = useState(8);
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (alarm.state === "normal") return null;
  const shelved = alarm.shelved !== null;

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await shelve(alarm, shelved ? 0 : hours, reason.trim());
      setReason("");
    } catch (error) {
      const stale = error instanceof ApiError && error.status === 409;
      const told = problemFrom(error);
      setProblem(stale ? { ...told, title: texts.alarms.staleShelf } : told);
    } finally {
      setBusy(false);
    }
  };
  return (
    <details class="more" data-testid="shelve-more">
      <summary>{shelved ? texts.alarms.unshelve : texts.alarms.shelve}</summary>
      <form class="acknowledge" onSubmit={submit}>
        <label class="field">
          <span class="visually-hidden">{texts.alarms.comment}</span>
          <input
            type="text"
            maxLength={500}
            placeholder={texts.alarms.comment}
            value={reason}
            autocomplete="off"
            data-testid="shelve-reason"
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        {!shelved && (
          <label class="field">
            <span class="visually-hidden">{texts.alarms.shelveFor}</span>
            <select
              value={hours}
              data-testid="shelve-hours"
              onChange={(event) => setHours(Number(event.currentTarget.value))}
            >
              {HOURS.map((one) => (
                <option key={one} value={one}>
                  {texts.alarms.hours(one)}
                </option>
              ))}
            </select>
          </label>
        )}
        <button type="submit" class="button" disabled={busy} data-testid="shelve">
          {shelved ? texts.alarms.unshelve : texts.alarms.shelve}
        </button>
        {problem && <ProblemNotice problem={problem} />}
      </form>
    </details>
  );
}
