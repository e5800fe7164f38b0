/** How the appliance itself is: what is wrong first, the figures folded away below. */
import type { ComponentChildren } from "preact";
import { bytes, count, duration, figure, NONE } from "../format";
import { degrees, hottest, memoryUsed, percent, type Trouble, troubles } from "../health_book";
import { usePolled } from "../hooks";
import type { ApplianceHealthView } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { Bar } from "./bars";
import { PartTable, ScoreFigures, StageTable, WearTable } from "./health_tables";
import { Empty, ProblemNotice } from "./notice";

const t = texts.health;
const EVERY_MS = 2_000;

export function Health() {
  const { value, problem } = usePolled("health", EVERY_MS, () => api.health());
  return (
    <section class="card health" aria-labelledby="health" data-testid="health">
      <h2 id="health">{t.title}</h2>
      {value === undefined && problem === null && <Empty>{t.loading}</Empty>}
      {value === undefined && problem !== null && <ProblemNotice problem={problem} />}
      {value !== undefined && <Parts health={value} />}
    </section>
  );
}

function Parts({ health }: { health: ApplianceHealthView }) {
  const found = troubles(health);
  return (
    <>
      {found.length === 0 ? (
        <p class="health-well" data-testid="health-well">
          <span class="tag tag-good">{t.well}</span> {t.wellWhy}
        </p>
      ) : (
        <ul class="troubles" data-testid="troubles">
          {found.map((trouble) => (
            <TroubleLine key={trouble.text} trouble={trouble} />
          ))}
        </ul>
      )}
      <Figures health={health} />
    </>
  );
}

function TroubleLine({ trouble }: { trouble: Trouble }) {
  return (
    <li class={`trouble trouble-${trouble.tone}`}>
      <TroubleSign tone={trouble.tone} />
      <span>
        <span class="visually-hidden">{t.tones[trouble.tone]} </span>
        <strong>{trouble.text}</strong>
        {trouble.hint !== "" && <span class="trouble-hint"> {trouble.hint}</span>}
      </span>
    </li>
  );
}

/** A cross for what is broken, an exclamation mark for what wants a look: never by colour alone. */
function TroubleSign({ tone }: { tone: Trouble["tone"] }) {
  return (
    <svg class="trouble-sign" width="24" height="24" viewBox="0 0 24 24" aria-hidden="true">
      {tone === "bad" ? <path d="M6 6l12 12M18 6L6 18" /> : <path d="M12 4v10M12 19h.01" />}
    </svg>
  );
}

