/** The page's state and what changes it: session, live stream, alarms. Pages only watch and call. */
import { Api, ApiError } from "./api";
import { type AlarmBook, newlyNamed, newlyRaised, withAlarm, withList } from "./alarm_book";
import { LiveStream } from "./live";
import type { ConnectionState } from "./live_tracker";
import type { AlarmView, ApplianceView, MachineDetail, MachineSummary, SessionView } from "./schema";
import { Store } from "./store";
import { texts } from "./texts";

export interface AppState {
  /** Undefined until it is known whether there is a session. */
  session: SessionView | null | undefined;
  /** True when a session ended by itself: the login page says why it is there. */
  sessionEnded: boolean;
  connection: ConnectionState;
  /** When the last live message came. */
  heardMs: number | null;
  machines: MachineSummary[] | null;
  details: ReadonlyMap<string, MachineDetail>;
  appliance: ApplianceView | null;
  /** The appliance's clock minus this screen's. */
  clockOffsetMs: number;
  alarms: AlarmBook;
  alarmsKnown: boolean;
  /** The latest new alarm, in words, for screen readers. */
  announcement: string;
}

const EMPTY: Omit<AppState, "session" | "sessionEnded"> = {
  connection: "connecting",
  heardMs: null,
  machines: null,
  details: new Map(),
  appliance: null,
  clockOffsetMs: 0,
  alarms: new Map(),
  alarmsKnown: false,
  announcement: "",
};

export const state = new Store<AppState>({ ...EMPTY, session: undefined, sessionEnded: false });

export const api = new Api(undefined, () => endSession(true));

/** For each answer that is under way: alarms that arrived live meanwhile, which it may not know yet. */
const underway = new Set<Set<string>>();

async function noting<T>(ask: () => Promise<T>): Promise<[T, ReadonlySet<string>]> {
  const arrived = new Set<string>();
  underway.add(arrived);
  try {
    return [await ask(), arrived];
  } finally {
    underway.delete(arrived);
  }
}

function takeAlarm(alarm: AlarmView): void {
  for (const arrived of underway) arrived.add(alarm.alarm_id);
  takeAlarms(withAlarm(state.get().alarms, alarm));
}

function takeAlarms(alarms: AlarmBook): void {
  const before = state.get();
  const raised = newlyRaised(before.alarms, alarms);
  const first = raised[raised.length - 1];
  const named = newlyNamed(before.alarms, alarms)[0];
  // At the start everything is new: nothing is announced.
  const announcement =
    first !== undefined && before.alarmsKnown
      ? texts.alarms.announced(first.asset_name, first.text)
      : named !== undefined
        ? texts.alarms.causeAnnounced(named.asset_name, named.text)
        : before.announcement;
  state.set({ alarms, announcement });
}

async function fetchAlarms(): Promise<void> {
  const [list, arrived] = await noting(() => api.alarms(false));
  takeAlarms(withList(state.get().alarms, list, arrived));
  state.set({ alarmsKnown: true });
}

function takeAppliance(appliance: ApplianceView): void {
  state.set({ appliance, clockOffsetMs: appliance.clock.now_ms - Date.now() });
}

function takeMachine(machine: MachineDetail): void {
  const details = new Map(state.get().details).set(machine.summary.asset_id, machine);
  state.set({ details });
}

const stream = new LiveStream({
  alarm: ({ alarm }) => takeAlarm(alarm),
  machines: (machines) => state.set({ machines }),
  machine: takeMachine,
  appliance: takeAppliance,
  connection: (connection, heardMs) => state.set({ connection, heardMs }),
  recovered: () => void fetchAlarms().catch(() => undefined), // told by the next loss of connection
  failed: () => void checkSession(),
});

/** After a failure: the connection may be gone, or only the session. */
async function checkSession(): Promise<void> {
  try {
    const session = await api.session();
    if (state.get().session) state.set({ session });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) endSession(true);
  }
}

function enter(session: SessionView): void {
  state.set({ session, sessionEnded: false });
  if (session.must_change_password) return;
  stream.start();
  // The live stream sends these within a second; asking makes the first picture come at once.
  void api.machines().then((machines) => state.set({ machines }), () => undefined);
  void api.appliance().then(takeAppliance, () => undefined);
  void fetchAlarms().catch(() => undefined);
}

function endSession(byItself: boolean): void {
  stream.stop();
  const had = state.get().session;
  state.set({ ...EMPTY, session: null, sessionEnded: byItself && had !== null && had !== undefined });
}

/** Finds out whether there is a session; tries again until the appliance answers. */
export async function begin(): Promise<void> {
  try {
    enter(await api.session());
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return endSession(false);
    state.set({ connection: "lost" });
    setTimeout(() => void begin(), 2_000);
  }
}

export async function logIn(user: string, password: string): Promise<void> {
  enter(await api.logIn(user, password));
}

export async function changePassword(oldPassword: string, newPassword: string): Promise<void> {
  const session = await api.changePassword(oldPassword, newPassword);
  stream.stop(); // the old session's stream has ended with it
  enter(session);
}

export async function logOut(): Promise<void> {
  try {
    await api.logOut();
  } finally {
    endSession(false);
  }
}

export const acknowledge = (alarm: AlarmView, comment: string): Promise<void> =>
  actOn(() => api.acknowledge(alarm.alarm_id, alarm.activation, comment));

export const shelve = (alarm: AlarmView, hours: number, reason: string): Promise<void> =>
  actOn(() => api.shelve(alarm.alarm_id, alarm.activation, hours, reason));

async function actOn(act: () => Promise<AlarmView>): Promise<void> {
  try {
    const [answer, arrived] = await noting(act);
    if (!arrived.has(answer.alarm_id)) takeAlarm(answer);
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) await fetchAlarms().catch(() => undefined);
    throw error;
  }
}

export async function fetchMachine(assetId: string): Promise<void> {
  takeMachine(await api.machine(assetId));
}
