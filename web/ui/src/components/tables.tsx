/** Queues, journal classes and counters as tables that become cards on a narrow screen. */
import { bytes, count, duration, figure, NONE, slug } from "../format";
import { shownUnit } from "../names";
import type { BacklogView, CounterView, QueueView } from "../schema";
import { state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";
import { Bar } from "./bars";
import { Empty } from "./notice";

const t = texts.appliance;

function Drops({ dropped }: { dropped: number }) {
  return dropped === 0 ? <>0</> : <strong class="dropped">{count(dropped)}</strong>;
}

export function QueueTable({ queues }: { queues: readonly QueueView[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.queue}</th>
          <th scope="col">{t.depth}</th>
          <th scope="col" class="number">
            {t.dropped}
          </th>
        </tr>
      </thead>
      <tbody>
        {queues.map((queue) => {
          const words = `${count(queue.depth)} / ${count(queue.capacity)}`;
          const fraction = queue.capacity > 0 ? queue.depth / queue.capacity : 0;
          return (
            <tr key={queue.name} data-testid={`queue-${slug(queue.name)}`}>
              <th scope="row">{queue.name}</th>
              <td class="with-bar">
                <Bar fraction={fraction} label={words} tone={fraction > 0.8 ? "over" : "plain"} />
                <span class="value">{words}</span>
              </td>
              <td class="number value">
                <Drops dropped={queue.dropped} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function daysLeft(days: number | null): string {
  if (days === null) return t.noRateYet;
  return days > 365 ? t.moreThanAYear : t.days(figure(days, 2));
}

export function BacklogTable({ backlog }: { backlog: readonly BacklogView[] }) {
  const columns: [string, (row: BacklogView) => string][] = [
    [t.backlog.records, (row) => count(row.records)],
    [t.backlog.stored, (row) => `${bytes(row.stored_bytes)} / ${bytes(row.budget_bytes)}`],
    [t.backlog.age, (row) => (row.oldest_age_s === null ? NONE : duration(row.oldest_age_s))],
    [t.backlog.daysLeft, (row) => daysLeft(row.days_left)],
    [t.backlog.perDay, (row) => (row.written_bytes_per_day > 0 ? bytes(row.written_bytes_per_day) : NONE)],
  ];
  return (
    <table class="cards-when-narrow">
      <thead>
        <tr>
          <th scope="col">{t.backlog.class}</th>
          {columns.map(([name]) => (
            <th scope="col" class="number" key={name}>
              {name}
            </th>
          ))}
          <th scope="col" class="number">
            {t.backlog.dropped}
          </th>
        </tr>
      </thead>
      <tbody>
        {backlog.map((row) => (
          <tr key={row.record_class} data-testid={`backlog-${slug(row.record_class)}`}>
            <th scope="row">{row.record_class}</th>
            {columns.map(([name, cell]) => (
              <td class="number value" key={name} data-name={name}>
                {cell(row)}
              </td>
            ))}
            <td class="number value" data-name={t.backlog.dropped}>
              <Drops dropped={row.dropped} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function counterValue({ value, unit }: CounterView): string {
  const whole = Number.isInteger(value) && Math.abs(value) < 1e9;
  const number = whole ? count(value) : value.toFixed(2);
  return shownUnit(unit) === "" ? number : `${number}\u00a0${shownUnit(unit)}`;
}

export function CounterTable({ counters }: { counters: readonly CounterView[] }) {
  const machines = useStore(state, (s) => s.machines);
  const names = new Map((machines ?? []).map((machine) => [machine.asset_id, machine.name]));
  const machinesFirst = [...counters].sort(
    (one, other) => Number(names.has(other.subject)) - Number(names.has(one.subject)),
  );
  if (counters.length === 0) return <Empty>{t.noCounters}</Empty>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.subject}</th>
          <th scope="col">{t.counter}</th>
          <th scope="col" class="number">
            {t.value}
          </th>
        </tr>
      </thead>
      <tbody>
        {machinesFirst.map((counter) => (
          <tr
            key={`${counter.counter}/${counter.subject}`}
            data-testid={`counter-${slug(counter.counter)}-${slug(counter.subject)}`}
            data-counter={counter.counter}
            data-subject={counter.subject}
            data-value={counter.value}
          >
            <td>{names.get(counter.subject) ?? counter.subject}</td>
            <th scope="row">{counter.counter}</th>
            <td class="number value">{counterValue(counter)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
