/** The appliance itself: where data comes from, what is kept, how long it lasts, whether time is right. */
import type { ComponentChildren } from "preact";
import { Bar } from "../components/bars";
import { inOrderOfAttention, isOpen } from "../alarm_book";
import { AlarmCard } from "../components/alarm_card";
import { DeadLetters } from "../components/dead_letters";
import { Health } from "../components/health";
import { LinkCard, linkTone } from "../components/link_card";
import { Empty } from "../components/notice";
import { Reconciliation } from "../components/reconciliation";
import { BacklogTable, CounterTable, QueueTable } from "../components/tables";
import { Traffic } from "../components/traffic";
import { bytes, clockTime, calendarDay, duration, figure } from "../format";
import { useNow } from "../hooks";
import type { ApplianceView, LinkView } from "../schema";
import { state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

const t = texts.appliance;
/** A difference of the screen's clock that is worth a word. */
const CLOCKS_DIFFER_MS = 5_000;

export function AppliancePage() {
  const appliance = useStore(state, (s) => s.appliance);
  return (
    <div class="page">
      <h1 tabIndex={-1}>{appliance === null ? t.title : `${t.title}: ${appliance.name}`}</h1>
      {appliance === null ? <Empty tall>{t.loading}</Empty> : <Parts appliance={appliance} />}
    </div>
  );
}

function Parts({ appliance: a }: { appliance: ApplianceView }) {
  return (
    <>
      <OwnAlarms />
      <Health />
      <DeadLetters tallies={a.dead_letters} />
      <section aria-labelledby="links">
        <h2 id="links">{t.links}</h2>
        {a.links.length === 0 ? (
          <Empty>{t.noLinks}</Empty>
        ) : (
          <ul class="links">
            {troubledFirst(a.links).map((link) => (
              <li key={link.source_id}>
                <LinkCard link={link} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <div class="appliance-grid">
        <Clock appliance={a} />
        <Disk appliance={a} />
        <Card title={t.system}>
          <dl class="facts">
            <Fact name={t.version}>{a.version}</Fact>
            <Fact name={t.uptime}>{duration(a.uptime_s)}</Fact>
            <Fact name={t.memory}>{bytes(a.rss_bytes)}</Fact>
            <Fact name={t.cpu}>{`${figure(a.cpu_percent, 2)}\u00a0%`}</Fact>
            <Fact name={t.boot}>
              <code class="boot-id">{a.boot_id}</code>
            </Fact>
          </dl>
        </Card>
        <Card title={t.central} testId="central">
          <p>{a.central}</p>
        </Card>
        <Traffic view={a.traffic} />
      </div>
      <Reconciliation view={a.reconciliation} />
      <section class="card" aria-labelledby="journal">
        <h2 id="journal">{t.journal}</h2>
        <p class={a.journal_durable ? "journal-state" : "notice notice-bad"} data-testid="journal-durable">
          {a.journal_durable ? t.journalDurable : t.journalNotDurable}
        </p>
        <BacklogTable backlog={a.backlog} />
        <p class="hint">{t.daysLeftWhy}</p>
      </section>
      <div class="two-columns">
        <section class="card" aria-labelledby="queues">
          <h2 id="queues">{t.queues}</h2>
          <QueueTable queues={a.queues} />
        </section>
        <section class="card" aria-labelledby="counters">
          <h2 id="counters">{t.counters}</h2>
          <CounterTable counters={a.counters} />
        </section>
      </div>
    </>
  );
}

function troubledFirst(links: readonly LinkView[]): LinkView[] {
  const order = ["bad", "doubt", "good"];
  return [...links].sort((one, other) => order.indexOf(linkTone(one)) - order.indexOf(linkTone(other)));
}

/** Open alarms of the appliance itself: of a source, the journal, the clock; they belong to no machine. */
function OwnAlarms() {
  const alarms = useStore(state, (s) => s.alarms);
  const machines = useStore(state, (s) => s.machines);
  const nowMs = useNow();
  if (machines === null) return null;
  const ids = new Set(machines.map((machine) => machine.asset_id));
  const own = inOrderOfAttention(alarms.values()).filter((alarm) => isOpen(alarm) && !ids.has(alarm.asset_id));
  if (own.length === 0) return null;
  return (
    <section class="wrong" aria-labelledby="own-alarms">
      <h2 id="own-alarms">{t.ownAlarms}</h2>
      {own.map((alarm) => (
        <AlarmCard key={alarm.alarm_id} alarm={alarm} nowMs={nowMs} withMachine={false} />
      ))}
    </section>
  );
}

function Clock({ appliance }: { appliance: ApplianceView }) {
  const nowMs = useNow();
  const offsetMs = useStore(state, (s) => s.clockOffsetMs);
  const { clock } = appliance;
  return (
    <Card title={t.clock} testId="clock">
      <p class="clock-time value">
        <span class="clock-day">{calendarDay(nowMs)}</span> {clockTime(nowMs)}
      </p>
      <p>
        <span class={clock.trusted ? "tag tag-good" : "tag tag-doubt"}>
          {clock.trusted ? t.clockTrusted : t.clockNotTrusted}
        </span>{" "}
        {clock.text}
      </p>
      {Math.abs(offsetMs) > CLOCKS_DIFFER_MS && <p class="hint">{t.differs(duration(offsetMs / 1000))}</p>}
    </Card>
  );
}

function Disk({ appliance }: { appliance: ApplianceView }) {
  const { disk } = appliance;
  const words = t.diskFree(bytes(disk.free_bytes), bytes(disk.total_bytes));
  const used = disk.total_bytes > 0 ? 1 - disk.free_bytes / disk.total_bytes : 0;
  return (
    <Card title={t.disk} testId="disk">
      <p>{words}</p>
      <Bar fraction={used} label={words} tone={used > 0.9 ? "over" : "plain"} />
      <dl class="facts">
        <Fact name={t.diskJournal}>{bytes(disk.journal_bytes)}</Fact>
        <Fact name={t.diskReserve}>{bytes(disk.reserve_bytes)}</Fact>
      </dl>
      <p class="hint">{disk.path}</p>
    </Card>
  );
}

function Card({ title, testId, children }: { title: string; testId?: string; children: ComponentChildren }) {
  return (
    <section class="card" data-testid={testId}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="value">{children}</dd>
    </div>
  );
}
