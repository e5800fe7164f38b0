/** The transitions of one alarm, fetched when opened and again whenever the alarm changes. */
import { useEffect, useState } from "preact/hooks";
import { api } from "../session";
import { when } from "../format";
import type { AlarmTransitionView, AlarmView, Problem } from "../schema";
import { texts } from "../texts";
import { Empty, ProblemNotice, problemFrom } from "./notice";
import { AlarmBadge } from "./severity";
import { DoubtMarks } from "./tag";

export function History({ alarm, nowMs }: { alarm: AlarmView; nowMs: number }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="alarm-history">
      <summary>{texts.alarms.history}</summary>
      {open && <Transitions alarm={alarm} nowMs={nowMs} />}
    </details>
  );
}

function Transitions({ alarm, nowMs }: { alarm: AlarmView; nowMs: number }) {
  const [history, setHistory] = useState<AlarmTransitionView[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    let wanted = true;
    api.alarmHistory(alarm.alarm_id).then(
      (transitions) => {
        if (!wanted) return;
        setHistory([...transitions].sort((a, b) => b.sequence - a.sequence));
        setProblem(null);
      },
      (error: unknown) => wanted && setProblem(problemFrom(error)),
    );
    return () => {
      wanted = false;
    };
  }, [alarm.alarm_id, alarm.changed_ms, alarm.state, alarm.activation]);

  if (problem) return <ProblemNotice problem={problem} />;
  if (history === null) return <Empty>{texts.alarms.historyLoading}</Empty>;
  return (
    <ol class="history">
      {history.map((step) => (
        <li key={step.sequence}>
          <span class="history-time">{when(step.time_ms, nowMs)}</span>
          <span class="history-what">
            <AlarmBadge severity={step.alarm.severity} /> <strong>{step.what}</strong> ·{" "}
            {texts.alarms.who(step.actor, step.origin)} ·{" "}
            {texts.alarms.activation(step.alarm.activation)}{" "}
            <DoubtMarks durable={step.alarm.durable} timeTrusted={step.alarm.time_trusted} />
          </span>
          <span class="history-text">
            {step.alarm.text}
            {step.reason !== "" && <q>{step.reason}</q>}
          </span>
        </li>
      ))}
    </ol>
  );
}
