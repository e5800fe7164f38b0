/** Tables of the appliance's health: stages, what was written, parts with errors; and the picture of the scores. */
import { bytes, count, duration, figure, NONE, slug } from "../format";
import { histogram, stageName } from "../health_book";
import type { ClassWearView, PartErrorsView, ScoreHealthView, StageHealthView } from "../schema";
import { state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";
import { Empty } from "./notice";

const t = texts.health;

export function StageTable({ stages }: { stages: readonly StageHealthView[] }) {
  const columns: [string, (row: StageHealthView) => string][] = [
    [t.columns.waiting, waiting],
    [t.columns.typical, (row) => duration(row.p50_s)],
    [t.columns.slowest, (row) => duration(row.p99_s)],
  ];
  const counts: [string, (row: StageHealthView) => number][] = [
    [t.columns.dropped, (row) => row.dropped],
    [t.columns.errors, (row) => row.errors],
  ];
  return (
    <table class="cards-when-narrow">
      <thead>
        <tr>
          <th scope="col">{t.columns.stage}</th>
          {[...columns, ...counts].map(([name]) => (
            <th scope="col" class="number" key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {stages.map((row) => (
          <tr key={`${row.stage}/${row.instance}`} data-testid={`stage-${slug(`${row.stage} ${row.instance}`)}`}>
            <th scope="row">{stageName(row)}</th>
            {columns.map(([name, cell]) => (
              <td class="number value" key={name} data-name={name}>
                {cell(row)}
              </td>
            ))}
            {counts.map(([name, cell]) => (
              <td class="number value" key={name} data-name={name}>
                {cell(row) === 0 ? "0" : <strong class="dropped">{count(cell(row))}</strong>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function waiting({ depth, capacity }: StageHealthView): string {
  if (depth === null) return NONE;
  return capacity === null ? count(depth) : `${count(depth)} / ${count(capacity)}`;
}

export function ScoreFigures({ score, periodS }: { score: ScoreHealthView; periodS: number }) {
  const name = useStore(state, (s) => s.machines?.find((one) => one.asset_id === score.asset_id)?.name) ?? score.asset_id;
  const share = (value: number | null) => (value === null ? NONE : `${figure(100 * value)}\u00a0%`);
  return (
    <article class="scores" data-testid={`scores-${score.asset_id}`}>
      <h3>{name}</h3>
      <ScorePicture score={score} />
      <dl class="facts">
        <Fact name={t.scoreTypical}>{share(score.p50)}</Fact>
        <Fact name={t.scoreHigh}>{share(score.p90)}</Fact>
        <Fact name={t.scoreHighest}>{share(score.p99)}</Fact>
        <Fact name={t.overLimit}>{count(score.over_limit)}</Fact>
      </dl>
      <p class="hint">{t.scoresOf(count(score.n), duration(periodS))}</p>
    </article>
  );
}

const HEIGHT = 60;

function ScorePicture({ score }: { score: ScoreHealthView }) {
  const drawn = histogram(score.bounds, score.counts);
  if (drawn === null) return <Empty>{t.noScores}</Empty>;
  const width = 100 / drawn.bars.length;
  const ends = (value: number) => `${figure(100 * value, 2)}\u00a0%`;
  return (
    <figure class="score-picture">
      <svg role="img" aria-label={t.scoreLabel} viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none">
        {drawn.bars.map((share, index) => (
          <rect
            key={index}
            class={(index + 0.5) * width > 100 * drawn.limitAt ? "score-bar score-over" : "score-bar"}
            x={index * width + 0.1 * width}
            width={0.8 * width}
            y={HEIGHT * (1 - share)}
            height={HEIGHT * share}
          />
        ))}
        <line class="score-limit" x1={100 * drawn.limitAt} x2={100 * drawn.limitAt} y1="0" y2={HEIGHT} vector-effect="non-scaling-stroke" />
      </svg>
      <figcaption class="hint">
        <span>{ends(drawn.from)}</span>
        <span>{t.limitLine}</span>
        <span>{ends(drawn.to)}</span>
      </figcaption>
    </figure>
  );
}

export function WearTable({ classes }: { classes: readonly ClassWearView[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.columns.class}</th>
          <th scope="col" class="number">
            {t.columns.written}
          </th>
          <th scope="col" class="number">
            {t.columns.perDay}
          </th>
        </tr>
      </thead>
      <tbody>
        {classes.map((row) => (
          <tr key={row.record_class}>
            <th scope="row">{row.record_class}</th>
            <td class="number value">{bytes(row.written_bytes)}</td>
            <td class="number value">{bytes(row.written_bytes_per_day)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function PartTable({ parts }: { parts: readonly PartErrorsView[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.columns.part}</th>
          <th scope="col" class="number">
            {t.columns.errors}
          </th>
          <th scope="col" class="number">
            {t.columns.restarts}
          </th>
        </tr>
      </thead>
      <tbody>
        {parts.map((row) => (
          <tr key={row.part}>
            <th scope="row">{row.part}</th>
            <td class="number value">{count(row.errors)}</td>
            <td class="number value">{count(row.restarts)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Fact({ name, children }: { name: string; children: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="value">{children}</dd>
    </div>
  );
}
