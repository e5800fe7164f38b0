/** Whether the centre has what was sent, and the newest report of what was compared and repaired. */
import { count, when } from "../format";
import { useNow } from "../hooks";
import type { ReconciliationReportView, ReconciliationView } from "../schema";
import { texts } from "../texts";

const t = texts.reconciliation;

export function Reconciliation({ view }: { view: ReconciliationView | null | undefined }) {
  const nowMs = useNow();
  if (view === null || view === undefined) return null;
  const { differing, ended_ms, error, report } = view;
  return (
    <section class="card" aria-labelledby="reconciliation" data-testid="reconciliation">
      <h2 id="reconciliation">{t.title}</h2>
      {error !== "" && <p class="notice notice-bad">{error}</p>}
      {differing > 0 && (
        <p class="notice notice-bad" data-testid="reconciliation-differs">
          {t.differs(count(differing))}
        </p>
      )}
      <dl class="facts">
        <Fact name={t.sent} value={count(view.sent)} />
        <Fact name={t.confirmed} value={count(view.confirmed)} />
        <Fact name={t.differing} value={count(differing)} />
        {view.cut_or_gone > 0 && <Fact name={t.cutOrGone} value={count(view.cut_or_gone)} />}
        <Fact name={t.lastRound} value={view.running ? t.running : ended_ms === null ? t.never : when(ended_ms, nowMs)} />
      </dl>
      {report !== null && <Report report={report} nowMs={nowMs} />}
    </section>
  );
}

function Report({ report, nowMs }: { report: ReconciliationReportView; nowMs: number }) {
  const { outage_from_ms, lines, lines_left_out } = report;
  return (
    <details class="more" data-testid="reconciliation-report">
      <summary>{t.report(when(report.ended_ms, nowMs), report.cause, report.agrees)}</summary>
      <p>{report.text}</p>
      {outage_from_ms !== null && <p>{t.awayFrom(when(outage_from_ms, nowMs))}</p>}
      <dl class="facts">
        {report.figures.map((figure) => (
          <Fact key={figure.name} name={figure.meaning} value={count(figure.value)} />
        ))}
      </dl>
      <ul class="letters">
        {lines.map((line, index) => (
          <li key={index} class="letter">
            <p>
              <strong>{line.part}</strong> · {line.subject}
            </p>
            <p class="letter-reason">{line.text}</p>
          </li>
        ))}
      </ul>
      {lines_left_out > 0 && <p class="hint">{t.leftOut(count(lines_left_out))}</p>}
    </details>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="value">{value}</dd>
    </div>
  );
}
