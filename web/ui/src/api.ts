/** The appliance's HTTP interface as functions. Holds the CSRF token; decides nothing about pages. */
import type {
  AlarmTransitionView,
  AlarmView,
  ApplianceHealthView,
  ApplianceView,
  CameraView,
  CapturesBegun,
  CaptureView,
  DeadLetterPage,
  LimitChange,
  LimitsView,
  LimitVersionView,
  MachineDetail,
  MachineSummary,
  Problem,
  RedriveView,
  SessionView,
  SpectrumKind,
  SpectrumView,
  TrendView,
  WaveformView,
} from "./schema";
import { texts } from "./texts";

/** An answer that is not what was asked for. `status` 0: the appliance could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail || problem.title);
  }
}

const REQUEST_TIMEOUT_MS = 15_000;

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    if (typeof body.title === "string") {
      return { title: body.title, detail: body.detail ?? "", remedy: body.remedy ?? "" };
    }
  } catch {
    // Not JSON: a proxy's page. The status says enough.
  }
  return { title: texts.api.unexpected(response.status), detail: "", remedy: "" };
}

export class Api {
  private csrfToken = "";

  constructor(
    private readonly send: Fetch = (input, init) => fetch(input, init),
    /** Called for each 401 of a request that needs a session, and for 403 while the password must change. */
    private readonly onSessionEnded: () => void = () => undefined,
  ) {}

  // Session

  async session(): Promise<SessionView> {
    return this.keepToken(await this.request<SessionView>("GET", "/api/session", undefined, false));
  }

  async logIn(user: string, password: string): Promise<SessionView> {
    return this.keepToken(
      await this.request<SessionView>("POST", "/api/session", { user, password }, false),
    );
  }

  async logOut(): Promise<void> {
    await this.request("DELETE", "/api/session");
    this.csrfToken = "";
  }

  async changePassword(oldPassword: string, newPassword: string): Promise<SessionView> {
    const body = { old_password: oldPassword, new_password: newPassword };
    // A wrong old password may answer 401: that is not the end of the session.
    return this.keepToken(await this.request<SessionView>("POST", "/api/session/password", body, false));
  }

  // What the appliance sees

  machines(): Promise<MachineSummary[]> {
    return this.request("GET", "/api/machines");
  }

  machine(assetId: string): Promise<MachineDetail> {
    return this.request("GET", `/api/machines/${encodeURIComponent(assetId)}`);
  }

  limits(assetId: string): Promise<LimitsView> {
    return this.request("GET", `/api/machines/${encodeURIComponent(assetId)}/limits`);
  }

  /** Versions of all limits of a machine, the latest first. */
  limitHistory(assetId: string, limit: number): Promise<LimitVersionView[]> {
    return this.request("GET", `/api/machines/${encodeURIComponent(assetId)}/limits/history?limit=${limit}`);
  }

  changeLimits(assetId: string, change: LimitChange): Promise<LimitsView> {
    return this.request("POST", `/api/machines/${encodeURIComponent(assetId)}/limits`, change);
  }

  appliance(): Promise<ApplianceView> {
    return this.request("GET", "/api/appliance");
  }

  health(): Promise<ApplianceHealthView> {
    return this.request("GET", "/api/appliance/health");
  }

  /** What receivers refused for good, the latest refusal first. */
  deadLetters(destination: string, limit: number): Promise<DeadLetterPage> {
    const query = new URLSearchParams({ destination, limit: String(limit) });
    return this.request("GET", `/api/dead-letters?${query}`);
  }

  /** Null: all of the destination. */
  redrive(destination: string, letterIds: string[] | null): Promise<RedriveView> {
    return this.request("POST", "/api/dead-letters/redrive", { destination, letter_ids: letterIds });
  }

  alarms(includeClosed: boolean, limit = 200): Promise<AlarmView[]> {
    return this.request("GET", `/api/alarms?include_closed=${includeClosed}&limit=${limit}`);
  }

  alarmHistory(alarmId: string): Promise<AlarmTransitionView[]> {
    return this.request("GET", `/api/alarms/${encodeURIComponent(alarmId)}/history`);
  }

  acknowledge(alarmId: string, activation: number, comment: string): Promise<AlarmView> {
    const path = `/api/alarms/${encodeURIComponent(alarmId)}/acknowledge`;
    return this.request("POST", path, { activation, comment });
  }

  /** For so many hours; 0 takes it off the shelf. */
  shelve(alarmId: string, activation: number, hours: number, reason: string): Promise<AlarmView> {
    const path = `/api/alarms/${encodeURIComponent(alarmId)}/shelve`;
    return this.request("POST", path, { activation, hours, reason });
  }

  /** Captured waveforms, the latest first. */
  captures(of: { alarmId?: string; assetId?: string }): Promise<CaptureView[]> {
    const query = new URLSearchParams();
    if (of.alarmId !== undefined) query.set("alarm_id", of.alarmId);
    if (of.assetId !== undefined) query.set("asset_id", of.assetId);
    return this.request("GET", `/api/captures?${query}`);
  }

  /** Cameras over parts, in the order of the configuration. */
  cameras(): Promise<CameraView[]> {
    return this.request("GET", "/api/cameras");
  }

  waveform(captureId: string, maxPoints: number): Promise<WaveformView> {
    return this.request("GET", `/api/captures/${encodeURIComponent(captureId)}/waveform?max_points=${maxPoints}`);
  }

  beginCapture(assetId: string, comment: string): Promise<CapturesBegun> {
    return this.request("POST", "/api/captures", { asset_id: assetId, comment });
  }

  /** Null while there is none yet. */
  async spectrum(channelId: string, kind: SpectrumKind): Promise<SpectrumView | null> {
    try {
      return await this.request(
        "GET",
        `/api/channels/${encodeURIComponent(channelId)}/spectrum?kind=${kind}`,
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  trend(
    channelId: string,
    feature: string,
    startMs: number | null,
    endMs: number | null,
    maxPoints: number,
  ): Promise<TrendView> {
    const query = new URLSearchParams({ feature, max_points: String(maxPoints) });
    if (startMs !== null) query.set("start_ms", String(Math.floor(startMs)));
    if (endMs !== null) query.set("end_ms", String(Math.ceil(endMs)));
    return this.request("GET", `/api/channels/${encodeURIComponent(channelId)}/trend?${query}`);
  }

  // How

  private keepToken(session: SessionView): SessionView {
    this.csrfToken = session.csrf_token;
    return session;
  }

  private async request<T>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: unknown,
    needsSession = true,
  ): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.csrfToken) headers["X-CSRF-Token"] = this.csrfToken;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), REQUEST_TIMEOUT_MS);
    let response: Response;
    try {
      response = await this.send(path, {
        method,
        headers,
        credentials: "same-origin",
        cache: "no-store",
        signal: abort.signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (response.status === 204) return undefined as T;
      if (response.ok) return (await response.json()) as T;
    } catch {
      throw new ApiError(0, texts.api.unreachable);
    } finally {
      clearTimeout(timer);
    }
    const problem = await problemOf(response);
    if (needsSession && response.status === 401) this.onSessionEnded();
    throw new ApiError(response.status, problem);
  }
}
