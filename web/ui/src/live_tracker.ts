/**
 * What the state of the live connection is, and from where it must be resumed. No I/O and no clock:
 * time is an argument, the shell in live.ts does what this says.
 */

export type ConnectionState = "connecting" | "live" | "lost";

/** The appliance sends its latest state about once a second: this long without any is a lost connection. */
export const SILENCE_MS = 6_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 8_000;

export class LiveTracker {
  private connection: ConnectionState = "connecting";
  private heardMs: number | null = null;
  private openedMs: number;
  private failures = 0;
  private sequence: number | null = null;

  constructor(nowMs: number) {
    this.openedMs = nowMs;
  }

  get state(): ConnectionState {
    return this.connection;
  }

  /** When the last message came: the connection is lost *since* then. Null while none ever came. */
  get lastHeardMs(): number | null {
    return this.heardMs;
  }

  /** Journal sequence of the newest alarm transition that was received. */
  get lastSequence(): number | null {
    return this.sequence;
  }

  /** Where to connect so that no transition is missed. */
  url(): string {
    return this.sequence === null ? "/api/live" : `/api/live?after=${this.sequence}`;
  }

  /** A connection attempt starts. */
  opening(nowMs: number): void {
    this.openedMs = nowMs;
  }

  /** A message arrived. Returns true when it is the first one after a start or a loss. */
  heard(nowMs: number): boolean {
    const recovered = this.connection !== "live";
    this.connection = "live";
    this.heardMs = nowMs;
    this.failures = 0;
    return recovered;
  }

  /**
   * An alarm transition arrived; `eventId` is the event's `id:` field.
   *
   * The newest one received is where to resume, whatever its number: a resumed stream may repeat some
   * (taking in an alarm twice changes nothing), and the numbers of a new journal start again.
   */
  transition(eventId: string): void {
    const sequence = eventId === "" ? Number.NaN : Number(eventId);
    if (Number.isSafeInteger(sequence)) this.sequence = sequence;
  }

  /** The connection broke. Returns how long to wait before the next attempt, longer each time. */
  failed(): number {
    this.connection = "lost";
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.failures, LONGEST_RETRY_MS);
    this.failures += 1;
    return wait;
  }

  /** True when an open connection has been silent for so long that it must be taken for broken. */
  silent(nowMs: number): boolean {
    return nowMs - Math.max(this.heardMs ?? 0, this.openedMs) > SILENCE_MS;
  }

  /** The session changed hands: another user's stream starts at its beginning. */
  reset(nowMs: number): void {
    this.connection = "connecting";
    this.heardMs = null;
    this.openedMs = nowMs;
    this.failures = 0;
    this.sequence = null;
  }
}