function Figures({ health }: { health: ApplianceHealthView }) {
  const { load, disk, wear, clock } = health;
  const hot = hottest(health);
  const memory = 100 * memoryUsed(health);
  const analysis = health.stages.filter((stage) => stage.stage === "alarm decision" && stage.p99_s !== null);
  const slowest = Math.max(...analysis.map((stage) => stage.p99_s ?? 0));
  const dropped = health.stages.reduce((sum, stage) => sum + stage.dropped, 0);
  const over = health.scores.reduce((sum, score) => sum + score.over_limit, 0);
  return (
    <div class="health-groups">
      <Group
        id="stages"
        title={t.work}
        gist={[analysis.length > 0 ? t.workGist(duration(slowest)) : "", t.droppedGist(count(dropped))]}
      >
        <StageTable stages={health.stages} />
        <p class="hint">{t.quantiles(duration(health.period_s))}</p>
      </Group>
      <Group id="scores" title={t.scores} gist={[t.scoresGist(count(over))]}>
        {health.scores.length === 0 && <Empty>{t.noScores}</Empty>}
        {health.scores.map((score) => (
          <ScoreFigures key={score.asset_id} score={score} periodS={health.period_s} />
        ))}
      </Group>
      <Group
        id="box"
        title={t.box}
        gist={[t.cpuGist(percent(load.system_cpu_percent)), t.memoryGist(percent(memory)), hot === null ? "" : degrees(hot.degc)]}
      >
        <dl class="facts">
          <Fact name={t.cpuAll(load.n_cpus)} fraction={load.system_cpu_percent / 100}>
            {percent(load.system_cpu_percent)}
          </Fact>
          <Fact name={t.cpuOwn}>{t.ofOneCore(percent(load.process_cpu_percent))}</Fact>
          <Fact name={t.loadAverage}>{figure(load.load_1min, 2)}</Fact>
          <Fact name={t.memoryUsed} fraction={memory / 100}>
            {t.leftOf(bytes(load.memory_available_bytes), bytes(load.memory_total_bytes))}
          </Fact>
          <Fact name={t.memoryOwn}>{bytes(load.rss_bytes)}</Fact>
          {health.temperatures.map((one) => (
            <Fact key={one.sensor} name={one.sensor}>
              {one.high_degc === null ? degrees(one.degc) : t.upTo(degrees(one.degc), degrees(one.high_degc))}
            </Fact>
          ))}
          {health.temperatures.length === 0 && <Fact name={t.temperature}>{t.noSensor}</Fact>}
        </dl>
      </Group>
      <Group id="flash" title={t.flash} gist={[t.diskGist(percent(disk.used_percent)), lifeWords(health)]}>
        <dl class="facts">
          <Fact name={t.diskUsed} fraction={disk.used_percent / 100}>
            {t.leftOf(bytes(disk.free_bytes), bytes(disk.total_bytes))}
          </Fact>
          <Fact name={t.journal}>{bytes(disk.journal_bytes)}</Fact>
          <Fact name={t.device}>{wear.device === "" ? NONE : wear.device}</Fact>
          <Fact name={t.life}>{lifeWords(health)}</Fact>
          <Fact name={t.lifeLeft}>{wear.days_left === null ? t.unknown : duration(wear.days_left * 86_400)}</Fact>
          <Fact name={t.writtenByAll}>{wear.device_written_bytes === null ? NONE : bytes(wear.device_written_bytes)}</Fact>
        </dl>
        <WearTable classes={wear.classes} />
      </Group>
      <Group id="clock-links" title={t.clockAndLinks} gist={[clock.trusted ? t.trusted : t.untrustedFor(duration(clock.untrusted_s))]}>
        <dl class="facts">
          <Fact name={t.clockState}>{clock.trusted ? t.trusted : t.untrustedFor(duration(clock.untrusted_s))}</Fact>
          <Fact name={t.clockSteps}>
            {clock.last_step_s === null ? count(clock.steps) : t.lastStep(count(clock.steps), signed(clock.last_step_s))}
          </Fact>
          {health.links.map((link) => (
            <Fact key={`${link.kind}/${link.name}`} name={`${link.name} (${link.kind})`}>
              {link.silent_s === null ? link.state : t.heard(link.state, duration(link.silent_s))}
            </Fact>
          ))}
        </dl>
      </Group>
      <Group id="parts" title={t.parts} gist={[health.parts.length === 0 ? t.noErrors : t.partsGist(health.parts.length)]}>
        {health.parts.length === 0 ? <Empty>{t.noErrors}</Empty> : <PartTable parts={health.parts} />}
      </Group>
    </div>
  );
}

function lifeWords({ wear }: ApplianceHealthView): string {
  return wear.life_used_percent === null ? t.lifeUnknown : t.lifeUsed(percent(wear.life_used_percent));
}

/** "+2 s", "−400 ms": which way the clock was set. */
const signed = (seconds: number): string => `${seconds < 0 ? "\u2212" : "+"}${duration(Math.abs(seconds))}`;

/** A folded group of figures; what matters of them stands beside its title. */
function Group({ id, title, gist, children }: { id: string; title: string; gist: string[]; children: ComponentChildren }) {
  return (
    <details class="more health-group" data-testid={`health-${id}`}>
      <summary>
        <span class="health-title">{title}</span> <span class="health-gist">{gist.filter((words) => words !== "").join(" · ")}</span>
      </summary>
      <div class="health-body">{children}</div>
    </details>
  );
}

function Fact({ name, fraction, children }: { name: string; fraction?: number; children: string }) {
  return (
    <div class={fraction === undefined ? "" : "with-share"}>
      <dt>{name}</dt>
      <dd class="value">
        {children}
        {fraction !== undefined && <Bar fraction={fraction} label={`${name}: ${children}`} tone={fraction > 0.9 ? "over" : "plain"} />}
      </dd>
    </div>
  );
}
