/** Cameras over parts: a small card each, with the last verdict, the counts and the last defect. */
import { defectShare, kindWords, partWords, pictureHref, verdictSeverity, verdictWord } from "../camera_book";
import { count, percent, when } from "../format";
import { useNow } from "../hooks";
import type { CameraView } from "../schema";
import { cameraTexts as t } from "../texts_cameras";
import { SeverityShape, severityClass } from "./severity";

/** Nothing where no camera is configured. */
export function Cameras({ cameras }: { cameras: readonly CameraView[] }) {
  const nowMs = useNow();
  if (cameras.length === 0) return null;
  return (
    <section aria-labelledby="cameras-title">
      <h2 id="cameras-title">{t.title}</h2>
      <ul class="machines">
        {cameras.map((camera) => (
          <li key={camera.camera_id}>
            <Camera camera={camera} nowMs={nowMs} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Camera({ camera, nowMs }: { camera: CameraView; nowMs: number }) {
  const severity = verdictSeverity(camera);
  const kinds = kindWords(camera);
  return (
    <article class={`card machine ${severityClass(severity)}`} data-testid={`camera-card-${camera.camera_id}`}>
      <header class="machine-head">
        <span class={`severity ${severityClass(severity)}`} data-testid="verdict">
          <SeverityShape severity={severity} />
          <span class="severity-word">{verdictWord(camera)}</span>
        </span>
        <h3 class="machine-name">{camera.name}</h3>
      </header>
      {camera.last !== null && (
        <p class="machine-headline">
          {when(camera.last.time_ms, nowMs)} · {partWords(camera.last)}
        </p>
      )}
      {camera.learning !== "" && <p class="hint">{camera.learning}</p>}
      <dl class="machine-facts">
        <Fact name={t.inspected} value={count(camera.parts_inspected)} testId="inspected" />
        <Fact name={t.defective} value={count(camera.parts_defective)} testId="defective" />
        <Fact name={t.noVerdict} value={count(camera.parts_no_verdict)} testId="no-verdict" />
        <Fact name={t.share} value={percent(defectShare(camera))} testId="share" />
      </dl>
      {kinds !== "" && (
        <p class="hint">
          {t.kinds}: {kinds}
        </p>
      )}
      {camera.last_defect !== null && (
        <figure class="part-picture">
          <img src={pictureHref(camera.last_defect)} alt={t.pictureOf(camera.name)} loading="lazy" data-testid="last-defect" />
          <figcaption class="hint">{t.lastDefect}</figcaption>
        </figure>
      )}
    </article>
  );
}

function Fact({ name, value, testId }: { name: string; value: string; testId: string }) {
  return (
    <div class="fact">
      <dt class="fact-name">{name}</dt>
      <dd class="fact-value value" data-testid={testId}>
        {value}
      </dd>
    </div>
  );
}
