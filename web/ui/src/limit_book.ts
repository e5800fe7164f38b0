/** Learned limits in order: grouped by operating state, what may be done with each, in words. Pure. */
import { count, duration, figure } from "./format";
import type { LimitChange, LimitsView, LimitVersionView, LimitView, TrendLimit } from "./schema";
import { texts } from "./texts";

const t = texts.limits;

export type Act = LimitChange["action"];

export interface StateLimits {
  state: string;
  present: boolean;
  learned: boolean;
  limits: LimitView[];
}

/** The state that the machine is in first, then those in service, then by name. */
export function byState(limits: readonly LimitView[]): StateLimits[] {
  const states = new Map<string, LimitView[]>();
  for (const limit of limits) states.set(limit.operating_state, [...(states.get(limit.operating_state) ?? []), limit]);
  const groups = [...states].map(([state, own]) => ({
    state,
    present: own.some((limit) => limit.present),
    learned: own.every((limit) => limit.in_service),
    limits: own,
  }));
  return groups.sort(
    (a, b) =>
      Number(b.present) - Number(a.present) || Number(b.learned) - Number(a.learned) || a.state.localeCompare(b.state),
  );
}

export const isOfPerson = (limit: LimitView): boolean => limit.action !== "" && limit.actor !== "appliance";

/** What can be done with the first baseline of a channel's drift. */
export const actsForFirst = (first: LimitView): Act[] => (isOfPerson(first) ? ["new first baseline", "undo"] : ["new first baseline"]);

/** What drift is compared with, in words. */
export const firstStanding = (first: LimitView): string =>
  first.in_service ? t.firstKnown(hours(first.rests_on_h)) : t.firstCollected(hours(first.learned_h), hours(first.needed_h));

/** The limit, or first baseline, that a version belongs to. */
export const limitOf = (view: LimitsView, version: LimitVersionView): LimitView | null =>
  [...view.limits, ...view.first_baselines].find(
    (limit) => limit.channel_id === version.channel_id && limit.operating_state === version.operating_state,
  ) ?? null;

/** What can be done with one limit; the appliance refuses the rest, and says why. */
export function actsFor(limit: LimitView): Act[] {
  const undo: Act[] = isOfPerson(limit) && limit.in_service ? ["undo"] : [];
  if (!limit.in_service) return limit.version > 1 ? ["undo", "learn anew"] : ["learn anew"];
  if (limit.locked) return ["unlock", "raise", ...undo];
  return ["raise", "lock", ...undo, "learn anew"];
}

export type MachineAct = "lock" | "unlock" | "undo" | "learn anew";

/** What can be done with all limits of the machine at once. */
export function actsForAll(limits: readonly LimitView[]): MachineAct[] {
  const acts: MachineAct[] = [];
  if (limits.some((limit) => limit.in_service && !limit.locked)) acts.push("lock");
  if (limits.some((limit) => limit.locked)) acts.push("unlock");
  if (limits.some(isOfPerson)) acts.push("undo");
  if (limits.length > 0) acts.push("learn anew");
  return acts;
}

export const wholePercent = (percent: number): string => `${Math.round(percent)}\u00a0%`;

/** Hours as a person counts them: "31 h", "2.5 h", "40 s" in a minute's show. */
export function hours(value: number): string {
  if (value < 1) return duration(value * 3600);
  return `${value >= 100 ? count(value) : figure(value, 2)}\u00a0h`;
}

/** "Learned 31 of 48 h, 4 of 5 operating states". */
export function progressWords(view: LimitsView): string {
  const { learned_h: learned, needed_h: needed, states_learned: done, states_seen: seen } = view.learning;
  // Hours without decimals once there are many; rounded down, so that "48 of 48 h" is never said too early.
  const said = (value: number) => (needed >= 20 ? String(Math.floor(value)) : (Math.floor(value * 10) / 10).toFixed(1));
  const amount =
    needed >= 2
      ? t.progress(said(learned), said(needed))
      : t.progressShort(String(Math.floor(learned * 3600)), String(Math.round(needed * 3600)));
  return `${amount}, ${t.states(done, seen)}`;
}

/** Hours that learning anew takes: of one limit, or of the machine's vibration, where it has any. */
export function learningHours(view: LimitsView, limit: LimitView | null): number {
  if (limit !== null) return limit.needed_h;
  const vibration = view.limits.filter((one) => one.kind === "limit");
  return Math.max(0, ...(vibration.length > 0 ? vibration : view.limits).map((one) => one.needed_h));
}

/** How the limit stands: "raised to 130 % of what was learned". */
export function standing(limit: LimitView): string {
  if (!limit.in_service) return t.learning(hours(limit.learned_h), hours(limit.needed_h));
  if (Math.abs(limit.percent - 100) < 0.5) return t.asLearned;
  return limit.pinned ? t.raised(wholePercent(limit.percent)) : t.settled(wholePercent(limit.percent));
}

/** Why a figure that was typed cannot be the new limit; null where it can. */
export function percentProblem(typed: string, limit: LimitView, largest: number): string | null {
  const percent = Number(typed.replace(",", "."));
  if (typed.trim() !== "" && Number.isFinite(percent) && percent >= limit.percent + 1 && percent <= largest) return null;
  return t.percentRange(wholePercent(limit.percent), wholePercent(largest));
}

/** Whether a version of the history can be put in force again. */
export const restorable = (version: LimitVersionView): boolean => version.learned && !version.newest;

/** The limit that a trend shows: of the state that was picked, else of the present one, else the first. */
export function shownLimit(limits: readonly TrendLimit[], picked: string | null): TrendLimit | null {
  return (
    limits.find((limit) => limit.operating_state === picked) ?? limits.find((limit) => limit.present) ?? limits[0] ?? null
  );
}
