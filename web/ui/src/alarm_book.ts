/** The alarms as this page knows them: merges what is fetched with what arrives live. Pure. */
import type { AlarmView, Severity } from "./schema";

export type AlarmBook = ReadonlyMap<string, AlarmView>;

export const isActive = (alarm: AlarmView): boolean => alarm.state.startsWith("active");
export const isUnacknowledged = (alarm: AlarmView): boolean => alarm.state.endsWith("unacknowledged");
/** Still asks for something: it is active, or nobody has said that they saw it. */
export const isOpen = (alarm: AlarmView): boolean => alarm.state !== "normal";

// "not rated" on an alarm means that something other than a machine's state needs a look: no less than watch.
const RANK: Record<Severity, number> = { stop: 4, warn: 3, watch: 2, "not rated": 2, good: 0 };
export const severityRank = (severity: Severity): number => RANK[severity];

/** The book with one alarm taken in as it stands now. */
export function withAlarm(book: AlarmBook, alarm: AlarmView): AlarmBook {
  return new Map(book).set(alarm.alarm_id, alarm);
}

/**
 * The book after the list of all open alarms was fetched; what the list does not name is no longer open.
 *
 * `arrivedSince` are those that arrived live while the list was on its way: they stand as they arrived.
 * The order of arrival decides, not the alarms' times, which a clock that is set right may put back.
 */
export function withList(book: AlarmBook, list: AlarmView[], arrivedSince: ReadonlySet<string>): AlarmBook {
  const kept = [...book].filter(([id, alarm]) => arrivedSince.has(id) || !isOpen(alarm));
  const listed = list.filter((alarm) => !arrivedSince.has(alarm.alarm_id));
  return new Map([...kept, ...listed.map((alarm): [string, AlarmView] => [alarm.alarm_id, alarm])]);
}

/** Alarms that ask for attention now and did not before: what is announced. */
export function newlyRaised(before: AlarmBook, after: AlarmBook): AlarmView[] {
  return [...after.values()].filter((alarm) => {
    if (alarm.state !== "active, unacknowledged") return false;
    const known = before.get(alarm.alarm_id);
    return known === undefined || known.activation < alarm.activation || !isActive(known);
  });
}

/** Active alarms whose cause became known since: they were announced without it. */
export function newlyNamed(before: AlarmBook, after: AlarmBook): AlarmView[] {
  return [...after.values()].filter((alarm) => {
    const known = before.get(alarm.alarm_id);
    return (
      isActive(alarm) &&
      alarm.fault !== null &&
      known !== undefined &&
      isActive(known) &&
      known.activation === alarm.activation &&
      known.fault === null
    );
  });
}

/** Active before cleared, unacknowledged before acknowledged, worst first, newest first. */
export function inOrderOfAttention(alarms: Iterable<AlarmView>): AlarmView[] {
  const key = (alarm: AlarmView): number[] => [
    Number(isOpen(alarm)),
    Number(isActive(alarm)),
    isOpen(alarm) ? severityRank(alarm.severity) : 0,
    Number(isUnacknowledged(alarm)),
    alarm.changed_ms,
  ];
  return [...alarms].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    for (let i = 0; i < left.length; i++) {
      const difference = (right[i] ?? 0) - (left[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return a.alarm_id < b.alarm_id ? -1 : 1;
  });
}

/** The alarm that says most about a machine now; null when none is open. */
export function headlineAlarm(alarms: Iterable<AlarmView>, assetId: string): AlarmView | null {
  const own = [...alarms].filter((alarm) => alarm.asset_id === assetId && isOpen(alarm));
  return inOrderOfAttention(own)[0] ?? null;
}
