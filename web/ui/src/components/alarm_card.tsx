/** One alarm: what is wrong, how sure, since when, what to do, and the button that says "seen". */
import { adviceFor } from "../advice";
import { isActive, isUnacknowledged } from "../alarm_book";
import { percent, when } from "../format";
import { readable } from "../names";
import { machineHref } from "../router";
import type { ActView, AlarmView } from "../schema";
import { state } from "../session";
import { texts } from "../texts";
import { Acknowledge } from "./acknowledge";
import { Captures } from "./captures";
import { Evidence } from "./evidence";
import { History } from "./history";
import { AlarmBadge, alarmClass } from "./severity";
import { Shelve } from "./shelve";
import { DoubtMarks } from "./tag";

/** The appliance has alarms of its own, which belong to no machine. */
const isMachine = (assetId: string): boolean =>
  state.get().machines?.some((machine) => machine.asset_id === assetId) ?? true;

export interface AlarmCardProps {
  alarm: AlarmView;
  nowMs: number;
  /** Whether the machine's name is shown and links to its page. */
  withMachine: boolean;
  /** The headline alarm shows its evidence at once. */
  large?: boolean;
}

export function AlarmCard({ alarm, nowMs, withMachine, large = false }: AlarmCardProps) {
  const advice = adviceFor(alarm);
  const tone = isActive(alarm) ? alarmClass(alarm.severity) : "sev-none";
  return (
    <article class={`card alarm ${tone}${large ? " alarm-large" : ""}`} data-testid={`alarm-${alarm.alarm_id}`}>
      <header class="alarm-head">
        <AlarmBadge severity={alarm.severity} testId="severity" />
        <span class={isUnacknowledged(alarm) ? "tag tag-attention" : "tag"} data-testid="alarm-state">
          {texts.alarmStates[alarm.state]}
        </span>
        <DoubtMarks durable={alarm.durable} timeTrusted={alarm.time_trusted} />
        <span class="alarm-time">{texts.alarms.since(when(alarm.raised_ms, nowMs))}</span>
      </header>
      {withMachine && (
        <p class="alarm-machine">
          <a href={isMachine(alarm.asset_id) ? machineHref(alarm.asset_id) : "#/appliance"}>{alarm.asset_name}</a>
        </p>
      )}
      <p class="alarm-text" data-testid="alarm-text">
        {readable(alarm.text)}
      </p>
      {alarm.acknowledged_by !== null && <AcknowledgedBy alarm={alarm} nowMs={nowMs} />}
      {alarm.shelved !== null && <Shelved alarm={alarm} act={alarm.shelved} nowMs={nowMs} />}
      {alarm.conflicts.map((sentence) => (
        <p key={sentence} class="conflict" data-testid="alarm-conflict">
          <span class="tag tag-attention">{texts.alarms.conflict}</span> {sentence}
        </p>
      ))}
      {large && advice.length > 0 && (
        <section class="advice">
          <h3>{texts.machine.toDo}</h3>
          {advice.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </section>
      )}
      <Acknowledge key={`${alarm.alarm_id}/${alarm.activation}`} alarm={alarm} />
      <Shelve key={`shelve/${alarm.alarm_id}/${alarm.activation}`} alarm={alarm} />
      {large ? (
        <section>
          <h3>{texts.machine.why}</h3>
          <Facts alarm={alarm} />
        </section>
      ) : (
        <details class="more">
          <summary>{`${texts.machine.why}${advice.length > 0 ? ` · ${texts.machine.toDo}` : ""}`}</summary>
          {advice.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
          <Facts alarm={alarm} />
        </details>
      )}
      {isMachine(alarm.asset_id) && <Captures of={{ alarmId: alarm.alarm_id }} nowMs={nowMs} />}
      <History alarm={alarm} nowMs={nowMs} />
    </article>
  );
}

/** Everybody who has seen it, on the box or at the centre, in the order in which they did. */
function AcknowledgedBy({ alarm, nowMs }: { alarm: AlarmView; nowMs: number }) {
  return (
    <div data-testid="acknowledged-by">
      {alarm.acknowledgements.map((act) => (
        <p key={`${act.origin}/${act.time_ms}/${act.actor}`} class="acknowledged">
          {texts.alarms.acknowledgedByAt(texts.alarms.who(act.actor, act.origin), when(act.time_ms, nowMs))}
          {act.reason !== "" && <q>{act.reason}</q>}
        </p>
      ))}
    </div>
  );
}

function Shelved({ alarm, act, nowMs }: { alarm: AlarmView; act: ActView; nowMs: number }) {
  const untilMs = alarm.shelved_until_ms ?? act.time_ms;
  return (
    <p class="acknowledged" data-testid="alarm-shelved">
      {texts.alarms.shelvedBy(texts.alarms.who(act.actor, act.origin), when(untilMs, nowMs))}
      {act.reason !== "" && <q>{act.reason}</q>}
    </p>
  );
}

function Facts({ alarm }: { alarm: AlarmView }) {
  return (
    <>
      <dl class="facts">
        {alarm.confidence !== null && (
          <div>
            <dt>{texts.alarms.confidence}</dt>
            <dd>{percent(alarm.confidence)}</dd>
          </div>
        )}
        <div>
          <dt>{texts.alarms.rule}</dt>
          <dd>{alarm.rule}</dd>
        </div>
      </dl>
      <Evidence alarm={alarm} />
    </>
  );
}
