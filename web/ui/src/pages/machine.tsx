/** One machine: what is wrong, why, what to do; then the signals behind it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { headlineAlarm, inOrderOfAttention, isOpen } from "../alarm_book";
import { AlarmCard } from "../components/alarm_card";
import { Captures } from "../components/captures";
import { DiagnosisCard } from "../components/diagnosis_card";
import { LimitsPanel } from "../components/limits_panel";
import { Empty, ProblemNotice, problemFrom } from "../components/notice";
import { SensorList } from "../components/sensor_list";
import { SeverityBadge, severityClass } from "../components/severity";
import { Signals } from "../components/signals";
import { percent, quantity, rpm } from "../format";
import { useNow } from "../hooks";
import type { MachineDetail, MachineSummary, Problem } from "../schema";
import { fetchMachine, state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";
import { Deviation, isOld, Learning, OldValues } from "./machines";

export function MachinePage({ assetId }: { assetId: string }) {
  const detail = useStore(state, (s) => s.details.get(assetId));
  const listed = useStore(state, (s) => s.machines?.find((m) => m.asset_id === assetId));
  const alarms = useStore(state, (s) => s.alarms);
  const [problem, setProblem] = useState<Problem | null>(null);
  const nowMs = useNow();

  useEffect(() => {
    fetchMachine(assetId).then(
      () => setProblem(null),
      (error: unknown) => setProblem(problemFrom(error)),
    );
  }, [assetId]);

  const headline = useMemo(() => headlineAlarm(alarms.values(), assetId), [alarms, assetId]);
  const others = useMemo(
    () =>
      inOrderOfAttention(alarms.values()).filter(
        (alarm) => alarm.asset_id === assetId && isOpen(alarm) && alarm !== headline,
      ),
    [alarms, assetId, headline],
  );
  const summary = detail?.summary ?? listed;

  return (
    <div class="page">
      <a class="back" href="#/machines">
        <span aria-hidden="true">←</span> {texts.machine.back}
      </a>
      {summary === undefined ? (
        <>
          <h1 tabIndex={-1}>{assetId}</h1>
          {problem ? <ProblemNotice problem={problem} /> : <Empty tall>{texts.machine.loading}</Empty>}
        </>
      ) : (
        <>
          <Head summary={summary} detail={detail} nowMs={nowMs} />
          <div class="machine-page">
            <section class="wrong" aria-labelledby="wrong">
              <h2 id="wrong">{texts.machine.whatIsWrong}</h2>
              {headline === null ? (
                <p class="card calm">{texts.machine.nothingWrong}</p>
              ) : (
                <AlarmCard alarm={headline} nowMs={nowMs} withMachine={false} large />
              )}
              {others.length > 0 && <h2>{texts.machine.otherAlarms}</h2>}
              {others.map((alarm) => (
                <AlarmCard key={alarm.alarm_id} alarm={alarm} nowMs={nowMs} withMachine={false} />
              ))}
            </section>
            <section class="diagnosis-column">
              <DiagnosisCard
                diagnosis={detail?.diagnosis ?? null}
                channels={detail?.channels ?? []}
                bearing={detail?.bearing ?? null}
              />
              {detail !== undefined && <SensorList channels={detail.channels} />}
            </section>
          </div>
          {detail === undefined ? (
            <Empty tall>{texts.machine.loading}</Empty>
          ) : (
            <Signals channels={detail.channels} headline={headline} diagnosis={detail.diagnosis} nowMs={nowMs} />
          )}
          <section class="card">
            <Captures of={{ assetId }} nowMs={nowMs} />
          </section>
          <LimitsPanel key={assetId} assetId={assetId} nowMs={nowMs} />
        </>
      )}
    </div>
  );
}

function Head({ summary, detail, nowMs }: { summary: MachineSummary; detail: MachineDetail | undefined; nowMs: number }) {
  const facts: [string, string][] = [
    [texts.machines.speed, rpm(summary.shaft_hz)],
    [texts.machines.load, percent(summary.load)],
    [texts.machines.velocity, quantity(summary.velocity_rms_mm_s, "mm/s")],
    [texts.machines.state, summary.operating_state],
  ];
  if (summary.scored_by) facts.push([texts.machine.scoredBy, summary.scored_by]);
  if (detail?.bearing) facts.push([texts.machine.bearing, detail.bearing]);
  return (
    <header class={`card machine-banner ${severityClass(summary.severity)}${isOld(summary, nowMs) ? " stale" : ""}`}>
      <div class="machine-head">
        <SeverityBadge severity={summary.severity} testId="severity" />
        <h1 tabIndex={-1}>{summary.name}</h1>
        <OldValues machine={summary} nowMs={nowMs} />
      </div>
      <p class="machine-headline" data-testid="headline">
        {summary.headline}
      </p>
      <dl class="banner-facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="value">{value}</dd>
          </div>
        ))}
        <div class="fact-wide">
          <dt>{texts.machines.score}</dt>
          <dd>
            <Deviation score={summary.score} />
          </dd>
        </div>
      </dl>
      <Learning learning={summary.learning} />
    </header>
  );
}
