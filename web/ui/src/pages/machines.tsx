/** All machines, the one that needs attention first. */
import { Bar, ProgressBar } from "../components/bars";
import { Cameras } from "../components/cameras";
import { Empty } from "../components/notice";
import { SeverityBadge, severityClass } from "../components/severity";
import { severityRank } from "../alarm_book";
import { figure, percent, quantity, rpm, when } from "../format";
import { useNow, usePolled } from "../hooks";
import { machineHref } from "../router";
import type { LearningView, MachineSummary } from "../schema";
import { api, state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

/** A machine without new values for this long says so; the appliance no longer rates it then. */
const STALE_MS = 15_000;
const CAMERAS_EVERY_MS = 2_000;

export const isOld = (machine: MachineSummary, nowMs: number): boolean =>
  machine.updated_ms === null || nowMs - machine.updated_ms > STALE_MS;

/** "no new values since 02:13:44". */
export function OldValues({ machine, nowMs }: { machine: MachineSummary; nowMs: number }) {
  if (!isOld(machine, nowMs)) return null;
  return (
    <span class="tag tag-doubt">
      {machine.updated_ms === null
        ? texts.machines.noValuesYet
        : texts.machines.noValuesSince(when(machine.updated_ms, nowMs))}
    </span>
  );
}

export function MachinesPage() {
  const machines = useStore(state, (s) => s.machines);
  const { value: cameras } = usePolled("cameras", CAMERAS_EVERY_MS, () => api.cameras());
  const nowMs = useNow();
  return (
    <div class="page">
      <h1 tabIndex={-1}>{texts.machines.title}</h1>
      {machines === null ? (
        <Empty tall>{texts.machines.loading}</Empty>
      ) : machines.length === 0 ? (
        // An appliance may have cameras alone.
        cameras?.length === 0 && <Empty tall>{texts.machines.none}</Empty>
      ) : (
        <ul class="machines">
          {worstFirst(machines).map((machine) => (
            <li key={machine.asset_id}>
              <MachineCard machine={machine} nowMs={nowMs} />
            </li>
          ))}
        </ul>
      )}
      <Cameras cameras={cameras ?? []} />
    </div>
  );
}

function worstFirst(machines: readonly MachineSummary[]): MachineSummary[] {
  const rank = (m: MachineSummary) => (m.severity === "not rated" ? 1 : severityRank(m.severity));
  return [...machines].sort(
    (a, b) =>
      rank(b) - rank(a) ||
      Number(b.unacknowledged_alarms > 0) - Number(a.unacknowledged_alarms > 0) ||
      (a.name < b.name ? -1 : 1),
  );
}

function MachineCard({ machine, nowMs }: { machine: MachineSummary; nowMs: number }) {
  const m = machine;
  const old = isOld(m, nowMs);
  return (
    <a
      class={`card machine ${severityClass(m.severity)}${old ? " stale" : ""}`}
      href={machineHref(m.asset_id)}
      data-testid={`machine-card-${m.asset_id}`}
    >
      <span class="machine-head">
        <SeverityBadge severity={m.severity} testId="severity" />
        <span class="machine-name">{m.name}</span>
        <AlarmCounts machine={m} />
      </span>
      <span class="machine-headline" data-testid="headline">
        {m.headline}
      </span>
      <Learning learning={m.learning} />
      <span class="machine-facts">
        <Fact name={texts.machines.speed} value={rpm(m.shaft_hz)} />
        <Fact name={texts.machines.load} value={percent(m.load)} />
        <Fact name={texts.machines.velocity} value={quantity(m.velocity_rms_mm_s, "mm/s")} />
        <span class="fact fact-wide">
          <span class="fact-name">{texts.machines.score}</span>
          <Deviation score={m.score} />
        </span>
      </span>
      <span class="machine-foot">
        <span>{m.operating_state}</span>
        <OldValues machine={m} nowMs={nowMs} />
      </span>
    </a>
  );
}

export function AlarmCounts({ machine }: { machine: MachineSummary }) {
  const { active_alarms: active, unacknowledged_alarms: unacknowledged } = machine;
  if (active === 0 && unacknowledged === 0) return <span class="tag">{texts.machines.noAlarms}</span>;
  return (
    <span class="machine-alarms">
      {active > 0 && <span class="tag">{texts.machines.active(active)}</span>}
      {unacknowledged > 0 && (
        <span class="tag tag-attention">{texts.machines.unacknowledged(unacknowledged)}</span>
      )}
    </span>
  );
}

/** A bar while learning, one line after it; the same height, so that nothing jumps. */
export function Learning({ learning }: { learning: LearningView }) {
  return (
    <span class="learning" data-testid="learning">
      {learning.complete ? null : (
        <ProgressBar percent={learning.percent} label={texts.machines.learning} testId="learning-bar" />
      )}
      <span class="learning-text">{learning.text}</span>
      {learning.complete && learning.provisional && !learning.text.includes("provisional") && (
        <span class="tag">{texts.machines.provisional}</span>
      )}
    </span>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <span class="fact">
      <span class="fact-name">{name}</span>
      <span class="fact-value value">{value}</span>
    </span>
  );
}

/** The score against its limit, which stands at half of the bar. */
export function Deviation({ score }: { score: number | null }) {
  if (score === null) return <span class="fact-value value">{figure(null)}</span>;
  const words = `${percent(score)} ${texts.machines.ofLimit}`;
  return (
    <span class="deviation">
      <Bar fraction={score / 2} markAt={0.5} label={words} tone={score >= 1 ? "over" : "plain"} />
      <span class="value">{words}</span>
    </span>
  );
}
