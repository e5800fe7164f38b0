/** "I have seen it": a comment and one large button. Names the activation that is on the screen. */
import { useState } from "preact/hooks";
import { acknowledge } from "../session";
import { ApiError } from "../api";
import { isUnacknowledged } from "../alarm_book";
import type { AlarmView, Problem } from "../schema";
import { texts } from "../texts";
import { ProblemNotice, problemFrom } from "./notice";

export function Acknowledge({ alarm }: { alarm: AlarmView }) {
  const [comment, setComment] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (!isUnacknowledged(alarm)) return null;

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await acknowledge(alarm, comment.trim());
      setComment("");
    } catch (error) {
      const stale = error instanceof ApiError && error.status === 409;
      const told = problemFrom(error);
      setProblem(stale ? { ...told, title: texts.alarms.stale } : told);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="acknowledge" onSubmit={submit}>
      <label class="field">
        <span class="visually-hidden">{texts.alarms.comment}</span>
        <input
          type="text"
          maxLength={500}
          placeholder={texts.alarms.comment}
          value={comment}
          autocomplete="off"
          data-testid="acknowledge-comment"
          onInput={(event) => setComment(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary" disabled={busy} data-testid="acknowledge">
        {busy ? texts.alarms.acknowledging : texts.alarms.acknowledge}
      </button>
      {problem && <ProblemNotice problem={problem} />}
    </form>
  );
}
