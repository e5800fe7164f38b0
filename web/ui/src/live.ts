/** The live stream of server-sent events: connects, hears, notices silence, connects again. */
import { type ConnectionState, LiveTracker } from "./live_tracker";
import type { AlarmTransitionView, ApplianceView, MachineDetail, MachineSummary } from "./schema";

export interface LiveHandlers {
  alarm(transition: AlarmTransitionView): void;
  machines(machines: MachineSummary[]): void;
  machine(machine: MachineDetail): void;
  appliance(appliance: ApplianceView): void;
  /** The connection's state changed; `sinceMs` is when the last message came. */
  connection(state: ConnectionState, sinceMs: number | null): void;
  /** First message after a start or a loss: what is not sent by itself must be fetched. */
  recovered(): void;
  /** Called after each failure, before the next attempt: may find that the session has ended. */
  failed(): void;
}

const WATCH_EVERY_MS = 1_000;

export class LiveStream {
  private readonly tracker = new LiveTracker(Date.now());
  private source: EventSource | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private watchTimer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly handlers: LiveHandlers,
    private readonly open: (url: string) => EventSource = (url) => new EventSource(url),
    private readonly nowMs: () => number = () => Date.now(),
  ) {}

  start(): void {
    if (this.watchTimer !== undefined) return;
    this.tracker.reset(this.nowMs());
    this.watchTimer = setInterval(() => this.watch(), WATCH_EVERY_MS);
    this.connect();
  }

  stop(): void {
    clearInterval(this.watchTimer);
    this.watchTimer = undefined;
    this.disconnect();
  }

  private connect(): void {
    this.disconnect();
    this.tracker.opening(this.nowMs());
    const source = this.open(this.tracker.url());
    this.source = source;
    const on = <T>(event: string, use: (data: T, eventId: string) => void) =>
      source.addEventListener(event, (message) => {
        if (source !== this.source) return;
        const { data, lastEventId } = message as MessageEvent<string>;
        this.heard();
        use(JSON.parse(data) as T, lastEventId);
      });
    on<AlarmTransitionView>("alarm", (transition, eventId) => {
      this.tracker.transition(eventId);
      this.handlers.alarm(transition);
    });
    on<MachineSummary[]>("machines", (machines) => this.handlers.machines(machines));
    on<MachineDetail>("machine", (machine) => this.handlers.machine(machine));
    on<ApplianceView>("appliance", (appliance) => this.handlers.appliance(appliance));
    // The browser's own reconnection gives up on some errors and never notices silence: do it here.
    source.onerror = () => {
      if (source === this.source) this.lose();
    };
  }

  private disconnect(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.source?.close();
    this.source = null;
  }

  private heard(): void {
    if (!this.tracker.heard(this.nowMs())) return;
    this.handlers.connection("live", this.tracker.lastHeardMs);
    this.handlers.recovered();
  }

  private lose(): void {
    this.disconnect();
    const wait = this.tracker.failed();
    this.handlers.connection("lost", this.tracker.lastHeardMs);
    this.handlers.failed();
    // `failed` may have stopped this stream because the session has ended.
    if (this.watchTimer !== undefined) this.retryTimer = setTimeout(() => this.connect(), wait);
  }

  private watch(): void {
    if (this.source !== null && this.tracker.silent(this.nowMs())) this.lose();
  }
}
